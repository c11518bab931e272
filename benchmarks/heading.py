"""The line on top of every benchmark: device, versions, commit, settings."""

import os
import platform
import subprocess
from pathlib import Path

import jax


def heading(options) -> str:
    """Where and of what a figure was measured, so that it can be measured again."""
    device = jax.devices()[0]
    settings = " ".join(f"{name}={value}" for name, value in vars(options).items())
    return (
        f"device {device.platform} {device.device_kind} ({processor()}, "
        f"{os.cpu_count()} cores)  jax {jax.__version__}  commit {commit()}\n{settings}"
    )


def processor() -> str:
    """The processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """The checkout's commit, marked when files differ from it."""
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return found.stdout.strip() or "unknown"
