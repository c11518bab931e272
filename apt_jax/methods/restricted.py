"""A trained method that tells only some of its classes apart.

A shifted test set may hold fewer classes than the method was trained for (200 of 1,000 in
ImageNet-A and -R, Hendrycks et al. 2021, arXiv:1907.07174 and 2006.16241) and is judged
among those. The logits of the others are left out before the softmax, in every
sample, which works for methods whose parameters belong to classes too.
"""

import dataclasses

import jax.numpy as jnp

from apt_jax.methods.base import Method


@dataclasses.dataclass(frozen=True)
class Restricted(Method):
    """`method`, the classes in `labels` alone, in that order."""

    method: Method
    labels: tuple[int, ...]

    inputs = property(lambda self: self.method.inputs)
    token_source = property(lambda self: self.method.token_source)
    runs_tower = property(lambda self: self.method.runs_tower)
    stochastic = property(lambda self: self.method.stochastic)
    stochastic_classes = property(lambda self: self.method.stochastic_classes)

    def preprocessing(self, clip):
        return self.method.preprocessing(clip)

    def classes(self, params, task, *, key=None):
        return self.method.classes(params, task, key=key)

    def logits(self, params, task, classes, image, *, key=None):
        logits = self.method.logits(params, task, classes, image, key=key)
        return logits[jnp.array(self.labels)]
