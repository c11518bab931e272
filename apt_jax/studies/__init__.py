"""Studies of the papers' questions, each run by a command; runs and grids are elsewhere."""
