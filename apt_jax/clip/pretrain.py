"""Trains the small CLIP of the package on drawn aircraft and their captions.

    python -m apt_jax.clip.pretrain --out DIR [--steps 1200]

About 15 minutes on two CPU cores. The loss is CLIP's symmetric cross-entropy over the
pairs of a batch (Radford et al. 2021, arXiv:2103.00020), with one difference: captions
repeat, so all equal captions of a batch count as right.
"""

import argparse
import functools
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from PIL import Image

from apt_jax.clip import checkpoint
from apt_jax.clip.bpe import learn_bpe
from apt_jax.clip.config import ClipConfig, TextConfig, VisionConfig
from apt_jax.clip.model import CLIP
from apt_jax.clip.pixels import Preprocessing
from apt_jax.clip.tokens import Tokenizer
from apt_jax.data.synthetic import captions
from apt_jax.progress import progress

SIZE = 64
POOL = 20_000  # pictures; each is seen several times, moved and mirrored
BATCH, PEAK, DECAY = 128, 2e-3, 0.05
MAX_LOG_SCALE = float(np.log(100))


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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", required=True, type=Path, help="folder to write")
    parser.add_argument("--steps", type=int, default=1200)
    options = parser.parse_args()
    pixels, variants = draw_pool(POOL)
    with tempfile.TemporaryDirectory() as folder:
        size = learn_bpe(all_captions(variants), Path(folder))
        config = architecture(size)
        tokenizer = Tokenizer(folder, config.text.max_position_embeddings)
        params = train(config, tokenizer, pixels, variants, options.steps)
        preprocessing = Preprocessing(SIZE, SIZE)
        checkpoint.write(options.out, config, params, preprocessing, folder)


def draw_pool(count: int):
    """[count, S, S, 3] uint8 pictures and the variants on them."""
    pixels, variants = np.empty((count, SIZE, SIZE, 3), np.uint8), []
    with progress(count, "drawing") as advance:
        for number in range(count):
            pixels[number], variant = captions.picture(number, SIZE)
            variants.append(variant)
            advance()
    return pixels, variants


def all_captions(variants) -> list[str]:
    """A caption of each picture, for the vocabulary."""
    generator = np.random.default_rng([captions.STREAM, 0, 1])
    return [captions.caption(variant, generator) for variant in variants]


def train(config, tokenizer, pixels, variants, steps: int):
    """The parameters after `steps` steps of AdamW, float32."""
    model = CLIP(config, "float32")
    ids, eos = tokenizer.encode(["a photo of an aircraft."])
    images = Preprocessing(SIZE, SIZE).normalise(pixels[:1])
    params = model.init(jax.random.key(0), images, ids, eos)["params"]
    schedule = optax.warmup_cosine_decay_schedule(0, PEAK, steps // 12, steps)
    optimizer = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(schedule, b2=0.98, weight_decay=DECAY),
    )
    state = (params, optimizer.init(params))
    generator = np.random.default_rng([captions.STREAM, 0, 2])
    with progress(steps, "training", "steps") as advance:
        for _ in range(steps):
            rows = generator.choice(len(pixels), BATCH, replace=False)
            moved = np.stack([move(pixels[row], generator) for row in rows])
            texts = [captions.caption(variants[row], generator) for row in rows]
            ids, eos = tokenizer.encode(texts)
            same = np.unique(texts, return_inverse=True)[1]
            state, loss = step(model, optimizer, state, moved, ids, eos, same)
            advance(loss=float(loss))
    return state[0]


@functools.partial(jax.jit, static_argnames=("model", "optimizer"), donate_argnums=2)
def step(model, optimizer, state, pixels, ids, eos, same):
    """One step: the new state and the loss (nats)."""
    images = Preprocessing(SIZE, SIZE).normalise(pixels)
    right = (same[:, None] == same[None]).astype(jnp.float32)
    right = right / right.sum(-1, keepdims=True)

    def loss(params):
        logits = model.apply({"params": params}, images, ids, eos)
        of_images = optax.softmax_cross_entropy(logits, right).mean()
        return (of_images + optax.softmax_cross_entropy(logits.T, right).mean()) / 2

    params, opt_state = state
    value, grads = jax.value_and_grad(loss)(params)
    updates, opt_state = optimizer.update(grads, opt_state, params)
    params = optax.apply_updates(params, updates)
    params["logit_scale"] = jnp.minimum(params["logit_scale"], MAX_LOG_SCALE)
    return (params, opt_state), value


def move(picture, generator):
    """A picture cropped by a few pixels, scaled back, and mirrored half of the time."""
    side = SIZE - int(generator.integers(0, 13))
    left, top = generator.integers(0, SIZE - side + 1, 2)
    image = Image.fromarray(picture[top : top + side, left : left + side])
    moved = np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    return moved[:, ::-1] if generator.random() < 0.5 else moved


if __name__ == "__main__":
    main()
