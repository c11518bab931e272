"""Frozen outputs of CLIP, computed once and kept."""
