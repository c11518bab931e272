"""Adapts a frozen CLIP to a few labelled photographs: configuration in, run out.

    python train.py --config configs/quickstart.py
    python train.py --config configs/folder.py --config.data.root=PHOTOS --workdir DIR

The same command again finishes an unfinished run and re-prints a finished one.
"""

import sys

from apt_jax import command, config


def main(argv):
    if config.wants_help(argv):
        print(config.help_text(__doc__, argv))
        return
    settings, workdir = config.read(argv)
    from apt_jax import experiment  # heavy: not before the settings are sound

    experiment.run(settings, workdir or f"runs/{config.run_name(settings)}")


if __name__ == "__main__":
    sys.exit(command.run(main))
