"""Base-to-new: one figure for what was learned and what was kept.

With accuracies b on the base classes and n on the new ones, H = 2 b n / (b + n). Over
data sets the literature averages b and n first and takes H of the averages.
"""


def harmonic_mean(base: float, new: float) -> float:
    """H of two fractions; 0 if either is."""
    return 2 * base * new / (base + new) if base + new else 0.0


def base_to_new(rows: list[dict]) -> dict[str, dict]:
    """Accuracy on base and new classes, and H, by the name of the row.

    `rows` are entries of results.json; where a method names no new classes, `new` and
    `harmonic` are None.
    """
    rows = [row for row in rows if row.get("split", "test") == "test"]
    new = {row["name"]: row["accuracy"] for row in rows if row["classes"] == "new"}
    found = {}
    for row in rows:
        if row["classes"] == "base":
            base, of_new = row["accuracy"], new.get(row["name"])
            both = None if of_new is None else harmonic_mean(base, of_new)
            found[row["name"]] = {"base": base, "new": of_new, "harmonic": both}
    return found
