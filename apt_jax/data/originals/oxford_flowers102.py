"""Oxford Flowers: 102 kinds of flowers, with the official split.

Nilsback & Zisserman 2008. `jpg/image_00001.jpg` ...; imagelabels.mat holds `labels` from 1
in image order, setid.mat the numbers of the images of train (`trnid`, 1,020),
validation (`valid`, 1,020) and test (`tstid`, 6,149). The files name no class; NAMES are
those of the authors' page, in the order of the labels. CoOp's few-shot split is another:
source `coop`.
"""

from apt_jax.data.dataset import Dataset, Item
from apt_jax.data.listing import listed
from apt_jax.data.originals.matlab import variables
from apt_jax.data.originals.place import opened
from apt_jax.data.roots import reader, require_images
from apt_jax.data.templates import templates_of
from apt_jax.errors import UserError

SOURCE = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102"
IDS = {"train": "trnid", "val": "valid", "test": "tstid"}


def load(config, seed: int) -> Dataset:
    """Oxford Flowers below `config.root`: 102flowers.tgz and the .mat files."""
    del seed  # the split is the official one
    archives = ("102flowers.tgz",)
    images = opened(config.root, "jpg", ("102flowers",), archives, SOURCE)
    lists = opened(config.root, "setid.mat", (), ("setid.mat",), SOURCE)
    (labels,) = variables(lists / "imagelabels.mat", "labels")
    splits = {
        split: tuple(
            Item(f"jpg/image_{number:05d}.jpg", int(labels[number - 1]) - 1)
            for number in _numbers(lists / "setid.mat", name, len(labels))
        )
        for split, name in IDS.items()
    }
    require_images(
        images, [i.path for of in splits.values() for i in of], config.on_error
    )
    name = config.name or "oxford_flowers"
    return Dataset(
        name=name,
        classes=NAMES,
        **splits,
        templates=templates_of(name, config.templates),
        read=reader(images),
    )


def _numbers(file, name, count):
    (found,) = variables(file, name)
    if odd := [number for number in found.tolist() if not 1 <= number <= count]:
        raise UserError(
            f"{file} lists images without a label ({listed(map(str, odd))}); download it "
            "and imagelabels.mat again"
        )
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
