"""Aircraft that do not exist: families of variants, told apart by small differences.

Families differ in wing sweep and position, place of the engines, tail, fuselage and
nose; the variants of a family in length, winglets and the number of engines. Lengths are
in units of the reference fuselage, angles in degrees.
"""

import dataclasses

STRETCH = 0.25


@dataclasses.dataclass(frozen=True)
class Variant:
    """The attributes that make a variant what it is."""

    name: str
    family: str
    length: float = 1.0  # of the fuselage
    width: float = 0.11  # its diameter
    nose: str = "round"  # round | pointed | drooped
    sweep: float = 25.0  # of the wing, degrees
    span: float = 1.0
    wing: str = "low"  # low | mid | high
    wing_at: float = 0.05  # its root forward of the middle
    engines: int = 2
    place: str = "wing"  # wing | rear | propeller
    tail: str = "low"  # low | T | cross | V
    winglets: bool = False


def family(name: str, base: dict, engines: int) -> list[Variant]:
    """The four variants of a family; their numbers mean the same in every family.

    10 is the `base`, 20 is stretched, 30 has winglets, 40 has another number of
    `engines`.
    """
    ten = Variant(f"{name} 10", name, **base)
    changes = {
        "20": {"length": ten.length + STRETCH},
        "30": {"winglets": True},
        "40": {"engines": engines},
    }
    return [
        ten,
        *(
            dataclasses.replace(ten, name=f"{name} {number}", **change)
            for number, change in changes.items()
        ),
    ]


VARIANTS: tuple[Variant, ...] = (
    *family("Alder", {}, engines=4),
    *family(
        "Bracken",
        {
            "width": 0.15,
            "nose": "drooped",
            "sweep": 35.0,
            "span": 1.2,
            "engines": 4,
        },
        engines=2,
    ),
    *family(
        "Corvid",
        {
            "length": 0.8,
            "width": 0.08,
            "nose": "pointed",
            "span": 0.8,
            "place": "rear",
            "tail": "T",
        },
        engines=3,
    ),
    *family(
        "Dunlin",
        {"length": 0.85, "sweep": 4.0, "wing": "high", "place": "propeller"},
        engines=4,
    ),
    *family(
        "Ember",
        {
            "length": 0.9,
            "width": 0.08,
            "nose": "pointed",
            "sweep": 52.0,
            "span": 0.7,
            "wing": "mid",
            "wing_at": -0.05,
            "place": "rear",
            "tail": "V",
        },
        engines=1,
    ),
    *family(
        "Fjord",
        {
            "width": 0.15,
            "sweep": 22.0,
            "wing": "high",
            "tail": "cross",
            "span": 1.15,
            "engines": 4,
        },
        engines=2,
    ),
)
