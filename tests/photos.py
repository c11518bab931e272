"""Small pictures in folders, for tests of the data sources."""

import io
import json
import os

import numpy as np
from PIL import Image

from apt_jax import data


def png(number: int) -> bytes:
    """A small picture of its own for each number."""
    pixels = np.random.default_rng(number).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    return encoded(Image.fromarray(pixels), "png")


def photo(number: int, size=(96, 72)) -> Image.Image:
    """A picture of its own for each number."""
    generator = np.random.default_rng(number)
    cells = generator.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)


def encoded(image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def write(root, files: dict[str, int | bytes]):
    """Writes files by path: bytes as they are, a number as the picture `png` of it."""
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(content) if isinstance(content, int) else content)


def write_split(path, rows: dict[str, list]):
    """Writes a CoOp split file; absent splits are empty."""
    path.write_text(json.dumps({"train": [], "val": [], "test": []} | rows))
    return str(path)


def load(source, root, *, seed=1, **fields):
    """The data set of `source` below `root`, other fields as by default."""
    return data.load(data.make(source, root=str(root), **fields), seed=seed)


def paths(items) -> list[str]:
    return [item.path for item in items]


def forbid(monkeypatch, folder: str):
    """Makes folders of this name such as may not be read."""
    listdir = os.listdir

    def refusing(place="."):
        if str(place).endswith(f"/{folder}"):
            raise PermissionError(13, "Permission denied")
        return listdir(place)

    monkeypatch.setattr(os, "listdir", refusing)
