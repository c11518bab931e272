"""Aircraft for pre-training, with captions: named variants, and many without a name.

The small CLIP of the package learns from these. Six variants, one of each family, are
held out: neither their names nor their pictures are ever shown. Pictures come from
another stream of chance than those of the few-shot task.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from apt_jax.data.synthetic.scene import render
from apt_jax.data.synthetic.variants import VARIANTS, Variant, describe

STREAM = 1  # the few-shot task draws from stream 0
HELD_OUT = tuple(v.name for v in VARIANTS if v.name.endswith("40"))
NAMED = tuple(v for v in VARIANTS if v.name not in HELD_OUT)
NAMED_SHARE = 0.5  # of all pictures
NAME_TEMPLATES = (
    "a photo of a {}, a type of aircraft.",
    "a photo of a {}.",
    "a picture of the {}, an aircraft.",
    "the {}.",
)
PLAIN_TEMPLATES = (
    "a photo of an aircraft with {}.",
    "an aircraft with {}.",
    "a picture of an aircraft, {}.",
)
CHOICES = {
    "nose": ("round", "pointed", "drooped"),
    "wing": ("low", "high"),
    "engines": (1, 2, 3, 4),
    "place": ("wing", "rear", "propeller"),
    "tail": ("low", "T", "cross", "V"),
    "winglets": (False, True),
}
RANGES = {
    "length": (0.75, 1.3),
    "width": (0.07, 0.16),
    "sweep": (0.0, 55.0),
    "span": (0.65, 1.25),
    "wing_at": (-0.08, 0.1),
}


class Caption(NamedTuple):
    """A caption and the facts that it states; it is true of every picture with them."""

    text: str
    facts: frozenset[str]


def picture(number: int, size: int) -> tuple[np.ndarray, Variant]:
    """Training picture `number`: [size, size, 3] uint8 and what it shows."""
    generator = np.random.default_rng([STREAM, number])
    variant = random_variant(generator)
    variance = generator.uniform(0.1, 0.9)
    return render(variant, generator, variance, size), variant


def random_variant(generator) -> Variant:
    """One of the named variants, or an aircraft of random attributes without a name."""
    if generator.random() < NAMED_SHARE:
        return NAMED[generator.integers(len(NAMED))]
    fields = {name: generator.choice(values).item() for name, values in CHOICES.items()}
    fields |= {name: generator.uniform(*limits) for name, limits in RANGES.items()}
    if fields["place"] == "rear":
        fields["engines"] = min(fields["engines"], 3)
    elif fields["engines"] in (1, 3):
        fields["engines"] = 2
    return dataclasses.replace(VARIANTS[0], name="", family="", **fields)


def facts(variant: Variant) -> frozenset[str]:
    """All that a caption can say of a variant: its attributes, and its name if any."""
    named = {variant.name} if variant.name else set()
    return frozenset(describe(variant).values()) | named


def caption(variant: Variant, generator) -> Caption:
    """The name, or some of the attributes in any order, or both."""
    phrases = list(describe(variant).values())
    generator.shuffle(phrases)
    phrases = phrases[: generator.integers(1, 5)]
    listed = ", ".join(phrases)
    if not variant.name or generator.random() < 0.3:
        text = str(generator.choice(PLAIN_TEMPLATES)).format(listed)
        return Caption(text, frozenset(phrases))
    named = str(generator.choice(NAME_TEMPLATES)).format(variant.name)
    if generator.random() < 0.8:
        return Caption(named, frozenset([variant.name]))
    return Caption(f"{named[:-1]}, with {listed}.", frozenset([variant.name, *phrases]))
