"""What two lists of images have in common (`data.compare`), on the terminal."""

from apt_jax.data.listing import listed
from apt_jax.tables import Table
from apt_jax.words import counted, form


def text(found: dict) -> str:
    """The comparison, split by split, and the verdict in the last line."""
    rows = [
        (
            f"{split}, by {way}",
            f"{counts['both']:,}",
            f"{counts['only_a']:,}",
            f"{counts['only_b']:,}",
            "yes" if counts["same_order"] else "no",
            f"{len(counts['other_label']):,}",
        )
        for split, ways in found["splits"].items()
        for way, counts in ways.items()
    ]
    columns = ("", "in both", "only in A", "only in B", "same order", "other label")
    lines = [Table(columns, rows).terminal()]
    for one, other in ("ab", "ba"):
        if leaking := found[f"trained_in_{one}_tested_in_{other}"]:
            lines.append(
                f"{counted(len(leaking), 'training image')} of {one.upper()} "
                f"{form(len(leaking), 'is a test image', 'are test images')} of "
                f"{other.upper()}: {listed(leaking)}"
            )
        if alone := found[f"only_{one}"]:
            lines.append(f"only in {one.upper()}: {listed(alone)}")
    return "\n".join([*lines, found["verdict"]])
