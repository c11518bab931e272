"""Arrays in, numbers out; knows nothing of CLIP. NumPy in float64, on the host."""

from apt_jax.metrics.base_new import base_to_new, harmonic_mean
from apt_jax.metrics.calibration import (
    Bins,
    bin_by_confidence,
    expected_calibration_error,
)
from apt_jax.metrics.entropy import entropy
from apt_jax.metrics.figures import FIGURES, figures_of
from apt_jax.metrics.scores import Scores

__all__ = [
    "FIGURES",
    "Bins",
    "Scores",
    "base_to_new",
    "bin_by_confidence",
    "entropy",
    "expected_calibration_error",
    "figures_of",
    "harmonic_mean",
]
