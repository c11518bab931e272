"""Which of a data set's own splits are train, val and test, by their usual names."""

from collections.abc import Iterable

from apt_jax.data.roots import note

VALIDATION = ("validation", "valid", "val", "dev")


def usual(there: Iterable[str]) -> dict[str, str]:
    """The name for each of train, val and test, of the names `there`; "" for none.

    Where nothing is called test, the validation split is, and a note says so.
    """
    there = set(there)
    val = next((name for name in VALIDATION if name in there), "")
    names = {"train": "train" if "train" in there else "", "val": val, "test": "test"}
    if "test" not in there:
        names |= {"val": "", "test": val}
        if val:
            note(f"no split is called test; {val} is the test")
    return names
