"""Arrays in, numbers out; knows nothing of CLIP. NumPy in float64, on the host."""

from apt_jax.metrics.base_new import base_to_new
from apt_jax.metrics.entropy import entropy
from apt_jax.metrics.figures import FIGURES, figures_of
from apt_jax.metrics.outcomes import Outcomes

__all__ = ["FIGURES", "Outcomes", "base_to_new", "entropy", "figures_of"]
