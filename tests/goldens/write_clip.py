"""Writes clip.npz: a small random CLIP's weights and what torch's CLIPModel says of them.

python tests/goldens/write_clip.py      (needs torch==2.13.0)
"""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch_clip

GOLDEN = Path(__file__).parent / "clip.npz"


def golden_outputs() -> dict[str, np.ndarray]:
    """Weights, inputs and outputs of one model for each activation."""
    found = {}
    for activation in ("quick_gelu", "gelu"):
        model = torch_clip.random_model(torch_clip.SMALL, activation)
        pixels, ids, eos = torch_clip.inputs(model)
        parts = {
            "weight": {n: p.detach().numpy() for n, p in model.named_parameters()},
            "input": {"pixels": pixels, "ids": ids, "eos": eos},
            "output": torch_clip.outputs(model, pixels, ids),
        }
        for part, values in parts.items():
            found |= {f"{activation}/{part}/{n}": v for n, v in values.items()}
    return found


if __name__ == "__main__":
    np.savez_compressed(GOLDEN, **golden_outputs())
