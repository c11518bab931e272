"""Values of a checkpoint's JSON files: what they must be, and how a wrong one is told."""

import reprlib


def is_whole(value, most: int) -> bool:
    """Whether it is a whole number from 1 to `most`; true and 1.0 are none."""
    return type(value) is int and 1 <= value <= most


def is_number(value, least: float, most: float) -> bool:
    """Whether it is a number in a range, and so a finite one."""
    return type(value) in (int, float) and least <= value <= most


def are_numbers(values, count: int, least: float, most: float) -> bool:
    """Whether it is a list of so many numbers in a range."""
    return (
        isinstance(values, list)
        and len(values) == count
        and all(is_number(value, least, most) for value in values)
    )


shown = reprlib.repr  # a value as an error shows it, on a line and never long
