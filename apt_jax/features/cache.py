"""Where frozen outputs are kept on disk; `features.store` says in which form."""

from pathlib import Path

USUAL = "~/.cache/apt_jax"
FORMAT = 3  # counts changes of what is stored under equal keys
KNOWN_GOOD = "decoded-2.txt"  # another number where formats are no longer read


def location(cache_dir: str) -> Path | None:
    """The folder of the frozen outputs; None for an empty `cache_dir` (no cache)."""
    return Path(cache_dir).expanduser() / "features" if cache_dir else None


def known_good_file(cache_dir: str) -> Path | None:
    """Where hashes of images that once decoded are remembered (`data.scan`)."""
    return Path(cache_dir).expanduser() / KNOWN_GOOD if cache_dir else None
