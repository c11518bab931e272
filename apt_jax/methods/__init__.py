"""The methods, one file each; this table is the place where they are named."""

from apt_jax.errors import UserError, require_known
from apt_jax.fields import Field, fields_of, one_of
from apt_jax.methods.apt import APT
from apt_jax.methods.base import Method
from apt_jax.methods.clap import CLAP
from apt_jax.methods.clip_adapter import CLIPAdapter
from apt_jax.methods.clip_lora import CLIPLoRA
from apt_jax.methods.cocoop import CoCoOp
from apt_jax.methods.coop import CoOp
from apt_jax.methods.fine_tune import FineTune
from apt_jax.methods.gda import GDA
from apt_jax.methods.linear_probe import LinearProbe
from apt_jax.methods.lp_plus_plus import LPPlusPlus
from apt_jax.methods.maple import MaPLe
from apt_jax.methods.prompt_src import PromptSRC
from apt_jax.methods.task_res import TaskRes
from apt_jax.methods.tip_adapter import TipAdapter
from apt_jax.methods.vapt import VAPT
from apt_jax.methods.vpt import VPT
from apt_jax.methods.zero_shot import ZeroShot

METHODS = {
    "apt": APT,
    "clap": CLAP,
    "clip_adapter": CLIPAdapter,
    "clip_lora": CLIPLoRA,
    "cocoop": CoCoOp,
    "coop": CoOp,
    "fine_tune": FineTune,
    "gda": GDA,
    "linear_probe": LinearProbe,
    "lp_plus_plus": LPPlusPlus,
    "maple": MaPLe,
    "prompt_src": PromptSRC,
    "task_res": TaskRes,
    "tip_adapter": TipAdapter,
    "vapt": VAPT,
    "vpt": VPT,
    "zero_shot": ZeroShot,
}


def fields(name: str) -> dict[str, Field]:
    """What can be set of a method; raises `UserError` for unknown names."""
    require_known("method", name, METHODS)
    named = Field(name, "how CLIP is adapted", one_of(*METHODS))
    return {"name": named, **fields_of(METHODS[name])}


def make(name: str, **hyper_parameters) -> Method:
    """The method `name`; raises `UserError` for unknown names, its fields' too."""
    require_known("method", name, METHODS)
    for field in hyper_parameters:
        require_known(f"field of {name}", field, fields_of(METHODS[name]))
    return METHODS[name](**hyper_parameters)


def name_of(method: Method) -> str:
    """What a method is called in the table."""
    return next(name for name, cls in METHODS.items() if type(method) is cls)


def require_fit(method: Method, task) -> None:
    """Raises `UserError` if `method` cannot work on `task`; call it before encoding."""
    if method.needs_text and task.texts is None:
        without_text = [name for name, cls in METHODS.items() if not cls().needs_text]
        raise UserError(
            f"method {name_of(method)} reads class names, which a plain ViT without a "
            f"text tower cannot; choose one of {', '.join(without_text)} "
            "(`method`=NAME), or a CLIP (`clip`=NAME)"
        )
    method.check(task)
