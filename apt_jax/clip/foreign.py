"""What lies in a folder, or in a file of weights, that is no checkpoint in our layout.

Told by the names of files or tensors: what it is, and what to do.
"""

import fnmatch
import os
from collections.abc import Iterable
from pathlib import Path

CONVERT = (
    "load it with the library that wrote it and convert it to the Hugging Face layout"
)
MERGE = (
    "load adapter and backbone with peft, merge_and_unload() them and save_pretrained() "
    "the result"
)
ANOTHER = (
    "name the same model in the Hugging Face layout, such as "
    "laion/CLIP-ViT-B-32-laion2B-s34B-b79K, or convert it"
)
PICKLE = "a pickle of torch, which may run programs and is never read"
SAFETENSORS = (
    "load it with transformers and save_pretrained() it, which writes safetensors"
)
BY_FILE = (  # the first that a name fits tells
    ("adapter_config.json", "a PEFT adapter without its backbone", MERGE),
    ("adapter_model.*", "a PEFT adapter without its backbone", MERGE),
    ("open_clip_*", "a checkpoint of open_clip", ANOTHER),
    (
        "model_index.json",
        "a pipeline of diffusers, which holds no CLIP with both towers",
        "name the CLIP that it was made with, such as openai/clip-vit-large-patch14",
    ),
    ("modules.json", "a model of sentence-transformers", "name the CLIP inside it"),
    ("pytorch_model*.bin", PICKLE, SAFETENSORS),
    *((f"*.{end}", PICKLE, CONVERT) for end in ("bin", "pt", "pth", "ckpt", "pkl")),
    ("flax_model*.msgpack", "a model of transformers for Flax", SAFETENSORS),
    ("tf_model*.h5", "a model of transformers for TensorFlow", SAFETENSORS),
    ("*.onnx", "a model in ONNX", "name the model that it was exported from"),
    ("*.gguf", "a model in GGUF", "name the model that it was quantised from"),
)
BY_TENSOR = (
    ("lora_", "hold a PEFT adapter", MERGE),
    ("visual.transformer.resblocks.", "have open_clip's names", ANOTHER),
    ("visual.trunk.", "have open_clip's names", ANOTHER),
    ("blocks.0.attn.qkv.", "have timm's names", "name a ViT of transformers"),
    ("quant_state", "are quantised by bitsandbytes", "save the model unquantised"),
)
PREFIXES = {
    "_orig_mod.": "torch.compile",
    "module.": "torch's DataParallel",
    "base_model.model.": "PEFT",
}


def in_folder(folder: Path, names: Iterable[str]) -> str:
    """What a folder without a checkpoint is, and what to do; nothing if that is unknown.

    Args:
        names: of what is in it.
    """
    names = sorted(names)
    below = [name for name in names if os.path.isfile(folder / name / "config.json")]
    inside = f" (in it is {', '.join(below)})" if below else ""
    for pattern, what, remedy in BY_FILE:
        if found := fnmatch.filter(names, pattern):
            return f"{folder} holds {found[0]}, {what}; {remedy}{inside}"
    if below:
        return f"{folder} is no checkpoint; name one of the folders in it{inside}"
    return ""


def in_names(tensors: Iterable[str], known: set[str]) -> str:
    """What tensors are that have other names than the `known` ones; and what to do."""
    tensors = list(tensors)
    for part, what, remedy in BY_TENSOR:
        if any(part in name for name in tensors):
            return f"the weights {what}; {remedy}"
    if prefix := prefix_of(tensors, known):
        wrapped = [by for part, by in PREFIXES.items() if part in prefix]
        by = f", as {' and '.join(wrapped)} writes them" if wrapped else ""
        return (
            f"all names of the weights begin with {prefix!r}{by}; save the model that is "
            "wrapped with save_pretrained, or take that off the names"
        )
    return ""


def prefix_of(tensors: list[str], known: set[str]) -> str:
    """What stands before most of the known names; nothing if there is no such thing."""
    longest = max(known, key=len)
    for name in tensors:
        if name.endswith(longest) and name != longest:
            prefix = name.removesuffix(longest)
            if sum(prefix + one in tensors for one in known) > len(known) / 2:
                return prefix
    return ""
