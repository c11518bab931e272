"""Fields as --help lists them, a hundred columns wide."""

import textwrap

from apt_jax.fields import NONE, Field

WIDTH = 100
NAME, VALUE = 30, 24  # the widest columns; longer entries stand on lines of their own
INDENT, GAP = "  ", "  "


def listed(fields: dict[str, Field], values: dict) -> str:
    """A line or more for each of the values: name, value, meaning and rule."""
    shown = {name: spelled(fields[name], value) for name, value in values.items()}
    widths = (_fitting(shown, NAME), _fitting(shown.values(), VALUE))
    entries = [
        _entry(name, text, explained(fields[name], values[name]), *widths)
        for name, text in shown.items()
    ]
    return "\n".join(["fields, set with --config.FIELD=VALUE:", "", *entries])


def spelled(field: Field, value) -> str:
    """A value as the command line has it; what it means where it is None."""
    if value is None:
        return field.unset
    if isinstance(value, tuple | list):
        value = field.separator.join(map(str, value))
    return repr(value)


def explained(field: Field, value) -> str:
    """What a field means, and what it may be."""
    kind = "" if field.rule.names else field.types
    may_be = ", ".join(filter(None, (kind, field.rule.words)))
    if tuple in field.kinds:
        may_be += f"; '{field.separator}' stands between them"
    if NONE in field.kinds and value is not None:
        may_be += f"; None = {field.unset}"
    others = {}
    for source, default in field.by_source.items():
        others.setdefault(spelled(field, default), []).append(source)
    apart = [f"; {', '.join(of)}: {default}" for default, of in others.items()]
    return f"{field.meaning} [{may_be}]{''.join(apart)}".strip()


def _fitting(texts, most):
    """The width of a column that holds all texts which are not too long for it."""
    return max((len(text) for text in texts if len(text) <= most), default=0)


def _entry(name, value, meaning, name_width, value_width) -> str:
    left = f"{INDENT}{name:{name_width}}{GAP}{value:{value_width}}{GAP}"
    fits = len(name) <= name_width and len(value) <= value_width
    margin = len(INDENT + GAP + GAP) + name_width + value_width
    lines = textwrap.wrap(meaning, WIDTH - margin, break_on_hyphens=False)
    first = (
        []
        if fits
        else textwrap.wrap(
            left.strip(),
            WIDTH,
            initial_indent=INDENT,
            subsequent_indent=INDENT * 3,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )
    indented = [" " * margin + line for line in lines]
    if fits:
        indented[0] = left + lines[0]
    return "\n".join([*first, *indented])
