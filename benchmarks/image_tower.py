"""Images a second of the image tower, ours and torch's, side by side in one process.

    pip install torch==2.13.0
    python -m benchmarks.image_tower [--batch 8 16] [--runs 7]

ViT-B/16 at 224 px with the same random weights, against `transformers`'
CLIPVisionModelWithProjection (sdpa), in float32 and bfloat16. Runs take turns and medians
are compared; compilation is outside the clock. The last column is the rate of our tower
as a share of a large matrix product's in the same dtype, measured beside it. Bars:
float32 at least 1.2 times torch, bfloat16 at least as fast as torch.
"""

import argparse
import functools
import statistics
import time
import warnings

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax.clip.checkpoint import parameter_shapes, stored
from apt_jax.clip.config import ClipConfig
from apt_jax.clip.model import CLIP, product
from apt_jax.clip.weights import flat, nested, to_tensors
from benchmarks.heading import heading

B16 = ClipConfig.from_json(
    {"model_type": "clip", "vision_config": {"patch_size": 16}, "projection_dim": 512}
)
GFLOP_PER_IMAGE = 35.1  # 17.56 GMAC
LARGE = (4096, 4096, 4096)
DTYPES = ("float32", "bfloat16")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 16])
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    print(heading(options))
    params = random_parameters()
    print(
        " dtype     batch   ours, images/s   torch, images/s   ratio   share of product"
    )
    for dtype in DTYPES:
        for batch in options.batch:
            ours, theirs, matrix = measure(params, dtype, batch, options.runs)
            rate = batch / ours * GFLOP_PER_IMAGE * 1e9
            print(
                f" {dtype:9} {batch:4d}   {batch / ours:14.2f}   {batch / theirs:15.2f}"
                f"   {theirs / ours:5.2f}   {rate * matrix / product_flops():16.2f}",
                flush=True,
            )


def measure(params, dtype, batch, runs):
    """Median seconds of our tower, of torch's, and of a large matrix product."""
    pixels = np.random.default_rng(0).normal(size=(batch, 224, 224, 3))
    pixels = pixels.astype(np.float32)
    jobs = {
        "ours": our_tower(params, dtype, pixels),
        "torch": torch_tower(params, dtype, pixels),
        "product": large_product(dtype),
    }
    times = {name: [] for name in jobs}
    outputs = {name: job() for name, job in jobs.items()}  # compiles
    require_equal(outputs["ours"], outputs["torch"], dtype)
    for _ in range(runs):
        for name, job in jobs.items():
            start = time.perf_counter()
            job()
            times[name].append(time.perf_counter() - start)
    return [statistics.median(values) for values in times.values()]


def our_tower(params, dtype, pixels):
    model, weights = CLIP(B16, dtype), stored(params, dtype)
    program = jax.jit(
        lambda weights, pixels: model.apply(
            {"params": weights}, pixels, method="image_embedding"
        )
    )
    pixels = jnp.asarray(pixels)
    return lambda: np.asarray(program(weights, pixels))


def torch_tower(params, dtype, pixels):
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        settings = CLIPVisionConfig(patch_size=16, projection_dim=512)
        settings._attn_implementation = "sdpa"
        model = CLIPVisionModelWithProjection(settings).eval()
    tensors = to_tensors(params, B16)
    wanted = {name: torch.tensor(tensors[name]) for name in model.state_dict()}
    model.load_state_dict(wanted)
    model = model.to(getattr(torch, dtype))
    images = torch.tensor(pixels.transpose(0, 3, 1, 2)).to(getattr(torch, dtype))

    @torch.no_grad()
    def run():
        return model(pixel_values=images).image_embeds.float().numpy()

    return run


def large_product(dtype):
    rows, inner, columns = LARGE
    a = jnp.full((rows, inner), 0.5, dtype)
    b = jnp.full((inner, columns), 0.25, dtype)
    program = jax.jit(functools.partial(product, dtype=dtype))
    return lambda: program(a, b).block_until_ready()


def product_flops() -> float:
    rows, inner, columns = LARGE
    return 2.0 * rows * inner * columns


def random_parameters():
    """Random float32 parameters of a CLIP ViT-B/16; norms start at the identity."""
    generator = np.random.default_rng(0)

    def made_up(name, shape):
        if name.endswith("scale"):
            return np.ones(shape, np.float32)
        return generator.normal(scale=0.03, size=shape).astype(np.float32)

    shapes = flat(parameter_shapes(B16))
    return nested({name: made_up(name, leaf.shape) for name, leaf in shapes.items()})


def require_equal(ours, theirs, dtype):
    """The two towers must say the same before their times are compared."""
    cosine = (ours * theirs).sum(-1)
    cosine /= np.linalg.norm(ours, axis=-1) * np.linalg.norm(theirs, axis=-1)
    least = {"float32": 0.99999, "bfloat16": 0.99}[dtype]
    if cosine.min() < least:
        raise SystemExit(f"the towers disagree: cosine {cosine.min():.6f} in {dtype}")


if __name__ == "__main__":
    main()
