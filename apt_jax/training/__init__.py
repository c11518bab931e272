"""Optimiser, schedules, the loop, checkpoints."""
