"""Monte-Carlo evaluation: many draws of a method's dropout, one honest prediction.

Gal & Ghahramani 2016, arXiv:1506.02142. With samples p_t = softmax(logits_t), t = 1..T:

    mean      p = (1/T) sum_t p_t                       probabilities, not logits
    predictive entropy  H(p);   expected entropy  (1/T) sum_t H(p_t)
    mutual information  H(p) - (1/T) sum_t H(p_t)       nats, in [0, ln K]

Kept are running sums, never the [T, B, K] samples: the log of the summed probabilities
(logs, so that a confident error does not underflow) and the summed entropies.

The mask of sample t is keyed by the image's content and t (`keys`). So an image's numbers
depend on neither its batch nor its place in it, nor on how samples are chunked, nor on the
number of devices.
"""

import jax
import jax.numpy as jnp

from apt_jax import keys
from apt_jax.errors import UserError
from apt_jax.uncertainty.softmax import Prediction, entropy

# What the samples of one chunk may take, roughly: a CPU is fastest within its caches
# (three times faster than at 50 MB), other devices want more work at once.
CHUNK_BYTES = {"cpu": 4 * 2**20}
CHUNK_BYTES_ELSEWHERE = 256 * 2**20


def monte_carlo(
    method,
    params,
    task,
    images,
    contents,
    classes,
    *,
    key,
    samples,
    chunk=None,
) -> Prediction:
    """The mean of `samples` passes, each with dropout masks of its own.

    Args:
        images: batch of what the method reads, a pytree with leading axis B.
        contents: [B, 2] uint32, a hash of each image's content.
        classes: from `class_side`, of the same key and samples.
        key: the base key; typed and threefry (`rbg` keys repeat under `vmap`).
        samples: T.
        chunk: samples held at a time; by default as many as memory or caches like.

    Raises:
        UserError: if the method has no active dropout, or the key is not threefry.
    """
    require_dropout(method)
    require_threefry(key)
    chunk = min(chunk or default_chunk(method, task, contents), samples)
    _, image_bases = keys.of_images(key, contents)

    def one_sample(image, image_base, index):
        of_sample = classes
        if method.stochastic_classes:
            at = jnp.minimum(index, samples - 1)  # those beyond count nowhere
            of_sample = jax.tree.map(lambda array: array[at], classes)
        image_key = keys.of_sample(image_base, index)
        logits = method.logits(params, task, of_sample, image, key=image_key)
        return jax.nn.log_softmax(logits), logits

    # Nested vmaps keep apart what depends on the image, on the sample and on both:
    # all that lies upstream of the first mask stays outside the axis of samples.
    of_image = jax.vmap(one_sample, in_axes=(None, None, 0))
    of_batch = jax.vmap(of_image, in_axes=(0, 0, None), out_axes=1)

    def one_chunk(sums, start):
        index = start + jnp.arange(chunk)
        log_probs, logits = of_batch(images, image_bases, index)  # [chunk, B, K]
        real = (index < samples)[:, None]
        entropies = jnp.where(real, entropy(log_probs), 0).sum(0)
        masked = jnp.where(real[..., None], log_probs, -jnp.inf)
        log_sum = jnp.logaddexp(sums[0], jax.nn.logsumexp(masked, axis=0))
        logits = sums[1] + jnp.where(real[..., None], logits, 0).sum(0)
        return (log_sum, logits, sums[2] + entropies), None

    like, _ = jax.eval_shape(of_batch, images, image_bases, jnp.arange(chunk))
    of_classes = like.shape[1:]  # [B, K]
    empty = (
        jnp.full(of_classes, -jnp.inf),
        jnp.zeros(of_classes),
        jnp.zeros(of_classes[0]),
    )
    starts = jnp.arange(0, samples, chunk)
    (log_sum, logits, entropies), _ = jax.lax.scan(one_chunk, empty, starts)
    log_probs = log_sum - jnp.log(samples)
    return Prediction(log_probs, logits / samples, entropies / samples)


def default_chunk(method, task, contents) -> int:
    """Samples a chunk, by what their adapted class features [chunk, B, K, D] take.

    One, if each runs a tower over the batch.
    """
    if method.runs_tower:
        return 1
    budget = CHUNK_BYTES.get(jax.default_backend(), CHUNK_BYTES_ELSEWHERE)
    size = 4 * contents.shape[0] * task.num_classes * task.embedding_dim
    return max(1, budget // size)


def require_dropout(method):
    """Refuses a method whose samples would all be equal."""
    if not method.stochastic:
        raise UserError(
            f"{type(method).__name__} has no active dropout, so all Monte-Carlo "
            "samples would be equal; train with a dropout rate above 0, such as "
            "`method.drop_out`=0.1"
        )


def require_threefry(key):
    """Refuses key types whose draws repeat under `vmap`."""
    if "fry" not in str(jax.random.key_impl(key)):
        raise UserError(
            f"Monte-Carlo keys of type {jax.random.key_impl(key)} repeat under vmap; "
            "make them with jax.random.key(seed, impl='threefry2x32')"
        )
