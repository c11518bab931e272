"""How the small CLIP of the package came to be; nothing that is installed needs it."""
