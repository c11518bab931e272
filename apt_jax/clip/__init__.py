"""The frozen model: architecture, weights, tokens, pixels."""
