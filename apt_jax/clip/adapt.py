"""Low-rank changes to weights by name, which the model need not know of.

Hu et al. 2021, arXiv:2106.09685: W + scale A B, with A [in, r] and B [r, out].
"""

import jax

from apt_jax.clip.weights import flat


def with_updates(params, updates: dict, scale: float = 1.0):
    """`params` with `scale * a @ b` added to each kernel named in `updates`.

    Args:
        updates: {"image/blocks_0/attention/query/kernel": {"a": [in, r], "b": [r, out]}}.

    Raises:
        ValueError: for names that no parameter has.
    """
    names = flat(params).keys()
    if unknown := sorted(updates.keys() - names):
        raise ValueError(f"no parameters {unknown}; choose from {sorted(names)}")

    def updated(path, kernel):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if name not in updates:
            return kernel
        change = updates[name]["a"] @ updates[name]["b"]
        return kernel + (scale * change).astype(kernel.dtype)

    return jax.tree_util.tree_map_with_path(updated, params)
