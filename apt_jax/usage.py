"""Fields as --help lists them, a hundred columns wide."""

import textwrap

from apt_jax.fields import NONE, Field

WIDTH = 100
NAME, VALUE = 30, 28  # the widest columns; longer entries stand on lines of their own
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
        value = f"{field.separator} ".join(map(str, value))
    return repr(value)


def explained(field: Field, value) -> str:
    """What a field means, and what it may be."""
    kind = "" if field.rule.names else field.types
    may_be = ", ".join(filter(None, (kind, field.rule.words)))
    if tuple in field.kinds:
        may_be = f"{field.rule.words or 'texts'}, with '{field.separator}' between them"
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
    margin = len(INDENT + GAP + GAP) + name_width + value_width
    left = f"{INDENT}{name:{name_width}}{GAP}{value}"
    right = textwrap.fill(
        meaning,
        WIDTH,
        initial_indent=" " * margin,
        subsequent_indent=" " * margin,
        break_on_hyphens=False,
    )
    if len(name) <= name_width and len(value) <= value_width:
        return f"{left:{margin}}{right[margin:]}"
    own = textwrap.fill(left, WIDTH, subsequent_indent=2 * INDENT, drop_whitespace=True)
    return f"{own}\n{right}"
