"""The methods, one file each; this table is the place where they are named."""

import dataclasses

from apt_jax.errors import UserError
from apt_jax.methods.apt import APT
from apt_jax.methods.base import Method
from apt_jax.methods.clap import CLAP
from apt_jax.methods.clip_adapter import CLIPAdapter
from apt_jax.methods.coop import CoOp
from apt_jax.methods.gda import GDA
from apt_jax.methods.linear_probe import LinearProbe
from apt_jax.methods.lp_plus_plus import LPPlusPlus
from apt_jax.methods.task_res import TaskRes
from apt_jax.methods.tip_adapter import TipAdapter
from apt_jax.methods.zero_shot import ZeroShot

METHODS = {
    "apt": APT,
    "clap": CLAP,
    "clip_adapter": CLIPAdapter,
    "coop": CoOp,
    "gda": GDA,
    "linear_probe": LinearProbe,
    "lp_plus_plus": LPPlusPlus,
    "task_res": TaskRes,
    "tip_adapter": TipAdapter,
    "zero_shot": ZeroShot,
}


def make(name: str, **hyper_parameters) -> Method:
    """The method `name`; raises `UserError` for unknown names."""
    if name not in METHODS:
        raise UserError(
            f"unknown method {name!r}; choose one of {sorted(METHODS)}, or add yours "
            "to METHODS in apt_jax/methods/__init__.py"
        )
    return METHODS[name](**hyper_parameters)


def require_fit(method: Method, task) -> None:
    """Raises `UserError` if `method` cannot work on `task`; call it before encoding."""
    if method.needs_text and task.text is None:
        names = [name for name, cls in METHODS.items() if type(method) is cls]
        raise UserError(
            f"method {', '.join(names)} reads class names, which a plain ViT without a "
            f"text tower cannot; choose one of {', '.join(_without_text())} "
            "(--config.method.name=NAME), or a CLIP (--config.clip.checkpoint=NAME)"
        )
    method.check(task)


def _without_text():
    """The methods whose head is linear, or can be."""
    for name, method in METHODS.items():
        if not method().needs_text:
            yield name
        elif "head" in {field.name for field in dataclasses.fields(method)}:
            yield f"{name} with --config.method.head=linear"
