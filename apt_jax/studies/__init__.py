"""Studies of the papers' questions, each one command; runs and grids are elsewhere."""
