"""python -m apt_jax COMMAND."""

import sys

from apt_jax import command, commands

if __name__ == "__main__":
    sys.exit(command.run(commands.main))
