"""Released weights to parameters and back: one table of names a layout, a bijection.

A row of a table is a tensor's name in the file, the path of the parameter, and the
transform between them. `{i}` counts the blocks of a tower. torch keeps a dense weight as
[out, in] and a convolution as [out, in, h, w]; ours are [in, out] and [h, w, in, out],
which is Flax's way, and Google's.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from apt_jax.clip import foreign
from apt_jax.data.listing import listed
from apt_jax.errors import UserError

DTYPES = tuple(map(np.dtype, ("f2", "f4", "f8", jnp.bfloat16)))  # of weights


class Layout(NamedTuple):
    """How one kind of file names its tensors."""

    table: list
    unread: tuple[str, ...]  # how names begin that are of no use here
    misfit: str  # what to say of tensors that are not those of the table
    remedy: str  # and what to do


def same(x):
    return x


def transposed(x):
    return x.T


def convolution(x):
    return x.transpose(2, 3, 1, 0)


def of_batch(x):
    """[N, W] of [1, N, W]."""
    return x[0]


def of_token(x):
    """[W] of [1, 1, W]."""
    return x[0, 0]


INVERSE = {
    same: same,
    transposed: transposed,
    convolution: lambda x: x.transpose(3, 2, 0, 1),
    of_batch: lambda x: x[None],
    of_token: lambda x: x[None, None],
}


def _torch(theirs: str, ours: str, layers: dict):
    """Rows of layers, {our name: theirs}: of norms, and of dense layers with a bias."""
    for our, their in layers.items():
        norm = "norm" in our
        name, transform = ("scale", same) if norm else ("kernel", transposed)
        yield f"{theirs}{their}.weight", f"{ours}{our}/{name}", transform
        yield f"{theirs}{their}.bias", f"{ours}{our}/bias", same


def _flax(theirs: str, ours: str, layers: dict):
    """The same of a file whose arrays are Flax's."""
    for our, their in layers.items():
        name = "scale" if "norm" in our else "kernel"
        yield f"{theirs}{their}/{name}", f"{ours}{our}/{name}", same
        yield f"{theirs}{their}/bias", f"{ours}{our}/bias", same


# -- CLIP -------------------------------------------------------------------------------

_CLIP_BLOCK = {
    "attention/query": "self_attn.q_proj",
    "attention/key": "self_attn.k_proj",
    "attention/value": "self_attn.v_proj",
    "attention/out": "self_attn.out_proj",
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "mlp_in": "mlp.fc1",
    "mlp_out": "mlp.fc2",
}
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
    ("text_model.embeddings.token_embedding.weight", "text/token_embedding", same),
    (
        "text_model.embeddings.position_embedding.weight",
        "text/position_embedding",
        same,
    ),
    # The misspelling is the released models' own.
    *_torch(
        "vision_model.",
        "image/",
        {"pre_norm": "pre_layrnorm", "post_norm": "post_layernorm"},
    ),
    *_torch("text_model.", "text/", {"final_norm": "final_layer_norm"}),
    *_torch("vision_model.encoder.layers.{i}.", "image/blocks_{i}/", _CLIP_BLOCK),
    *_torch("text_model.encoder.layers.{i}.", "text/blocks_{i}/", _CLIP_BLOCK),
]
_OF_ONE_CHECKPOINT = (
    "the weights do not fit config.json",
    "use the two files of one checkpoint",
)
CLIP_LAYOUTS = [
    Layout(
        TABLE,
        (
            "text_model.embeddings.position_ids",
            "vision_model.embeddings.position_ids",
        ),
        *_OF_ONE_CHECKPOINT,
    )
]

# -- plain ViTs -------------------------------------------------------------------------

_VIT_BLOCK = {  # below `encoder.layer.{i}`: what is published, and what is saved today
    "attention/query": "attention.attention.query",
    "attention/key": "attention.attention.key",
    "attention/value": "attention.attention.value",
    "attention/out": "attention.output.dense",
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "mlp_in": "intermediate.dense",
    "mlp_out": "output.dense",
}
_VIT_BLOCK_IN_MEMORY = {  # below `layers.{i}`: transformers 5 names its modules so
    "attention/query": "attention.q_proj",
    "attention/key": "attention.k_proj",
    "attention/value": "attention.v_proj",
    "attention/out": "attention.o_proj",
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "mlp_in": "mlp.fc1",
    "mlp_out": "mlp.fc2",
}
_GOOGLE_BLOCK = {
    "attention/query": "MultiHeadDotProductAttention_1/query",
    "attention/key": "MultiHeadDotProductAttention_1/key",
    "attention/value": "MultiHeadDotProductAttention_1/value",
    "attention/out": "MultiHeadDotProductAttention_1/out",
    "norm1": "LayerNorm_0",
    "norm2": "LayerNorm_2",
    "mlp_in": "MlpBlock_3/Dense_0",
    "mlp_out": "MlpBlock_3/Dense_1",
}


def _vit(prefix: str, blocks: str, block: dict) -> Layout:
    """A ViT's layout in the Hugging Face layout; heads, pooler, decoder are not read."""
    embeddings = f"{prefix}embeddings."
    patches = f"{embeddings}patch_embeddings.projection"
    table = [
        (f"{embeddings}cls_token", "image/class_embedding", of_token),
        (f"{embeddings}position_embeddings", "image/position_embedding", of_batch),
        (f"{patches}.weight", "image/patch_embedding/kernel", convolution),
        (f"{patches}.bias", "image/patch_embedding/bias", same),
        *_torch(prefix, "image/", {"post_norm": "layernorm"}),
        *_torch(f"{prefix}{blocks}.{{i}}.", "image/blocks_{i}/", block),
    ]
    unread = (f"{prefix}pooler.", "classifier.", "decoder.", f"{embeddings}mask_token")
    return Layout(table, unread, *_OF_ONE_CHECKPOINT)


GOOGLE = Layout(
    [
        ("cls", "image/class_embedding", of_token),
        (
            "Transformer/posembed_input/pos_embedding",
            "image/position_embedding",
            of_batch,
        ),
        *_flax("", "image/", {"patch_embedding": "embedding"}),
        *_flax("Transformer/", "image/", {"post_norm": "encoder_norm"}),
        *_flax("Transformer/encoderblock_{i}/", "image/blocks_{i}/", _GOOGLE_BLOCK),
    ],
    ("pre_logits/", "head/"),
    "the arrays are not those of a plain ViT",
    "use one of Google's ViT files without a ResNet stem",
)
VIT_LAYOUTS = [
    _vit("", "encoder.layer", _VIT_BLOCK),
    _vit("vit.", "encoder.layer", _VIT_BLOCK),
    _vit("", "layers", _VIT_BLOCK_IN_MEMORY),
    _vit("vit.", "layers", _VIT_BLOCK_IN_MEMORY),
    GOOGLE,
]


def layouts_of(config) -> list[Layout]:
    """The layouts in which weights of this architecture are read, ours to write first."""
    return CLIP_LAYOUTS if config.text else VIT_LAYOUTS


def rows(config, layout: Layout | None = None):
    """Yields (tensor name, parameter path, transform) of every tensor of `config`."""
    layout = layout or layouts_of(config)[0]
    for name, path, transform in layout.table:
        if "{i}" not in name:
            yield name, path, transform
            continue
        tower = config.vision if path.startswith("image") else config.text
        for i in range(tower.num_hidden_layers):
            yield name.format(i=i), path.format(i=i), transform


def from_tensors(tensors: dict, config, shapes) -> dict:
    """The parameters that `tensors` hold, in the layout that knows most of their names.

    Args:
        tensors: arrays by their names in the file.
        shapes: the parameters' shapes, a tree of what has a `.shape`.

    Raises:
        UserError: for missing, unknown and mis-shaped tensors and for such as are no
            floating-point numbers, all of them at once.
    """
    wanted = flat(shapes)
    layout = layout_of(tensors, config)
    params, faults, known = {}, [], set()
    for name, path, transform in rows(config, layout):
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
        if tensors[name].dtype not in DTYPES:
            faults.append(f"{name} is quantised or no number ({tensors[name].dtype})")
            continue
        params[path] = transform(tensors[name])
    left = sorted(tensors.keys() - known)
    faults += [f"unknown {name}" for name in left if not name.startswith(layout.unread)]
    if faults and (told := foreign.in_names(tensors, known)):
        raise UserError(told)
    if faults:
        raise UserError(f"{layout.misfit}: {listed(faults, '; ')}; {layout.remedy}")
    return nested(params)


def layout_of(tensors, config) -> Layout:
    """The layout that knows most of the tensors' names."""

    def known(layout):
        return sum(name in tensors for name, _, _ in rows(config, layout))

    return max(layouts_of(config), key=known)


def names_of(tensors, config) -> dict[str, str]:
    """The tensors' names by the path of the parameter that each becomes."""
    layout = layout_of(tensors, config)
    return {path: name for name, path, _ in rows(config, layout)}


def to_tensors(params: dict, config) -> dict:
    """The tensors of `params` under the names of the file: `from_tensors` undone."""
    ours = flat(params)
    return {
        name: np.asarray(INVERSE[transform](np.asarray(ours[path])), order="C")
        for name, path, transform in rows(config)
    }


def flat(tree) -> dict:
    """Leaves by their path, "image/blocks_0/norm1/scale"."""
    return traverse_util.flatten_dict(tree, sep="/")


def nested(leaves: dict) -> dict:
    """The nested dict of leaves given by path: `flat` undone."""
    return traverse_util.unflatten_dict(leaves, sep="/")
