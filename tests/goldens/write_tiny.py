"""Writes tiny.npz: four pictures, three texts and what the package's small CLIP says.

    python tests/goldens/write_tiny.py

The figures come from transformers' torch CLIPModel, so torch==2.13.0 is needed. Run it
when the small CLIP has been trained anew, and at no other time.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPModel

from apt_jax.clip import checkpoint
from apt_jax.data.synthetic.scene import render
from apt_jax.data.synthetic.variants import VARIANTS

TEXTS = (
    "a photo of a Alder 10, a type of aircraft.",
    "an aircraft with four engines under the wing.",
    "the Ember 20.",
)


def main():
    clip = checkpoint.load("tiny")
    pictures = np.stack(
        [render(VARIANTS[i], np.random.default_rng(i), 0.5, 64) for i in (0, 4, 12, 20)]
    )
    crops = np.stack([clip.pixels.centre_crop(Image.fromarray(p)) for p in pictures])
    pixels = np.moveaxis(np.asarray(clip.pixels.normalise(crops)), -1, 1).copy()
    ids, _ = clip.tokenizer.encode(list(TEXTS))
    model = CLIPModel.from_pretrained(str(checkpoint.TINY), dtype=torch.float32)
    with torch.no_grad():
        out = model(input_ids=torch.tensor(ids), pixel_values=torch.tensor(pixels))
    np.savez_compressed(
        Path(__file__).parent / "tiny.npz",
        pictures=pictures,
        texts=np.array(TEXTS),
        logits=out.logits_per_image.numpy(),
    )


if __name__ == "__main__":
    main()
