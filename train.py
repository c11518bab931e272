"""The command `train` of a checkout: see apt_jax/commands/train.py."""

import sys

from apt_jax import command
from apt_jax.commands import train

if __name__ == "__main__":
    sys.exit(command.run(train.main))
