"""Samples of any method become a mean prediction and the entropies around it."""
