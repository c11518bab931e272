"""Aircraft for pre-training, with captions: some have names, many have none.

The small CLIP of the package learns from these. Of each family of the task it sees two
variants; the other two are held out: neither their names nor their pictures are ever
shown. But what a number means can be learned from other names, so zero-shot knows
something of them. Pictures come from another stream of chance than those of the few-shot
task.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from apt_jax.data.synthetic.scene import render
from apt_jax.data.synthetic.variants import VARIANTS, Variant, family
from pretraining.phrases import ENGINES, NOSES, PHRASES, TAILS, TIPS, WINGS, describe

STREAM, OTHERS_STREAM = 1, 2  # of chance; the few-shot task draws from stream 0
HELD_OUT = tuple(
    variant.name
    for index, variant in enumerate(VARIANTS)
    if (index // 4 + index % 4) % 2 == 0  # two numbers of each family, by turns
)
OTHER_FAMILIES = (
    "Gannet",
    "Heron",
    "Isle",
    "Juniper",
    "Kestrel",
    "Larch",
    "Merlin",
    "Nettle",
    "Osprey",
    "Plover",
    "Quartz",
    "Rowan",
    "Sable",
    "Tern",
    "Umber",
)
NAMED_SHARE, OTHERS_SHARE = 0.35, 0.35  # of all pictures; the rest has no name
VARIANCES = (0.0, 0.8)
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
    "nose": NOSES,
    "wing": WINGS,
    "place": tuple(ENGINES),
    "tail": tuple(TAILS),
    "winglets": tuple(TIPS),
}
RANGES = {
    "length": (0.75, 1.3),
    "width": (0.07, 0.16),
    "sweep": (0.0, 55.0),
    "span": (0.65, 1.25),
    "wing_at": (-0.08, 0.1),
}
BASE = (0.75, 1.05)  # lengths of other makers' types before they are stretched


def random_attributes(generator) -> Variant:
    """An aircraft without a name."""
    fields = {name: generator.choice(values).item() for name, values in CHOICES.items()}
    fields |= {name: generator.uniform(*limits) for name, limits in RANGES.items()}
    fields["engines"] = generator.choice(ENGINES[fields["place"]]).item()
    return dataclasses.replace(VARIANTS[0], name="", family="", **fields)


def another_family(name: str, generator) -> list[Variant]:
    """A family of another maker: its attributes are random, its numbers mean the same."""
    base = random_attributes(generator)
    base = dataclasses.replace(base, length=generator.uniform(*BASE), winglets=False)
    counts = [n for n in ENGINES[base.place] if n != base.engines]
    fields = dataclasses.asdict(base)
    del fields["name"], fields["family"]
    return family(name, fields, engines=generator.choice(counts).item())


NAMED = tuple(variant for variant in VARIANTS if variant.name not in HELD_OUT)
OTHERS = tuple(
    variant
    for index, name in enumerate(OTHER_FAMILIES)
    for variant in another_family(name, np.random.default_rng([OTHERS_STREAM, index]))
)
FACTS = PHRASES | {"name": tuple(variant.name for variant in (*NAMED, *OTHERS))}


class Picture(NamedTuple):
    """A training picture and how it was made."""

    pixels: np.ndarray  # [size, size, 3] uint8
    variant: Variant
    variance: float


def picture(number: int, size: int) -> Picture:
    """Training picture `number`."""
    generator = np.random.default_rng([STREAM, number])
    variant = random_variant(generator)
    variance = generator.uniform(*VARIANCES)
    return Picture(render(variant, generator, variance, size), variant, variance)


def random_variant(generator) -> Variant:
    """A variant of the task, a type of another maker, or one without a name."""
    kind = generator.random()
    if kind < NAMED_SHARE:
        return NAMED[generator.integers(len(NAMED))]
    if kind < NAMED_SHARE + OTHERS_SHARE:
        return OTHERS[generator.integers(len(OTHERS))]
    return random_attributes(generator)


def labels(variant: Variant) -> list[int]:
    """Of every kind, the index of the true fact; -1 for the name of an unnamed one."""
    true = describe(variant) | {"name": variant.name}
    return [
        facts.index(true[kind]) if true[kind] else -1 for kind, facts in FACTS.items()
    ]


def one_of_each(generator) -> list[str]:
    """A caption for each fact, kind after kind, in words drawn at random."""
    return [
        str(generator.choice(templates_of(kind))).format(fact)
        for kind, facts in FACTS.items()
        for fact in facts
    ]


def every_caption() -> list[str]:
    return [
        template.format(fact)
        for kind, facts in FACTS.items()
        for fact in facts
        for template in templates_of(kind)
    ]


def templates_of(kind: str) -> tuple[str, ...]:
    return NAME_TEMPLATES if kind == "name" else PLAIN_TEMPLATES
