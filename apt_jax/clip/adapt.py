"""Low-rank changes to weights by name, which the model need not know of.

Hu et al. 2021, arXiv:2106.09685: W + scale A B, with A [in, r] and B [r, out]; in the
weights themselves, or as branches beside the layers, whose input may be dropped:

    x W + scale drop(x) A B
"""

import flax.linen as nn
import jax

from apt_jax.clip.weights import flat


def updated_kernels(params, updates: dict, scale: float) -> dict:
    """The kernels named in `updates` by name, with `scale * a @ b` added, and no others.

    Args:
        updates: {"image/blocks_0/attention/query/kernel": {"a": [in, r], "b": [r, out]}}.

    Raises:
        ValueError: for names that no parameter has.
    """
    kernels = flat(params)
    if unknown := sorted(updates.keys() - kernels.keys()):
        raise ValueError(f"no parameters {unknown}; choose from {sorted(kernels)}")

    def updated(kernel, update):
        change = update["a"] @ update["b"]
        return kernel + (scale * change).astype(kernel.dtype)

    return {name: updated(kernels[name], update) for name, update in updates.items()}


def with_kernels(params, kernels: dict):
    """`params` with the kernels given by name in the place of its own."""

    def chosen(path, kernel):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return kernels.get(name, kernel)

    return jax.tree_util.tree_map_with_path(chosen, params)


def low_rank_branches(updates: dict, scale: float, drop):
    """A context in which the layers named in `updates` have branches beside them.

    Args:
        updates: as `updated_kernels` takes them.
        drop: a function of a branch's input and the index of its name, in their order,
            to what enters the branch.
    """
    order = {name: index for index, name in enumerate(sorted(updates))}

    def interceptor(layer, args, kwargs, context):
        y = layer(*args, **kwargs)
        name = "/".join((*context.module.path, "kernel"))
        if name not in order:
            return y
        x = drop(args[0], order[name])
        return y + scale * (x @ updates[name]["a"]) @ updates[name]["b"]

    return nn.intercept_methods(interceptor)
