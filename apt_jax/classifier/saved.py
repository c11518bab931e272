"""A classifier as files: safetensors and JSON. Nothing else is needed but the backbone.

    FOLDER/classifier.json            names, method, what it chose, backbone by hash, card
           parameters.safetensors     what was fitted
           texts.safetensors          the class texts: no text tower runs to load them

JSON is written last and has the hashes of the others: a folder is whole or is refused.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from apt_jax import methods
from apt_jax.classifier.classifier import Classifier
from apt_jax.clip import checkpoint
from apt_jax.errors import UserError
from apt_jax.files import read_json, sha256_of_file, telling, write_bytes, write_json
from apt_jax.methods.task import Task, Texts
from apt_jax.places import (
    CHECKPOINTS,
    first_there,
    folder_of,
    require_own,
    require_there,
    whole,
)
from apt_jax.training.fitted import Fitted

FORMAT = 1
HOLDS = "a saved classifier"
FILES = ("classifier.json", "parameters.safetensors", "texts.safetensors")
NAME = FILES[0]
REMEDY = "restore the folder from a copy, or fit the classifier again"
LAYOUT = {
    "format": int,
    "classes": [str],
    "method": {"name": str, "fields": dict},
    "chosen": dict,
    "members": int,
    "sampling": {"seed": int, "samples": int},
    "backbone": {"name": str, "place": str, "sha256": str, "dtype": str},
    "files": {"parameters": str, "texts": str},
    "card": dict,
}


def save(classifier: Classifier, folder) -> None:
    """Writes a classifier into a folder, over one that is there."""
    task, fitted = classifier.task, classifier.fitted
    folder = folder_of(folder, HOLDS)
    require_own(folder, (*FILES, *CHECKPOINTS), HOLDS)
    parameters = {json.dumps(k): v for k, v in flatten_dict(fitted.params).items()}
    texts = {} if task.texts is None else vars(task.texts)
    tensors = {"parameters": parameters, "texts": texts | {"scale": task.logit_scale}}
    clip = task.backbone
    content = {
        "format": FORMAT,
        "classes": classifier.classes,
        "method": {
            "name": methods.name_of(fitted.method),
            "fields": dataclasses.asdict(fitted.method),
        },
        "chosen": dict(fitted.chosen),
        "members": fitted.members,
        "sampling": {"seed": classifier.seed, "samples": classifier.samples},
        "backbone": {
            **clip.identity,
            "place": clip.name if clip.name == "tiny" else whole(clip.name),
        },
        "files": {name: _write(folder, name, of) for name, of in tensors.items()},
        "card": dict(classifier.card),
    }
    write_json(folder / NAME, content)


def load(folder, *, clip: str | None = None) -> Classifier:
    """The classifier in a folder; `clip` says where its backbone is now.

    Raises:
        UserError: if there is none, if it is damaged, or if its backbone is not there.
    """
    folder = folder_of(folder, HOLDS)
    content = read_json(folder / NAME, LAYOUT, REMEDY)
    if content["format"] > FORMAT:
        raise UserError(f"{folder} was saved by a newer version; load it with that one")
    tensors = {name: _read(folder, name, sha) for name, sha in content["files"].items()}
    of_texts = dict(tensors["texts"])
    scale = of_texts.pop("scale")
    task = Task(
        backbone=backbone(content["backbone"], folder, clip),
        texts=Texts(**of_texts) if of_texts else None,
        logit_scale=scale,
        names=tuple(content["classes"]),
    )
    fields = {k: _tuple(v) for k, v in content["method"]["fields"].items()}
    params = {tuple(json.loads(k)): v for k, v in tensors["parameters"].items()}
    fitted = Fitted(
        methods.make(content["method"]["name"], **fields),
        content["chosen"],
        unflatten_dict(params),
        content["members"],
    )
    return Classifier(task, fitted, **content["sampling"], card=content["card"])


def backbone(wanted: dict, folder: Path, place: str | None = None):
    """The frozen model that a classifier was fitted on, found and verified.

    Raises:
        UserError: if it is not there, or is another one.
    """
    beside = [str(above / wanted["name"]) for above in folder.absolute().parents]
    places = [place] if place else [wanted["place"], wanted["name"], *beside]
    if places[0] == "tiny":
        places = ["tiny"]  # the one in the package, whatever is called so
    there = first_there(places)
    require_there(there, "`clip`")
    found = checkpoint.load(
        there, revision=wanted.get("revision"), dtype=wanted["dtype"]
    )
    require_same(found, wanted["sha256"], f"the classifier in {folder}")
    return found


def require_same(clip, sha256: str, what: str):
    """Refuses a backbone whose weights are others."""
    if clip.sha256 != sha256:
        raise UserError(
            f"{clip.name} is another backbone than that of {what}: the SHA-256 of its "
            f"weights is {clip.sha256[:12]}..., not {sha256[:12]}...; name the original's "
            "place with `clip`, or fit again"
        )


def _write(folder, name, arrays) -> str:
    """Writes tensors; returns the hash of the file."""
    from safetensors.numpy import save

    tensors = {key: np.array(x, order="C") for key, x in arrays.items()}
    data = save(tensors)
    write_bytes(folder / f"{name}.safetensors", data)
    return hashlib.sha256(data).hexdigest()


def _read(folder, name, sha256) -> dict[str, jax.Array]:
    from safetensors.numpy import load_file

    path = folder / f"{name}.safetensors"
    with telling("read", path, REMEDY):
        if sha256_of_file(path) != sha256:
            raise UserError(f"{path} is damaged (it is not what was saved); {REMEDY}")
        return {key: jnp.asarray(array) for key, array in load_file(path).items()}


def _tuple(value):
    return tuple(value) if isinstance(value, list) else value
