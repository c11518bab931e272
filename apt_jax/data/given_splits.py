"""Which of a data set's own splits are train, val and test, by their usual names."""

from collections.abc import Iterable

from apt_jax.data.roots import note

# In small letters, the first that is there.
SPELLINGS = {
    "train": ("train", "training"),
    "val": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}


def usual(there: Iterable[str]) -> dict[str, str]:
    """The name for each of train, val and test, of the names `there`; "" for none.

    Where nothing is called test, the validation split is, and a note says so.
    """
    names = spelled(there)
    if names["val"] and not names["test"]:
        note(f"no split is called test; {names['val']} is the test")
        names |= {"val": "", "test": names["val"]}
    return names


def spelled(there: Iterable[str]) -> dict[str, str]:
    """The name for each of train, val and test, whatever its case; "" for none."""
    lower = {name.casefold(): name for name in sorted(there)}
    return {
        split: next((lower[name] for name in names if name in lower), "")
        for split, names in SPELLINGS.items()
    }


def doubled(there: Iterable[str]) -> list[str]:
    """Names that are all of one split, the first split that has several."""
    lower = {name.casefold(): name for name in sorted(there)}
    for names in SPELLINGS.values():
        if len(found := [lower[name] for name in names if name in lower]) > 1:
            return found
    return []


def split_of(name: str) -> str:
    """The split that a cell of a table names; "" for none."""
    return next((s for s, names in SPELLINGS.items() if name.casefold() in names), "")
