"""Writes vit.npz: a tiny random ViT's weights in three layouts, and what torch says of it.

python tests/goldens/write_vit.py      (needs torch==2.13.0)
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch_vit
from safetensors.numpy import load_file

GOLDEN = Path(__file__).parent / "vit.npz"
TINY = {
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 6,
    "patch_size": 3,
    "layer_norm_eps": 1e-6,
}


def golden_outputs() -> dict[str, np.ndarray]:
    """LAYOUT/NAME of each weight; the input; the outputs."""
    model = torch_vit.random_model(sizes=TINY)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        published = load_file(Path(folder) / "model.safetensors")
    pixels = torch_vit.pixels_for(model)
    parts = {
        "published": published,
        "modules": {name: x.numpy() for name, x in model.state_dict().items()},
        "google": torch_vit.google_arrays(model),
        "input": {"pixels": pixels},
        "output": torch_vit.outputs(model, pixels),
    }
    return {
        f"{part}|{name}": value
        for part, values in parts.items()
        for name, value in values.items()
    }


if __name__ == "__main__":
    np.savez_compressed(GOLDEN, **golden_outputs())
