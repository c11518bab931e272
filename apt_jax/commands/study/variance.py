"""How far the classes of a data set lie apart in CLIP's eyes, against how far they spread.

    python -m apt_jax study variance --config configs/studies/variance.py
        [--config.data.source=folder --config.data.root=PHOTOS] [--workdir DIR]

Encodes a split with the frozen tower, makes the embeddings unit and writes variance.json
(`metrics.variance.analysis`), variance.md and figures/variance.png. The same command
again prints what was found. F grows with the number of images: compare data sets with
`study.per_class` alike.
"""

from apt_jax.commands.configured import asked

EXAMPLE = "configs/studies/variance.py"
NEEDED = ("study.split", "study.per_class", "study.permutations")


def main(arguments: list[str]):
    if found := asked(arguments, __doc__, "variance-", NEEDED, EXAMPLE):
        from apt_jax.studies import variance  # heavy: not before the settings are sound

        variance.run(*found)
