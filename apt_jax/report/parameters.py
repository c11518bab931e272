"""What is frozen and what is trained, in numbers."""

import jax


def count(tree) -> int:
    """The number of parameters in a tree of arrays."""
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def parameters_table(frozen, trained, state=()) -> str:
    """A table of parameter counts by part, for the terminal.

    `state` is kept and gets no gradient; all are mappings of name to arrays.
    """
    kind = "CLIP" if "text" in frozen else "ViT"
    rows = [(f"{kind} {name}", count(part), "frozen") for name, part in frozen.items()]
    rows += [(name, count(part), "trained") for name, part in trained.items()]
    if not trained:
        rows.append(("nothing", 0, "trained"))
    rows += [(name, count(part), "computed") for name, part in dict(state).items()]
    width = max(len(name) for name, _, _ in rows)
    return "\n".join(f"  {name:{width}}  {n:>13,}  {kind}" for name, n, kind in rows)
