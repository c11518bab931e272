"""Prints the recipe of every method, as Markdown.

python -m apt_jax recipes > docs/recipes.md
"""

from apt_jax import command


def main(arguments: list[str]):
    command.Arguments("recipes", __doc__).parse_args(arguments)
    from apt_jax.report import recipes  # heavy: methods

    print(recipes.document(), end="")
