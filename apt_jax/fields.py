"""What can be set, a line a field: default, meaning, rule.

Command line, validation and --help come from these lines. They stand beside the code that
uses the fields, in a table or in the dataclass of a method:

    "train.epochs": Field(None, "passes over the shots", at_least(1), int | None, RECIPE)
    heads: int = field(16, "attention heads; they must divide D", at_least(1))
"""

import contextlib
import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from apt_jax.errors import nearest

SEPARATOR = ";"
FEW = 4  # names that are told apart by quotes
TRUTH = {"true": True, "false": False}


class Rule(NamedTuple):
    """What a value of the right type must be, and how to say so."""

    holds: Callable[[Any], bool]
    words: str  # what follows "must be"
    names: tuple[str, ...] = ()  # all there are, if it is one of a few names
    most: int = 2**31 - 1  # whole numbers above are too large for the arrays


def at_least(least) -> Rule:
    return Rule(lambda value: value >= least, f"at least {least}")


def between(least, most) -> Rule:
    return Rule(lambda value: least <= value <= most, f"{least} to {most}")


def above(limit) -> Rule:
    return Rule(lambda value: value > limit, f"above {limit}")


def one_of(*names: str) -> Rule:
    *first, last = map(repr, names)
    few = f"{', '.join(first)} or {last}" if first else last
    words = few if len(names) <= FEW else f"one of {', '.join(names)}"
    return Rule(lambda value: value in names, words, names)


def some_of(*names: str) -> Rule:
    words = f"some of {', '.join(map(repr, names))}"
    return Rule(lambda values: set(filter(None, values)) <= set(names), words, names)


ANY = Rule(lambda value: True, "")
RATE = Rule(lambda value: 0 <= value < 1, "in [0, 1)")
SHARE = Rule(lambda value: 0 <= value <= 1, "in [0, 1]")
PART = Rule(lambda value: 0 < value <= 1, "in (0, 1]")


@dataclasses.dataclass(frozen=True)
class Field:
    """One thing that can be set."""

    default: Any
    meaning: str
    rule: Rule = ANY
    kind: Any = None  # an annotation such as `int | None`; None = the default's type
    unset: str = "not set"  # what None means, where it may be None
    separator: str = SEPARATOR  # between the entries of a tuple on the command line
    entry: Callable[[str], Any] = str  # reads one of them
    by_source: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    # What runs did that were written before there was the field, if not the default.
    before: Any = None

    @property
    def kinds(self) -> tuple[type, ...]:
        """The types that a value may have."""
        kind = type(self.default) if self.kind is None else self.kind
        is_union = typing.get_origin(kind) in (types.UnionType, typing.Union)
        members = typing.get_args(kind) if is_union else (kind,)
        return tuple(typing.get_origin(member) or member for member in members)

    @property
    def types(self) -> str:
        """The same in words."""
        return " or ".join(kind.__name__ for kind in self.kinds if kind is not NONE)

    def default_of(self, source: str):
        """The default for data of a source."""
        return self.by_source.get(source, self.default)

    def once(self, source: str):
        """What a run of data of a source did that does not say."""
        return self.default_of(source) if self.before is None else self.before

    def fault(self, value) -> str:
        """What the value must be, if it is not; else nothing."""
        if value is None and NONE in self.kinds:
            return ""
        if not self._fits(value):
            return self.types
        if isinstance(value, float) and not math.isfinite(value):
            return "a finite number"
        if isinstance(value, int) and abs(value) > self.rule.most:
            return f"at most {self.rule.most}"
        if self.rule.holds(value):
            return ""
        if not self.rule.names:
            return self.rule.words
        given = [value] if isinstance(value, str) else value
        unknown = [name for name in given if name not in self.rule.names]
        meant = nearest(unknown[0], self.rule.names)
        return self.rule.words + (f" (did you mean {meant}?)" if meant else "")

    def _fits(self, value):
        if not set(self.kinds) <= {*READ, tuple, NONE}:
            return True  # an annotation that no command line can spell
        if isinstance(value, bool):
            return bool in self.kinds
        if isinstance(value, list):
            return tuple in self.kinds
        if isinstance(value, int) and float in self.kinds:
            return True
        return isinstance(value, self.kinds)

    def read(self, text: str):
        """The value that a command line spells; raises ValueError."""
        if text == "None" and NONE in self.kinds:
            return None
        if tuple in self.kinds:
            entries = map(str.strip, text.split(self.separator))
            return tuple(map(self.entry, filter(None, entries)))
        for kind in self.kinds:
            with contextlib.suppress(ValueError):
                return READ.get(kind, _nothing)(text)
        raise ValueError(text)


NONE = type(None)


def _truth(text):
    if text.lower() not in TRUTH:
        raise ValueError(text)
    return TRUTH[text.lower()]


def _nothing(text):
    raise ValueError(text)


# How a text is read as a value of a type.
READ = {bool: _truth, int: int, float: float, str: str}


def field(
    default,
    meaning: str,
    rule: Rule = ANY,
    unset: str = "not set",
    before=None,
    **of_field,
):
    """A field of a dataclass; its type is the annotation."""
    line = Field(default, meaning, rule, unset=unset, before=before)
    return dataclasses.field(default=default, metadata={"line": line}, **of_field)


@functools.cache
def fields_of(cls) -> dict[str, Field]:
    """The fields of a dataclass, by name; those without a line of their own too."""
    kinds, found = typing.get_type_hints(cls), {}
    for one in dataclasses.fields(cls):
        line = one.metadata.get("line", Field(one.default, ""))
        found[one.name] = dataclasses.replace(line, kind=kinds[one.name])
    return found


def defaults(fields: Mapping[str, Field], source: str = "") -> dict:
    """The default of each field, for data of a source."""
    return {name: field.default_of(source) for name, field in fields.items()}


def faults(
    fields: Mapping[str, Field], values: Mapping[str, Any], prefix=""
) -> list[str]:
    """What is wrong with each of the values, in the words of its field's rule."""
    return [
        f"{prefix}{name}={values[name]!r} must be {wanted}"
        for name, field in fields.items()
        if name in values and (wanted := field.fault(values[name]))
    ]
