"""Judges a finished run anew, with other evaluation settings.

    python eval.py --workdir DIR [--config.eval.samples=100] [--config.eval.bins=15]

Rewrites results.json, predictions.csv and the figures; nothing is trained. Where the
run's own files were moved, --config.clip.checkpoint, --config.data.root,
--config.data.split_file and --config.data.class_names say where they are now.
"""

import sys

from apt_jax import command, config


def main(argv):
    if config.wants_help(argv):
        print(__doc__)
        return
    asked = config.eval_overrides(argv)
    from apt_jax import experiment  # heavy: not before the settings are sound

    experiment.evaluate_again(*asked)


if __name__ == "__main__":
    sys.exit(command.run(main))
