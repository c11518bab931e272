"""The command `eval` of a checkout: see apt_jax/commands/evaluate.py."""

import sys

from apt_jax import command
from apt_jax.commands import evaluate

if __name__ == "__main__":
    sys.exit(command.run(evaluate.main))
