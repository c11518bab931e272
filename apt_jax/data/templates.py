"""Prompts: templates by data set, and class names made readable.

The templates are CoOp's (Zhou et al. 2022, arXiv:2109.01134), which the literature
follows; those marked ours are not from a paper.
"""

from apt_jax.errors import UserError
from apt_jax.fields import Rule

DEFAULT = ("a photo of a {}.",)
FLOWER = ("a photo of a {}, a type of flower.",)
AIRCRAFT = ("a photo of a {}, a type of aircraft.",)
BIRD = ("a photo of a {}, a type of bird.",)  # ours

TEMPLATES = {
    "caltech101": DEFAULT,
    "stanford_cars": DEFAULT,
    "sun397": DEFAULT,
    "imagenet": DEFAULT,
    "oxford_pets": ("a photo of a {}, a type of pet.",),
    "oxford_flowers": FLOWER,
    "oxford_flowers17": FLOWER,  # ours: the smaller set of the same authors
    "fgvc_aircraft": AIRCRAFT,
    "food101": ("a photo of {}, a type of food.",),
    "dtd": ("{} texture.",),
    "eurosat": ("a centered satellite photo of {}.",),
    "ucf101": ("a photo of a person doing {}.",),
    "cub": BIRD,
    "nabirds": BIRD,
    "stanford_dogs": ("a photo of a {}, a type of dog.",),  # ours
    "imagewoof": DEFAULT,  # ours
    "synthetic": AIRCRAFT,  # ours: what the small CLIP of the package was trained on
    # The other tasks of VTAB-1k (published.vtab), ours: to go with the class names there.
    "cifar100": DEFAULT,
    "svhn": ("a photo of the number {}.",),
    "patch_camelyon": ("a histopathology image of {}.",),
    "resisc45": ("a satellite photo of {}.",),
    "diabetic_retinopathy": ("a retinal photo with {}.",),
    "clevr_count": ("a picture of {}.",),
    "clevr_distance": ("a picture of shapes, the nearest {} away.",),
    "dmlab": ("a screenshot of a maze with {}.",),
    "kitti_distance": ("a photo of a road with {}.",),
    "dsprites_location": ("a white shape, {}.",),
    "dsprites_orientation": ("a white shape rotated by {}.",),
    "smallnorb_azimuth": ("a photo of a toy rotated by {}.",),
    "smallnorb_elevation": ("a photo of a toy from {} above.",),
}

# Other names that the same data sets go by, as `_key` spells them.
ALIASES = {
    "aircraft": "fgvc_aircraft",
    "caltechbirds2011": "cub",
    "cars": "stanford_cars",
    "cars196": "stanford_cars",
    "describabletextures": "dtd",
    "flowers102": "oxford_flowers",
    "flowers17": "oxford_flowers17",
    "oxfordflowers102": "oxford_flowers",
    "oxfordiiitpet": "oxford_pets",
}

# The prompt ensemble for ImageNet of Tip-Adapter and others: CLIP's best seven.
IMAGENET_7 = (
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
)

# The same and the plain one: TaskRes and CLAP.
IMAGENET_8 = IMAGENET_7 + DEFAULT

# Of CLIP's 80 for ImageNet, the 60 that PromptSRC's teacher reads.
IMAGENET_60 = (
    "a photo of a {}.",
    "a bad photo of a {}.",
    "a photo of many {}.",
    "a sculpture of a {}.",
    "a photo of the hard to see {}.",
    "a low resolution photo of the {}.",
    "a rendering of a {}.",
    "graffiti of a {}.",
    "a bad photo of the {}.",
    "a cropped photo of the {}.",
    "a tattoo of a {}.",
    "the embroidered {}.",
    "a photo of a hard to see {}.",
    "a bright photo of a {}.",
    "a photo of a clean {}.",
    "a photo of a dirty {}.",
    "a dark photo of the {}.",
    "a drawing of a {}.",
    "a photo of my {}.",
    "the plastic {}.",
    "a photo of the cool {}.",
    "a close-up photo of a {}.",
    "a black and white photo of the {}.",
    "a painting of the {}.",
    "a painting of a {}.",
    "a pixelated photo of the {}.",
    "a sculpture of the {}.",
    "a bright photo of the {}.",
    "a cropped photo of a {}.",
    "a plastic {}.",
    "a photo of the dirty {}.",
    "a jpeg corrupted photo of a {}.",
    "a blurry photo of the {}.",
    "a photo of the {}.",
    "a good photo of the {}.",
    "a rendering of the {}.",
    "a {} in a video game.",
    "a photo of one {}.",
    "a doodle of a {}.",
    "a close-up photo of the {}.",
    "the origami {}.",
    "the {} in a video game.",
    "a sketch of a {}.",
    "a doodle of the {}.",
    "a origami {}.",
    "a low resolution photo of a {}.",
    "the toy {}.",
    "a rendition of the {}.",
    "a photo of the clean {}.",
    "a photo of a large {}.",
    "a rendition of a {}.",
    "a photo of a nice {}.",
    "a photo of a weird {}.",
    "a blurry photo of a {}.",
    "a cartoon {}.",
    "art of a {}.",
    "a sketch of the {}.",
    "a embroidered {}.",
    "a pixelated photo of a {}.",
    "itap of the {}.",
)

PROMPTS = Rule(
    lambda texts: all(isinstance(text, str) and "{}" in text for text in texts if text),
    "texts with {} where the class name goes, such as 'a photo of a {}.'",
)


def known_name(name: str) -> str:
    """The name in `TEMPLATES` that is meant ("Caltech-101"); else `name` as it is."""
    canonical = {_key(known): known for known in TEMPLATES} | ALIASES
    return canonical.get(_key(name), name)


def templates_of(name: str, given=()) -> tuple[str, ...]:
    """The templates of data set `name`, unless others are given.

    Raises:
        UserError: for a template without a place for the class name.
    """
    given = (given,) if isinstance(given, str) else tuple(given)
    chosen = tuple(filter(None, given)) or TEMPLATES.get(known_name(name), DEFAULT)
    if not PROMPTS.holds(chosen):
        raise UserError(f"templates={chosen} must be {PROMPTS.words}")
    return chosen


def clean_name(raw: str) -> str:
    """A class name for a prompt: underscores become spaces, nothing else changes."""
    return raw.replace("_", " ")


def prompts(classes, templates, descriptions=()) -> list[list[str]]:
    """The prompts of each class: every template, and what its descriptions make of it.

    `descriptions` are texts of each class, or empty. One with {} is a prompt of its own;
    another follows the name in every template: "a photo of a wren, small and brown."
    """
    return [
        _prompts_of(clean_name(name), templates, texts)
        for name, texts in zip(
            classes, descriptions or [()] * len(classes), strict=True
        )
    ]


def _prompts_of(name, templates, texts):
    plain = [template.replace("{}", name) for template in templates]
    described = [
        prompt
        for text in texts
        for prompt in (
            [text.replace("{}", name)]
            if "{}" in text
            else [template.replace("{}", f"{name}, {text}") for template in templates]
        )
    ]
    return plain + described


def _key(name):
    return "".join(filter(str.isalnum, name)).lower()
