"""NaN and infinity, found before they are kept, judged or printed."""

import jax
import jax.numpy as jnp

from apt_jax.errors import NotFinite


def require_finite(tree, what: str, remedy: str):
    """Refuses arrays that hold NaN or infinity, by name: "WHAT ... ; REMEDY".

    Raises:
        NotFinite: a `UserError`.
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    odd = [name_of(path) for path, leaf in leaves if not _is_finite(leaf)]
    if odd:
        names = ", ".join(filter(None, odd[:5])) + ", ..." * (len(odd) > 5)
        raise NotFinite(f"{what} not finite{names and f' ({names})'}; {remedy}")


def name_of(path) -> str:
    """The place of a leaf in a tree: the same for a tuple with names and a mapping."""
    return ".".join(
        str(getattr(entry, "name", getattr(entry, "key", getattr(entry, "idx", entry))))
        for entry in path
    )


def _is_finite(leaf) -> bool:
    leaf = jnp.asarray(leaf)
    inexact = jnp.issubdtype(leaf.dtype, jnp.inexact)
    return not inexact or bool(jnp.isfinite(leaf).all())
