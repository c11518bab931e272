"""Zero-shot CLIP: the class whose text lies nearest to the image.

Radford et al. 2021, arXiv:2103.00020. With f the image's embedding and t_c the unit
text feature of class c (several prompts averaged):

    logit_c = s cos(t_c, f)

The templates are CoOp's, mostly one; the paper averages up to 80. Nothing is trained;
every other method equals this at its neutral setting.
"""

import dataclasses
from typing import ClassVar

from apt_jax.features.views import Views
from apt_jax.methods.base import Method


@dataclasses.dataclass(frozen=True)
class ZeroShot(Method):
    inputs: ClassVar[str] = "embedding"
    views: ClassVar[Views] = Views(0)  # nothing is trained
    names_new_classes: ClassVar[bool] = True
    differs: ClassVar = ("templates are CoOp's; the paper averages up to 80",)

    def fit(self, key, task, chosen):
        return {}
