"""The studies, by name: python -m apt_jax study NAME."""

from apt_jax.commands import Command, dispatch

STUDIES = {
    "variance": Command(
        "apt_jax.studies.variance", "how far classes lie apart, and how far they spread"
    ),
    "controlled": Command(
        "apt_jax.studies.controlled", "what adaptive prompts gain as classes spread"
    ),
    "follow": Command(
        "apt_jax.studies.follow", "how gains in a grid follow the variance of its sets"
    ),
}


def main(arguments: list[str]):
    return dispatch(arguments, "study", STUDIES, "study NAME")
