"""FGVC-Aircraft 2013b as its archive unpacks, with the official splits.

Maji et al. 2013, arXiv:1306.5151. 10,000 images of 100 variants, 70 families and 30
manufacturers; `data.labels` says which. `variants.txt` names the classes, its lines are
the labels; `images_variant_{train,val,test}.txt` have lines "<7 digits> <variant name>";
image 1234567 is `images/1234567.jpg`. Families and manufacturers have the same files.
Names hold spaces and slashes. The lowest 20 rows of every picture are a banner with the
photographer's name; it stays, as in the code that published numbers come from.
"""

import dataclasses
from typing import ClassVar

from apt_jax.data.dataset import SPLITS, Item
from apt_jax.data.listing import listed
from apt_jax.data.published.downloads import Download, places
from apt_jax.data.published.lists import broken, lines
from apt_jax.data.published.official import Official
from apt_jax.fields import field, one_of

ARCHIVE = Download(
    "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft/archives/"
    "fgvc-aircraft-2013b.tar.gz",
    marker="variants.txt",
    top="fgvc-aircraft-2013b/data",
)
LISTS = {
    "variant": "variants.txt",
    "family": "families.txt",
    "manufacturer": "manufacturers.txt",
}


@dataclasses.dataclass(frozen=True)
class Aircraft(Official):
    """FGVC-Aircraft below a root: the archive, its folder, or one above or below."""

    labels: str = field("variant", "what the classes are", one_of(*LISTS))

    usual_name: ClassVar[str] = "fgvc_aircraft"
    images: ClassVar = {"train": 3334, "val": 3333, "test": 3333}

    def find(self) -> dict:
        kind = self.labels
        root = places(self.root, "FGVC-Aircraft", {"all": ARCHIVE})["all"]
        classes = tuple(lines(root / LISTS[kind]))
        labels = {name: label for label, name in enumerate(classes)}
        splits = {
            split: _items(root / f"images_{kind}_{split}.txt", labels, LISTS[kind])
            for split in SPLITS
        }
        return {"classes": classes, **splits, "root": root}


def _items(path, labels, file):
    rows = [
        (image, name.strip())
        for image, _, name in (line.partition(" ") for line in lines(path))
    ]
    if unknown := {name: None for _, name in rows if name not in labels}:
        raise broken(path, f"classes not in {file}: {listed(map(repr, unknown))}")
    return tuple(Item(f"images/{image}.jpg", labels[name]) for image, name in rows)
