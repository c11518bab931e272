"""A folder of photographs: a folder a class.

    ROOT/train/CLASS/*   ROOT/test/CLASS/*   (ROOT/val/CLASS/*)      splits given
    ROOT/CLASS/*                                                     split by the seed

The splits may have their other usual names (`given_splits`); without a test, validation is
the test. Everything in a class folder and in folders below it counts as an image, but for
what no command reads (`walk`); `scan` says which files are none. One name in two spellings
of Unicode is one class, unless both are in one split.
"""

import collections
import dataclasses
import os
import unicodedata
from pathlib import Path

from apt_jax.data import walk as walking
from apt_jax.data.dataset import Item
from apt_jax.data.formats import is_named_as_picture
from apt_jax.data.given_splits import doubled, spelled, usual
from apt_jax.data.listing import listed
from apt_jax.data.naming import FILE as NAMES
from apt_jax.data.own.found import Found
from apt_jax.data.own.groups import GROUPS
from apt_jax.data.own.hub import Hub, is_hub
from apt_jax.data.own.photographs import Photographs
from apt_jax.data.own.table import Table, is_table
from apt_jax.data.roots import entries, reader, require_folder
from apt_jax.data.walk import Walk, told, walk
from apt_jax.errors import UserError
from apt_jax.words import counted, form

LAYOUTS = "ROOT/train/CLASS/* and ROOT/test/CLASS/*, or ROOT/CLASS/*"
DEEPEST = 2  # folders between the root and a picture: split and class


@dataclasses.dataclass(frozen=True)
class Folder(Photographs):
    """A folder; where the root is a table or a set of the hub, that."""

    @property
    def called(self):
        """By the folder's own name, however the path to it is written."""
        if kind := self._kind():
            return kind.called
        return self.name or Path(self.root).expanduser().resolve().name

    def find(self) -> Found:
        """The files below the root, by split and class."""
        if kind := self._kind():
            return kind.find()
        root = require_folder(self.root, f"your photographs as {LAYOUTS}")
        if self.group not in GROUPS:
            raise UserError(
                f"data.group={self.group}: a folder has no columns; choose one of "
                f"{', '.join(GROUPS)}"
            )
        places = _places(root)
        walks = {split: _walks(root, place) for split, place in places.items()}
        class_of = _class_of(walks)
        classes = tuple(sorted(set(class_of.values())))
        left_out, faults = _reasons(root, places, walks)
        return Found(
            layout="ROOT/CLASS/*" if "" in places else "ROOT/train/CLASS/* and so on",
            classes=classes,
            splits={
                split: [
                    Item(
                        _join(places[split], name, path), classes.index(class_of[name])
                    )
                    for name, found in of_split.items()
                    for path in found.files
                ]
                for split, of_split in walks.items()
            },
            read=reader(root),
            unread=(*_unread(root, places), *told(left_out), *_deep(walks)),
            faults=faults,
        )

    def would_read(self, folder):
        if self._kind() or not os.path.isdir(root := Path(self.root).expanduser()):
            return False
        root, folder = (Path(os.path.realpath(place)) for place in (root, folder))
        if not self.root or not folder.is_relative_to(root):
            return False
        parts = folder.relative_to(root).parts
        return not any(map(walking.why_left_out, parts)) and "" in _places(root)

    def _kind(self) -> Photographs | None:
        """What is at the root if it is no folder of photographs."""
        kind = Table if is_table(self.root) else Hub if is_hub(self.root) else None
        return kind and kind(**vars(self))


def holds_pictures(root: str) -> bool:
    """Whether files named as pictures are in the root, or where a layout has them.

    Raises:
        UserError: if there is no such folder.
    """
    return _pictures_in(require_folder(root, f"your photographs as {LAYOUTS}"), DEEPEST)


def _pictures_in(place: Path, deeper: int) -> bool:
    names = entries(place)
    if any(is_named_as_picture(name) for name in names):
        return True
    folders = [place / name for name in names if os.path.isdir(place / name)]
    return deeper > 0 and any(_pictures_in(folder, deeper - 1) for folder in folders)


def _places(root: Path) -> dict[str, str]:
    """The folder of each split, in the root; that of all images under ""."""
    folders = _folders(root)
    holding = [name for name in folders if _holds_folders(root / name)]
    names = spelled(holding)
    only_val = bool(names["val"]) and holding == folders
    if not names["train"] and not names["test"] and not only_val:
        return {"": ""}
    if several := doubled(holding):
        raise UserError(
            f"{root} has {' and '.join(several)}, which are one split; keep one of them"
        )
    for split, instead in (("train", ""), ("test", "val")):
        if names[split] or names.get(instead):
            continue
        if there := spelled(folders)[split]:
            raise _no_classes(root / there)
        raise UserError(f"{root} has no folder {split}; the layouts are {LAYOUTS}")
    names = usual(filter(None, names.values()))
    return {split: name for split, name in names.items() if name}


def _walks(root: Path, place: str) -> dict[str, Walk]:
    """What is in each class folder of `place`, by its name.

    Raises:
        UserError: if there are none, or if they hold folders alone.
    """
    walks = {name: walk(root / place / name) for name in _folders(root / place)}
    files = [path for found in walks.values() for path in found.files]
    if not walks:
        raise _no_classes(root / place)
    if files and all("/" in path for path in files):
        raise UserError(
            f"{root / place} has no folders of images: all "
            f"{counted(len(files), 'file')} lie deeper, in folders of {listed(walks)}; "
            f"the layouts are {LAYOUTS}: name the folder whose folders are the classes, "
            "or move the images into them"
        )
    return walks


def _no_classes(folder):
    return UserError(
        f"{folder} has no folders of images; the layouts are {LAYOUTS}, with the class "
        "names as folder names"
    )


def _class_of(walks) -> dict[str, str]:
    """The class of each class folder: its name in Unicode's composed form."""
    composed = {
        name: unicodedata.normalize("NFC", name)
        for split in walks.values()
        for name in split
    }
    clashing = {
        name
        for split in walks.values()
        for name, count in collections.Counter(map(composed.get, split)).items()
        if count > 1
    }
    return {name: name if of in clashing else of for name, of in composed.items()}


def _reasons(root, places, walks) -> tuple[dict[str, str], dict[str, str]]:
    """Why entries were left out, and why folders may not be read, by path in the root."""
    left_out, faults = {}, {}
    for place in dict.fromkeys(("", *places.values())):
        left_out |= _below(place, walking.entries(root / place)[1])
    for split, of_split in walks.items():
        for name, found in of_split.items():
            folder = _join(places[split], name)
            left_out |= _below(folder, found.left_out)
            faults |= _below(folder, found.faults)
    return left_out, faults


def _below(folder, reasons):
    return {_join(folder, path): why for path, why in reasons.items()}


def _unread(root, places):
    """A line for each folder that holds more than its class folders."""
    if "" not in places:
        unused = [name for name in entries(root) if name not in places.values()]
        if unused := [name for name in unused if name != NAMES]:
            yield f"{root}: not read: {listed(unused)} (splits are train, val and test)"
    for place in places.values():
        names = {*_folders(root / place), NAMES}
        if loose := [name for name in entries(root / place) if name not in names]:
            yield f"{root / place}: not read, in no class folder: {listed(loose)}"


def _deep(walks):
    """A line on images in folders below class folders."""
    count = sum(
        "/" in path
        for split in walks.values()
        for found in split.values()
        for path in found.files
    )
    if count:
        yield (
            f"{counted(count, 'image')} in folders below a class folder "
            f"{form(count, 'is', 'are')} read as of that class"
        )


def _join(*parts: str) -> str:
    return "/".join(filter(None, parts))


def _holds_folders(path: Path) -> bool:
    try:
        return bool(_folders(path))
    except UserError:
        return False  # it may not be read, which `walk` tells


def _folders(path: Path) -> list[str]:
    """Names of the folders in `path`."""
    return [name for name in entries(path) if os.path.isdir(path / name)]
