"""The training of the small CLIP of the package, on drawn aircraft and their captions.

The loss is the image half of CLIP's (Radford et al. 2021, arXiv:2103.00020), a softmax
over exp(scale) cosines, once for every kind of fact (nose, tail, ..., name): which of all
captions of that kind is true of the picture? Pairs drawn at random, as in CLIP itself,
would need far more of them: most captions are true of many pictures.

What else makes it converge in minutes: Muon (Jordan et al. 2024) for the matrices; texts
that differ from the first step on (large token embeddings, small positions, a high
scale); and calm pictures first, those drawn with little variance.
"""

import functools
import tempfile
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from PIL import Image

from apt_jax.clip import checkpoint
from apt_jax.clip.config import ClipConfig, TextConfig, VisionConfig
from apt_jax.clip.model import CLIP
from apt_jax.clip.pixels import Preprocessing
from apt_jax.clip.tokens import Tokenizer
from apt_jax.progress import progress
from pretraining import captions
from pretraining.bpe import learn_bpe

SIZE = 64
POOL = 30_000  # pictures; each is seen several times, moved and mirrored
BATCH = 64
MUON, ADAM, DECAY = 4e-3, 3e-3, 0.05  # peak learning rates; weight decay
FIRST_SHARE, ALL_FROM = 0.2, 0.5  # of the pool, calmest first; of the steps
TOKEN_SCALE, POSITION_SCALE, LOGIT_SCALE = 50.0, 2.0, 60.0  # at the start
CONTEXT = 16  # tokens; no caption has more
MAX_LOG_SCALE = float(np.log(100))
PREPROCESSING = Preprocessing(SIZE, SIZE)


def architecture(vocab_size: int) -> ClipConfig:
    """Two small transformers, about 1.5 million parameters."""
    return ClipConfig(
        vision=VisionConfig(
            hidden_size=128,
            intermediate_size=512,
            num_hidden_layers=5,
            num_attention_heads=4,
            image_size=SIZE,
            patch_size=8,
        ),
        text=TextConfig(
            hidden_size=96,
            intermediate_size=384,
            num_hidden_layers=3,
            num_attention_heads=3,
            vocab_size=vocab_size,
            max_position_embeddings=64,
        ),
        projection_dim=128,
    )


def run(out: Path, steps: int):
    """Writes the trained checkpoint to the folder `out`."""
    pool = draw_pool(POOL)
    with tempfile.TemporaryDirectory() as folder:
        size = learn_bpe(captions.every_caption(), Path(folder))
        config = architecture(size)
        tokenizer = Tokenizer(folder, config.text.max_position_embeddings)
        params = train(config, tokenizer, pool, steps)
        checkpoint.write(out, config, params, PREPROCESSING, folder)


class Pool(NamedTuple):
    """Training pictures, the calmest first."""

    pixels: np.ndarray  # [n, S, S, 3] uint8
    variants: list  # what is on each


def draw_pool(count: int) -> Pool:
    pixels, variants = np.empty((count, SIZE, SIZE, 3), np.uint8), []
    variances = np.empty(count)
    with progress(count, "drawing") as advance:
        for number in range(count):
            drawn = captions.picture(number, SIZE)
            pixels[number], variances[number] = drawn.pixels, drawn.variance
            variants.append(drawn.variant)
            advance()
    order = np.argsort(variances)
    return Pool(pixels[order], [variants[number] for number in order])


def train(config, tokenizer, pool, steps: int):
    """The parameters after `steps` steps, float32."""
    model = CLIP(config)
    params = initial_parameters(model, config)
    optimizer = make_optimizer(params, steps)
    state = (params, optimizer.init(params))
    labels = np.array([captions.labels(variant) for variant in pool.variants])
    generator = np.random.default_rng([captions.STREAM, 0, 2])
    with progress(steps, "training", "steps") as advance:
        for index in range(steps):
            share = FIRST_SHARE + (1 - FIRST_SHARE) * index / (ALL_FROM * steps)
            calm = int(len(pool.pixels) * min(share, 1))
            rows = generator.choice(calm, BATCH, replace=False)
            moved = np.stack([move(pool.pixels[row], generator) for row in rows])
            ids, eos = tokenizer.encode(captions.one_of_each(generator))
            batch = (moved, ids[:, :CONTEXT], eos, labels[rows])
            state, loss = step(model, optimizer, state, *batch)
            advance(loss=float(loss))
    return state[0]


def initial_parameters(model, config):
    """Flax's initial parameters, but with texts that differ, and positions that count."""
    shape = (1, config.vision.image_size, config.vision.image_size, 3)
    ids, eos = jnp.zeros((1, CONTEXT), int), jnp.zeros(1, int)
    params = model.init(jax.random.key(0), jnp.zeros(shape), ids, eos)["params"]
    params["text"]["token_embedding"] *= TOKEN_SCALE
    params["text"]["position_embedding"] *= POSITION_SCALE
    params["image"]["class_embedding"] *= 10
    params["image"]["position_embedding"] *= 10
    return params | {"logit_scale": jnp.log(LOGIT_SCALE)}


def make_optimizer(params, steps: int):
    """Muon for the matrices, Adam for embeddings, norms and biases; cosine decay."""

    def of_muon(path, array):
        matrix = array.ndim == 2 and path[-1].key == "kernel"
        return optax.contrib.MuonDimensionNumbers() if matrix else None

    def schedule(peak):
        return optax.warmup_cosine_decay_schedule(0, peak, steps // 20, steps)

    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.contrib.muon(
            schedule(MUON),
            adam_learning_rate=schedule(ADAM),
            weight_decay=DECAY,
            adam_weight_decay=0.0,
            consistent_rms=0.2,
            muon_weight_dimension_numbers=jax.tree_util.tree_map_with_path(
                of_muon, params
            ),
        ),
    )


@functools.partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def step(model, optimizer, state, pixels, ids, eos, labels):
    """One step: the new state and the loss (nats).

    Args:
        pixels: [B, S, S, 3] uint8.
        ids: [P, L] all captions, kind after kind; `eos` [P] their ends.
        labels: [B, kinds] index of the true caption of a kind, -1 where there is none.
    """
    images = PREPROCESSING.normalise(pixels)

    def loss(params):
        logits = model.apply({"params": params}, images, ids, eos)
        return choose(logits, labels)

    params, opt_state = state
    value, grads = jax.value_and_grad(loss)(params)
    updates, opt_state = optimizer.update(grads, opt_state, params)
    params = optax.apply_updates(params, updates)
    params["logit_scale"] = jnp.minimum(params["logit_scale"], MAX_LOG_SCALE)
    return (params, opt_state), value


def choose(logits, labels):
    """Sum over kinds of the mean cross-entropy among a kind's captions."""
    ends = np.cumsum([len(facts) for facts in captions.FACTS.values()])
    total = 0.0
    for kind, of_kind in enumerate(jnp.split(logits, ends[:-1], axis=1)):
        label = labels[:, kind]
        stated = label >= 0
        each = optax.softmax_cross_entropy_with_integer_labels(
            of_kind, jnp.maximum(label, 0)
        )
        total += (each * stated).sum() / jnp.maximum(stated.sum(), 1)
    return total


def move(picture, generator):
    """A picture cropped by a few pixels, scaled back, and mirrored half of the time."""
    side = SIZE - int(generator.integers(0, 13))
    left, top = generator.integers(0, SIZE - side + 1, 2)
    image = Image.fromarray(picture[top : top + side, left : left + side])
    moved = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    return moved[:, ::-1] if generator.random() < 0.5 else moved
