"""The protocol card: all that a reader needs to trust, or to repeat, a figure."""

import functools
import importlib.metadata
import platform
import subprocess
from pathlib import Path

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "pillow")


def protocol_card(**parts) -> dict:
    """`parts` of a run with versions, device and commit."""
    return {**parts, **made_by(), "commit": commit()}


def made_by() -> dict:
    """Versions and device."""
    return {"versions": versions(), "device": device()}


@functools.cache
def versions() -> dict[str, str]:
    """Of Python and of the packages that numbers depend on."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


def device() -> str:
    """What the run computes on, in words."""
    import jax

    first = jax.devices()[0]
    return f"{jax.device_count()} x {first.platform} {first.device_kind}"


@functools.cache  # of the code that runs, whatever the checkout becomes
def commit() -> str | None:
    """The commit of the checkout that this package runs from, if it is one."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=root,
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
