"""Judges a finished run again, with other evaluation settings.

    python eval.py --workdir DIR [--config.eval.samples=100] [--config.eval.bins=15]

Rewrites results.json, predictions.csv and the figures; nothing is trained. Where the
run's own files were moved, --config.clip.checkpoint, --config.data.root,
--config.data.split_file and --config.data.class_names say where they are now.
"""

from apt_jax import config, usage
from apt_jax.fields import defaults

FIELDS = {k: field for k, field in config.COMMON.items() if k.startswith("eval.")}


def main(arguments: list[str]):
    if config.wants_help(arguments):
        print(f"{__doc__.strip()}\n\n{usage.listed(FIELDS, defaults(FIELDS))}")
        return
    asked = config.eval_overrides(arguments)
    from apt_jax.runs import story  # heavy: not before the settings are sound

    story.evaluate_again(*asked)
