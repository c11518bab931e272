"""Whether two split files, or two work directories, used the same images.

    python -m apt_jax compare A B [--root_a=IMAGES] [--root_b=IMAGES] [--format=json]

A and B are split files of CoOp's layout or directories of runs, in any mixture. A run knows
the SHA-256 of its images; a split file only names them, so with its folder of images given
they are hashed too. Compared are, split by split, paths, contents and labels (as class
names, since numbers may differ), and the order, because the few-shot sampler depends on
it; and whether images that one trains on are test images of the other.
"""

from apt_jax import command
from apt_jax.files import json_text


def main(arguments: list[str]) -> int:
    options = read(arguments)
    from apt_jax.data.compare import compared, images_of  # heavy: numpy
    from apt_jax.report.comparison import text

    a = images_of(options.a, options.root_a)
    b = images_of(options.b, options.root_b)
    found = compared(a, b)
    if options.format == "json":
        print(json_text(found, command.encoding()), end="")
    else:
        print(text(found))
    return 0


def read(arguments):
    parser = command.Arguments("compare", __doc__)
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument("--root_a", help="the images of the split file A")
    parser.add_argument("--root_b", help="the images of the split file B")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    return parser.parse_args(arguments)
