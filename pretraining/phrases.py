"""What can be said of an aircraft: a phrase for each kind of fact that is true of it."""

import numpy as np

from apt_jax.data.synthetic.variants import Variant

NUMBERS = ("one", "two", "three", "four")
LENGTHS = {"short": 0.87, "medium": 1.12, "long": np.inf}  # each up to ...
WIDTHS = {"slim": 0.09, "normal": 0.12, "wide": np.inf}
SWEEPS = {
    "straight": 10.0,
    "slightly swept": 28.0,
    "swept": 45.0,
    "sharply swept": np.inf,
}
NOSES = ("round", "pointed", "drooped")
WINGS = ("low", "mid", "high")
PLACES = {
    "wing": "under the wing",
    "rear": "at the rear",
    "propeller": "with propellers",
}
ENGINES = {"wing": (2, 4), "rear": (1, 2, 3), "propeller": (2, 4)}
TAILS = {"low": "low", "T": "high", "cross": "cross", "V": "butterfly"}
TIPS = {False: "plain wing tips", True: "winglets"}

PHRASES = {
    "fuselage": tuple(
        f"a {length} {width} fuselage" for length in LENGTHS for width in WIDTHS
    ),
    "nose": tuple(f"a {nose} nose" for nose in NOSES),
    "wing": tuple(f"a {wing} {sweep} wing" for wing in WINGS for sweep in SWEEPS),
    "engines": tuple(
        f"{NUMBERS[n - 1]} engines {PLACES[place]}"
        for place, counts in ENGINES.items()
        for n in counts
    ),
    "tail": tuple(f"a {tail} tail" for tail in TAILS.values()),
    "winglets": tuple(TIPS.values()),
}


def describe(variant: Variant) -> dict[str, str]:
    """The attributes in words: of each kind, the one of `PHRASES` that is true."""
    length = _word(LENGTHS, variant.length)
    width = _word(WIDTHS, variant.width)
    number = NUMBERS[variant.engines - 1]
    return {
        "fuselage": f"a {length} {width} fuselage",
        "nose": f"a {variant.nose} nose",
        "wing": f"a {variant.wing} {_word(SWEEPS, variant.sweep)} wing",
        "engines": f"{number} engines {PLACES[variant.place]}",
        "tail": f"a {TAILS[variant.tail]} tail",
        "winglets": TIPS[variant.winglets],
    }


def _word(limits, value):
    return next(word for word, limit in limits.items() if value <= limit)
