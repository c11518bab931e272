"""Aircraft that do not exist: families of variants, told apart by small differences.

A family shares its general shape; its variants differ in one or two of fuselage length,
wing sweep and place, engines, tail, nose and winglets. Lengths are in units of the
reference fuselage, angles in degrees.
"""

import dataclasses

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")


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
    wing: str = "low"  # low | high
    wing_at: float = 0.05  # its root forward of the middle
    engines: int = 2
    place: str = "wing"  # wing | rear | propeller
    tail: str = "low"  # low | T | cross | V
    winglets: bool = False


def _family(name: str, base: dict, changes: dict[str, dict]) -> list[Variant]:
    return [
        Variant(f"{name} {number}", name, **(base | change))
        for number, change in changes.items()
    ]


VARIANTS: tuple[Variant, ...] = (
    *_family(
        "Alder",
        {},
        {
            "10": {},
            "20": {"length": 1.25},
            "30": {"winglets": True},
            "40": {"length": 1.25, "winglets": True, "sweep": 32.0},
        },
    ),
    *_family(
        "Bracken",
        {"length": 1.2, "width": 0.14, "sweep": 33.0, "span": 1.2, "engines": 4},
        {
            "10": {},
            "20": {"engines": 2},
            "30": {"length": 1.0},
            "40": {"winglets": True, "nose": "drooped"},
        },
    ),
    *_family(
        "Corvid",
        {"width": 0.08, "nose": "pointed", "span": 0.8, "place": "rear", "tail": "T"},
        {
            "10": {"length": 0.8},
            "20": {"length": 1.05},
            "30": {"length": 0.8, "winglets": True},
            "40": {"length": 0.8, "engines": 3},
        },
    ),
    *_family(
        "Dunlin",
        {"length": 0.85, "sweep": 4.0, "wing": "high", "place": "propeller"},
        {
            "10": {"tail": "T"},
            "20": {"tail": "low"},
            "30": {"tail": "T", "length": 1.1},
            "40": {"tail": "T", "engines": 4},
        },
    ),
    *_family(
        "Ember",
        {
            "length": 0.9,
            "width": 0.08,
            "nose": "pointed",
            "sweep": 52.0,
            "span": 0.7,
            "wing_at": -0.05,
            "place": "rear",
        },
        {
            "10": {},
            "20": {"tail": "V"},
            "30": {"sweep": 40.0},
            "40": {"nose": "drooped", "length": 1.15},
        },
    ),
    *_family(
        "Fjord",
        {"width": 0.15, "sweep": 22.0, "wing": "high", "tail": "T", "span": 1.15},
        {
            "10": {"engines": 4},
            "20": {"engines": 2},
            "30": {"engines": 4, "tail": "cross"},
            "40": {"engines": 4, "length": 1.25, "winglets": True},
        },
    ),
)


def describe(variant: Variant) -> dict[str, str]:
    """The attributes in words, for captions: one phrase for each kind of attribute."""
    sweeps = (
        (10, "straight"),
        (28, "slightly swept"),
        (45, "swept"),
        (90, "sharply swept"),
    )
    sweep = next(word for limit, word in sweeps if variant.sweep <= limit)
    lengths = ((0.87, "short"), (1.12, "medium"), (9, "long"))
    length = next(word for limit, word in lengths if variant.length <= limit)
    widths = ((0.09, "slim"), (0.12, "normal"), (9, "wide"))
    width = next(word for limit, word in widths if variant.width <= limit)
    places = {
        "wing": "under the wing",
        "rear": "at the rear",
        "propeller": "with propellers",
    }
    tails = {
        "low": "low tail",
        "T": "high tail",
        "cross": "cross tail",
        "V": "butterfly tail",
    }
    return {
        "fuselage": f"a {length} {width} fuselage",
        "nose": f"a {variant.nose} nose",
        "wing": f"a {variant.wing} {sweep} wing",
        "engines": f"{NUMBERS[variant.engines - 1]} engines {places[variant.place]}",
        "tail": f"a {tails[variant.tail]}",
        "winglets": "winglets" if variant.winglets else "plain wing tips",
    }
