"""Which dtype is faster here: measured, not guessed.

bfloat16 operands win where the processor has instructions for them (most accelerators,
recent server CPUs) and lose elsewhere, so a CPU is asked once a process.
"""

import functools
import time

import jax
import jax.numpy as jnp

from apt_jax.clip.model import product

PROBE = (1576, 768, 3072)  # an MLP product of a B/16 tower, 8 images
RUNS = 3


@functools.cache
def fastest_dtype() -> str:
    """ "bfloat16" where its products are faster on this device, else "float32"."""
    if jax.default_backend() != "cpu":
        return "bfloat16"
    rows, inner, columns = PROBE
    a = jnp.full((rows, inner), 0.5)
    b = jnp.full((inner, columns), 0.25)
    # A tie is float32's: it is exact, and clocks on shared machines waver.
    faster = _seconds(a, b, "bfloat16") < 0.7 * _seconds(a, b, "float32")
    return "bfloat16" if faster else "float32"


def _seconds(a, b, dtype) -> float:
    """Best of a few runs; the weight's cast is not counted, it happens once at load."""
    b = b.astype(dtype)
    program = jax.jit(lambda a, b: product(a, b, dtype))
    times = []
    for _ in range(1 + RUNS):
        start = time.perf_counter()
        program(a, b).block_until_ready()
        times.append(time.perf_counter() - start)
    return min(times[1:])
