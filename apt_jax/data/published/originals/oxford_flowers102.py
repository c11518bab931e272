"""Oxford Flowers: 102 kinds of flowers, with the official split.

Nilsback & Zisserman 2008. `jpg/image_00001.jpg` ...; imagelabels.mat holds `labels` from 1
in image order, setid.mat the numbers of the images of train (`trnid`, 1,020),
validation (`valid`, 1,020) and test (`tstid`, 6,149). The files name no class; NAMES are
those of the authors' page, in the order of the labels. An item's path is the file's name,
as in CoOp's split, which is another: source `coop`.
"""

import dataclasses
from typing import ClassVar

from apt_jax.data.dataset import Item
from apt_jax.data.listing import listed
from apt_jax.data.published.downloads import Download, places
from apt_jax.data.published.lists import broken, variables
from apt_jax.data.published.official import Official

SITE = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"
DOWNLOADS = {
    "images": Download(f"{SITE}/102flowers.tgz", marker="image_*.jpg", top="jpg"),
    "labels": Download(f"{SITE}/imagelabels.mat", marker="imagelabels.mat"),
    "sets": Download(f"{SITE}/setid.mat", marker="setid.mat"),
}
IDS = {"train": "trnid", "val": "valid", "test": "tstid"}


@dataclasses.dataclass(frozen=True)
class Flowers102(Official):
    """Oxford Flowers below a root: 102flowers.tgz and the .mat files."""

    usual_name: ClassVar[str] = "oxford_flowers"
    images: ClassVar = {"train": 1020, "val": 1020, "test": 6149}

    def find(self) -> dict:
        found = places(self.root, "Oxford Flowers", DOWNLOADS, "oxford_flowers102")
        return {"classes": NAMES, **official(found), "root": found["images"]}


def official(found) -> dict[str, tuple[Item, ...]]:
    """The splits, as the lists in the folders of `DOWNLOADS` give them.

    Raises:
        UserError: if a list is damaged or names images without a label.
    """
    (labels,) = variables(found["labels"] / "imagelabels.mat", "labels")
    return {
        split: tuple(
            Item(f"image_{number:05d}.jpg", int(labels[number - 1]) - 1)
            for number in _numbers(found["sets"] / "setid.mat", name, len(labels))
        )
        for split, name in IDS.items()
    }


def _numbers(file, name, count):
    (found,) = variables(file, name)
    if odd := [number for number in found.tolist() if not 1 <= number <= count]:
        raise broken(file, f"images without a label: {listed(map(str, odd))}")
    return found.tolist()


NAMES = (
    "pink primrose",
    "hard-leaved pocket orchid",
    "canterbury bells",
    "sweet pea",
    "english marigold",
    "tiger lily",
    "moon orchid",
    "bird of paradise",
    "monkshood",
    "globe thistle",
    "snapdragon",
    "colt's foot",
    "king protea",
    "spear thistle",
    "yellow iris",
    "globe-flower",
    "purple coneflower",
    "peruvian lily",
    "balloon flower",
    "giant white arum lily",
    "fire lily",
    "pincushion flower",
    "fritillary",
    "red ginger",
    "grape hyacinth",
    "corn poppy",
    "prince of wales feathers",
    "stemless gentian",
    "artichoke",
    "sweet william",
    "carnation",
    "garden phlox",
    "love in the mist",
    "mexican aster",
    "alpine sea holly",
    "ruby-lipped cattleya",
    "cape flower",
    "great masterwort",
    "siam tulip",
    "lenten rose",
    "barbeton daisy",
    "daffodil",
    "sword lily",
    "poinsettia",
    "bolero deep blue",
    "wallflower",
    "marigold",
    "buttercup",
    "oxeye daisy",
    "common dandelion",
    "petunia",
    "wild pansy",
    "primula",
    "sunflower",
    "pelargonium",
    "bishop of llandaff",
    "gaura",
    "geranium",
    "orange dahlia",
    "pink-yellow dahlia",
    "cautleya spicata",
    "japanese anemone",
    "black-eyed susan",
    "silverbush",
    "californian poppy",
    "osteospermum",
    "spring crocus",
    "bearded iris",
    "windflower",
    "tree poppy",
    "gazania",
    "azalea",
    "water lily",
    "rose",
    "thorn apple",
    "morning glory",
    "passion flower",
    "lotus",
    "toad lily",
    "anthurium",
    "frangipani",
    "clematis",
    "hibiscus",
    "columbine",
    "desert-rose",
    "tree mallow",
    "magnolia",
    "cyclamen",
    "watercress",
    "canna lily",
    "hippeastrum",
    "bee balm",
    "ball moss",
    "foxglove",
    "bougainvillea",
    "camellia",
    "mallow",
    "mexican petunia",
    "bromelia",
    "blanket flower",
    "trumpet creeper",
    "blackberry lily",
)
