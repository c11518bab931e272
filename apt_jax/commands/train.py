"""Adapts a frozen CLIP to a few labelled photographs: configuration in, run out.

    python train.py --config configs/quickstart.py
    python train.py --config configs/folder.py --config.data.root=PHOTOS --workdir DIR

The same command again finishes an unfinished run and re-prints a finished one.
"""

from apt_jax.commands.configured import asked


def main(arguments: list[str]):
    if found := asked(arguments, __doc__):
        from apt_jax.runs import story  # heavy: not before the settings are sound

        story.run(*found)
