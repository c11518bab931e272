"""A fitted model: made of images and labels in memory, ready to predict, saved, loaded."""

from apt_jax.classifier.classifier import Classifier
from apt_jax.classifier.fitting import fit, prepare
from apt_jax.classifier.saved import load, save

__all__ = ["Classifier", "fit", "load", "prepare", "save"]
