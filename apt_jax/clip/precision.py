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
RUNS = 4


@functools.cache
def fastest_dtype() -> str:
    """ "bfloat16" where its products are faster on this device, else "float32"."""
    if jax.default_backend() != "cpu":
        return "bfloat16"
    programs = {dtype: _product(dtype) for dtype in ("bfloat16", "float32")}
    # In turns, so that what else runs on the machine slows both.
    rounds = [{d: _seconds(run) for d, run in programs.items()} for _ in range(RUNS)]
    bfloat16, float32 = (min(one[dtype] for one in rounds) for dtype in programs)
    # A tie is float32's: it is exact, and clocks on shared machines waver.
    return "bfloat16" if bfloat16 < 0.7 * float32 else "float32"


def _product(dtype):
    """Runs the product, compiled; the weight's cast happens once, at load."""
    rows, inner, columns = PROBE
    a, b = jnp.full((rows, inner), 0.5), jnp.full((inner, columns), 0.25, dtype)
    program = jax.jit(lambda a, b: product(a, b, dtype)).lower(a, b).compile()
    return lambda: program(a, b).block_until_ready()


def _seconds(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
