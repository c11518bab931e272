"""FGVC-Aircraft 2013b as its archive unpacks, with the official variant splits.

Maji et al. 2013, arXiv:1306.5151. `variants.txt` names the classes, its lines are the
labels; `images_variant_{train,val,test}.txt` have lines "<7 digits> <variant name>";
image 1234567 is `images/1234567.jpg`. Variant names hold spaces and slashes.
"""

from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.roots import reader, require_folder, require_images
from apt_jax.data.templates import templates_of
from apt_jax.errors import UserError

LIST = "variants.txt"
NAME = "fgvc_aircraft"


def aircraft(config, seed: int) -> Dataset:
    """FGVC-Aircraft below `config.root`: the archive's folder or one above or below."""
    del seed  # the split is the official one
    root = _data_folder(require_folder(config.root, "fgvc-aircraft-2013b"))
    classes = tuple(_lines(root / LIST))
    labels = {name: label for label, name in enumerate(classes)}
    splits = {
        split: _items(root / f"images_variant_{split}.txt", labels)
        for split in ("train", "val", "test")
    }
    require_images(root, [item.path for items in splits.values() for item in items])
    name = config.name or NAME
    return Dataset(
        name=name,
        classes=classes,
        **splits,
        templates=templates_of(name, config.templates),
        read=reader(root),
    )


def _data_folder(root):
    for folder in (root, root / "data", root / "fgvc-aircraft-2013b" / "data"):
        if (folder / LIST).is_file():
            return folder
    raise UserError(
        f"{root} holds no FGVC-Aircraft (no {LIST} in it, in data/ or in "
        "fgvc-aircraft-2013b/data/); unpack fgvc-aircraft-2013b.tar.gz and name its "
        "folder with --config.data.root"
    )


def _items(path, labels):
    items = []
    for number, line in enumerate(_lines(path), 1):
        image, _, variant = line.partition(" ")
        if variant not in labels:
            raise UserError(
                f"{path.name} line {number}: variant {variant!r} is not in {LIST}; "
                "unpack the archive again"
            )
        items.append(Item(f"images/{image}.jpg", labels[variant]))
    return tuple(items)


def _lines(path):
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    except FileNotFoundError:
        raise UserError(
            f"{path.parent} lacks {path.name}; unpack the archive again"
        ) from None
