"""How what methods gain follows the variance of the data sets, of a finished grid.

    python -m apt_jax study follow --grid DIR [--per-class=N] [--permutations=999]

For each data set of the grid: the analysis of variance of its test images' embeddings
(`metrics.variance`), as many images of each class in every set, beside the gain of each
method over zero-shot CLIP with its prompts, the mean over seeds of paired differences.
Then, of each method, the rank correlation of gain and spread (intra / inter) over the sets.
Where test images are drawn by the seed, those of the grid's first seed are analysed.

Nothing is trained; what the grid encoded is read from the feature cache. Start it where
the grid was started, for the same places. Writes follow.json and follow.md into DIR.
"""

from apt_jax import command


def main(arguments: list[str]):
    options = read(arguments)
    from apt_jax.studies import follow  # heavy: not before the command line is sound

    follow.run(options.grid, options.per_class, permutations=options.permutations)


def read(arguments):
    parser = command.Arguments("study follow", __doc__)
    parser.add_argument("--grid", metavar="DIR", required=True)
    parser.add_argument("--per-class", metavar="N", type=at_least(2))
    parser.add_argument("--permutations", metavar="P", type=at_least(1), default=999)
    return parser.parse_args(arguments)


def at_least(least):
    """Reads a whole number that is no smaller."""

    def whole_number(text):
        if int(text) < least:
            raise ValueError(text)
        return int(text)

    return whole_number
