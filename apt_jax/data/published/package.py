"""Files that the installed tensorflow-datasets package carries; it is not imported."""

from importlib.util import find_spec
from pathlib import Path

from apt_jax.data.published.lists import lines


def package_file(path: str) -> Path:
    """The place of a file of the package."""
    spec = find_spec("tensorflow_datasets")
    return Path(spec.submodule_search_locations[0]) / path


def known_sizes(builder: str) -> dict[str, int]:
    """Bytes of the downloads that TFDS knows for a builder, by file name.

    Empty if there is no such builder. Its lists have a line a download: URL, size, hash,
    file name.
    """
    for path in (f"datasets/{builder}/checksums.tsv", f"url_checksums/{builder}.txt"):
        if (file := package_file(path)).is_file():
            rows = [line.split("\t") for line in lines(file)]
            return {name: int(size) for _, size, _, name in rows}
    return {}
