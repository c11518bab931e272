"""Released weights to parameters and back: one table of names, a bijection.

A row of TABLE is a tensor's name in `model.safetensors`, the path of the parameter, and
the transform between them. `{i}` counts the blocks of a tower. torch keeps a dense weight
as [out, in] and a convolution as [out, in, h, w]; ours are [in, out] and [h, w, in, out].
"""

import jax
import numpy as np

from apt_jax.errors import UserError

IGNORED = ("text_model.embeddings.position_ids", "vision_model.embeddings.position_ids")
SHOWN = 8  # names of each kind of fault in an error


def same(x):
    return x


def transposed(x):
    return x.T


def convolution(x):
    return x.transpose(2, 3, 1, 0)


INVERSE = {
    same: same,
    transposed: transposed,
    convolution: lambda x: x.transpose(3, 2, 0, 1),
}

_BLOCK = [
    (f"self_attn.{theirs}_proj.{kind}", f"attention/{ours}/{name}", transform)
    for theirs, ours in (("q", "query"), ("k", "key"), ("v", "value"), ("out", "out"))
    for kind, name, transform in (
        ("weight", "kernel", transposed),
        ("bias", "bias", same),
    )
] + [
    (f"{theirs}.{kind}", f"{ours}/{name}", transform)
    for theirs, ours, name_of_weight, of_weight in (
        ("layer_norm1", "norm1", "scale", same),
        ("layer_norm2", "norm2", "scale", same),
        ("mlp.fc1", "mlp_in", "kernel", transposed),
        ("mlp.fc2", "mlp_out", "kernel", transposed),
    )
    for kind, name, transform in (
        ("weight", name_of_weight, of_weight),
        ("bias", "bias", same),
    )
]

TABLE = [
    ("logit_scale", "logit_scale", same),
    ("visual_projection.weight", "image/projection/kernel", transposed),
    ("text_projection.weight", "text/projection/kernel", transposed),
    ("vision_model.embeddings.class_embedding", "image/class_embedding", same),
    (
        "vision_model.embeddings.patch_embedding.weight",
        "image/patch_embedding/kernel",
        convolution,
    ),
    (
        "vision_model.embeddings.position_embedding.weight",
        "image/position_embedding",
        same,
    ),
    # The misspelling is the released models' own.
    ("vision_model.pre_layrnorm.weight", "image/pre_norm/scale", same),
    ("vision_model.pre_layrnorm.bias", "image/pre_norm/bias", same),
    ("vision_model.post_layernorm.weight", "image/post_norm/scale", same),
    ("vision_model.post_layernorm.bias", "image/post_norm/bias", same),
    ("text_model.embeddings.token_embedding.weight", "text/token_embedding", same),
    (
        "text_model.embeddings.position_embedding.weight",
        "text/position_embedding",
        same,
    ),
    ("text_model.final_layer_norm.weight", "text/final_norm/scale", same),
    ("text_model.final_layer_norm.bias", "text/final_norm/bias", same),
    *(
        (
            f"vision_model.encoder.layers.{{i}}.{name}",
            f"image/blocks_{{i}}/{path}",
            change,
        )
        for name, path, change in _BLOCK
    ),
    *(
        (f"text_model.encoder.layers.{{i}}.{name}", f"text/blocks_{{i}}/{path}", change)
        for name, path, change in _BLOCK
    ),
]


def rows(config):
    """Yields (tensor name, parameter path, transform) of every tensor of `config`."""
    for name, path, transform in TABLE:
        if "{i}" not in name:
            yield name, path, transform
            continue
        tower = config.vision if path.startswith("image") else config.text
        for i in range(tower.num_hidden_layers):
            yield name.format(i=i), path.format(i=i), transform


def from_tensors(tensors: dict, config, shapes) -> dict:
    """The parameters that `tensors` hold.

    Args:
        tensors: arrays by their names in the file.
        shapes: the parameters' shapes, a tree of what has a `.shape`.

    Raises:
        UserError: for missing, unknown and mis-shaped tensors, all of them at once.
    """
    wanted = flat(shapes)
    params, faults, known = {}, [], set(IGNORED)
    for name, path, transform in rows(config):
        known.add(name)
        if name not in tensors:
            faults.append(f"missing {name}")
            continue
        theirs = INVERSE[transform](np.empty(wanted[path].shape, np.void)).shape
        if tuple(tensors[name].shape) != theirs:
            faults.append(
                f"{name} has shape {list(tensors[name].shape)} and not {list(theirs)}"
            )
            continue
        params[path] = transform(tensors[name])
    faults += [f"unknown {name}" for name in sorted(tensors.keys() - known)]
    if faults:
        more = f" and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise UserError(
            f"the weights do not fit config.json: {'; '.join(faults[:SHOWN])}{more}; "
            "use the two files of one checkpoint"
        )
    return nested(params)


def to_tensors(params: dict, config) -> dict:
    """The tensors of `params` under the names of the file: `from_tensors` undone."""
    ours = flat(params)
    return {
        name: np.asarray(INVERSE[transform](np.asarray(ours[path])), order="C")
        for name, path, transform in rows(config)
    }


def flat(tree) -> dict:
    """Leaves by their path, "image/blocks_0/norm1/scale"."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in leaves
    }


def nested(leaves: dict) -> dict:
    """The nested dict of leaves given by path: `flat` undone."""
    tree = {}
    for path, leaf in leaves.items():
        *folders, name = path.split("/")
        branch = tree
        for folder in folders:
            branch = branch.setdefault(folder, {})
        branch[name] = leaf
    return tree
