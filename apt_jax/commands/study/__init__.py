"""The studies, by name: python -m apt_jax study NAME."""

from apt_jax.commands import dispatch

STUDIES = {
    "variance": "how far classes lie apart, and how far they spread",
    "controlled": "what adaptive prompts gain as classes spread",
    "follow": "how gains in a grid follow the variance of its sets",
}


def main(arguments: list[str]):
    return dispatch(arguments, "study", STUDIES, "study NAME", __name__)
