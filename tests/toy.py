"""A toy CLIP and a toy ViT in the real layout, and coloured pictures for them."""

import contextlib
import dataclasses
import functools
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from apt_jax.clip import checkpoint
from apt_jax.clip.config import (
    ClipConfig,
    PlainVisionConfig,
    TextConfig,
    VisionConfig,
    ViTConfig,
)
from apt_jax.clip.pixels import Preprocessing, Squared
from apt_jax.data import Dataset, Item
from apt_jax.training.checkpoints import Checkpoints
from pretraining.bpe import learn_bpe

CLASSES = ("red", "green", "blue")
COLOURS = ((200, 40, 40), (40, 180, 60), (50, 60, 210))
SIZE = 16


@functools.cache
def toy_folder() -> Path:
    """A checkpoint folder of a random CLIP with a vocabulary of colours."""
    folder = Path(tempfile.mkdtemp()) / "toy"
    vocabulary = folder.parent
    size = learn_bpe([f"a photo of a {name}." for name in CLASSES] * 20, vocabulary)
    config = ClipConfig(
        vision=VisionConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIZE,
            patch_size=4,
        ),
        text=TextConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            vocab_size=size,
            max_position_embeddings=16,
        ),
        projection_dim=8,
    )
    params = random_params(config)
    params["logit_scale"] = np.float32(2.0)
    pixels = Preprocessing(SIZE, SIZE)
    checkpoint.write(folder, config, params, pixels, vocabulary, dtype="float32")
    return folder


@functools.cache
def toy_clip():
    return checkpoint.load(str(toy_folder()))


@functools.cache
def toy_vit_folder() -> Path:
    """A checkpoint folder of a random plain ViT, as wide and deep as the toy CLIP's."""
    folder = Path(tempfile.mkdtemp()) / "toy-vit"
    config = ViTConfig(
        PlainVisionConfig(
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=SIZE,
            patch_size=4,
        )
    )
    pixels = Squared(SIZE, SIZE)
    checkpoint.write(folder, config, random_params(config), pixels, dtype="float32")
    return folder


def toy_vit():
    return checkpoint.load(str(toy_vit_folder()))


def random_params(config):
    """Parameters of random size, those of norms near 1: else classes look alike."""
    generator = np.random.default_rng(0)

    def drawn(path, x):
        noise = generator.normal(size=x.shape).astype(np.float32) * 0.3
        return 1 + noise if "'scale'" in str(path) else noise

    shapes = checkpoint.parameter_shapes(config)
    return jax.tree_util.tree_map_with_path(drawn, shapes)


def draw(path: Path, label: int, generator):
    """A noisy picture of one colour."""
    noise = generator.normal(size=(20, 24, 3)) * 25
    pixels = np.clip(np.array(COLOURS[label]) + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "png")


def photo_folder(root: Path, train=4, test=3) -> Path:
    """ROOT/{train,test}/CLASS/*.png in the layout of source "folder"."""
    generator = np.random.default_rng(1)
    for split, count in (("train", train), ("test", test)):
        for label, name in enumerate(CLASSES):
            for number in range(count):
                draw(root / split / name / f"{number}.png", label, generator)
    return root


@dataclasses.dataclass(frozen=True)
class Drawn(Dataset):
    files: tuple[Path, ...] = ()  # of the training images


def drawn_dataset() -> Drawn:
    """Two training images of each colour, as files."""
    root, generator = Path(tempfile.mkdtemp()), np.random.default_rng(2)
    items = tuple(
        Item(f"{name}/{number}.png", label, sha256=f"{2 * label + number:064x}")
        for label, name in enumerate(CLASSES)
        for number in range(2)
    )
    for item in items:
        draw(root / item.path, item.label, generator)
    return Drawn(
        name="colours",
        classes=CLASSES,
        train=items,
        val=(),
        test=(),
        templates=("a photo of a {}.",),
        read=lambda item: (root / item.path).read_bytes(),
        files=tuple(root / item.path for item in items),
    )


class Died(BaseException):
    """As a process that is killed."""


@contextlib.contextmanager
def dying_once_saved():
    """What is inside dies as soon as it has saved a checkpoint."""
    save = Checkpoints.save

    def dying(checkpoints, state):
        save(checkpoints, state)
        raise Died

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save", dying)
        with pytest.raises(Died):
            yield
