"""The frozen model, CLIP or a plain ViT: architecture, weights, tokens, pixels."""
