"""FGVC-Aircraft 2013b as its archive unpacks, with the official variant splits.

Maji et al. 2013, arXiv:1306.5151. `variants.txt` names the classes, its lines are the
labels; `images_variant_{train,val,test}.txt` have lines "<7 digits> <variant name>";
image 1234567 is `images/1234567.jpg`. Variant names hold spaces and slashes.
"""

import os

from apt_jax.data.dataset import SPLITS, Dataset, Item
from apt_jax.data.listing import listed
from apt_jax.data.roots import reader, require_folder, require_images
from apt_jax.data.templates import templates_of
from apt_jax.errors import UserError

NAME = "fgvc_aircraft"
LIST = "variants.txt"
PLACES = ("", "data", "fgvc-aircraft-2013b/data", "fgvc-aircraft-2013b")


def load(config, seed: int) -> Dataset:
    """FGVC-Aircraft below `config.root`: the archive's folder or one above or below."""
    del seed  # the split is the official one
    root = _data_folder(require_folder(config.root, "fgvc-aircraft-2013b"))
    classes = tuple(_lines(root / LIST))
    labels = {name: label for label, name in enumerate(classes)}
    splits = {
        split: _items(root / f"images_variant_{split}.txt", labels) for split in SPLITS
    }
    paths = [item.path for items in splits.values() for item in items]
    require_images(root, paths, config.on_error)
    name = config.name or NAME
    return Dataset(
        name=name,
        classes=classes,
        **splits,
        templates=templates_of(name, config.templates),
        read=reader(root),
    )


def _data_folder(root):
    for place in PLACES:
        if os.path.isfile(root / place / LIST):
            return root / place
    raise UserError(
        f"{root} holds no FGVC-Aircraft (no {LIST} in it, in data/ or in "
        "fgvc-aircraft-2013b/data/); unpack fgvc-aircraft-2013b.tar.gz and name its "
        "folder with --config.data.root"
    )


def _items(path, labels):
    rows = [line.partition(" ") for line in _lines(path)]
    if unknown := {
        name.strip(): None for _, _, name in rows if name.strip() not in labels
    }:
        raise UserError(
            f"{path.name} names variants that are not in {LIST} "
            f"({listed(map(repr, unknown))}); unpack the archive again"
        )
    return tuple(
        Item(f"images/{image}.jpg", labels[name.strip()]) for image, _, name in rows
    )


def _lines(path):
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        raise UserError(
            f"cannot read {path} ({reason}); unpack the archive again"
        ) from None
    return [line.strip() for line in text.splitlines() if line.strip()]
