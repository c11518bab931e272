"""Adapts a frozen CLIP to a few labelled photographs: configuration in, run out.

    python train.py --config configs/quickstart.py
    python train.py --config configs/folder.py --config.data.root=PHOTOS --workdir DIR

The same command again finishes an unfinished run and re-prints a finished one.
"""

from apt_jax import config


def main(arguments: list[str]):
    if config.wants_help(arguments):
        print(config.help_text(__doc__, arguments))
        return
    settings, workdir = config.read(arguments)
    from apt_jax import experiment  # heavy: not before the settings are sound

    experiment.run(settings, workdir or f"runs/{config.run_name(settings)}")
