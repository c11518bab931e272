"""What adaptive prompts gain as the classes spread: one knob turned, all else equal.

    python -m apt_jax study controlled --config configs/studies/controlled_variance.py
        [--workdir DIR]

The paper of APT says that it pays where variance within classes is large. On the drawn
aircraft `data.variance` sets that alone. At each of `study.levels` levels from 0 to 1 and
each of `study.seeds` seeds: zero-shot CLIP, every method of `study.rivals` and the
configured method, trained on the same shots and judged on the same test images, and the
analysis of variance of those images' embeddings.

It is a grid (python -m apt_jax grid): a cell is a file in cells/, written when it is done,
and is not computed again. At the end: what every grid writes, controlled.json,
controlled.md and figures/controlled.png.
"""

from apt_jax.commands.configured import asked

EXAMPLE = "configs/studies/controlled_variance.py"
NEEDED = ("study.levels", "study.seeds", "study.rivals", "study.permutations")


def main(arguments: list[str]):
    if found := asked(arguments, __doc__, "controlled-", NEEDED, EXAMPLE):
        from apt_jax.studies import controlled  # heavy: not before settings are sound

        controlled.run(*found, arguments)
