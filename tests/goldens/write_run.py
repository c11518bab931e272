"""Writes run_COMMIT.zip: a work directory as a commit left it, and its photographs.

    git worktree add ../edd7b19 edd7b19
    PYTHONPATH=. python tests/goldens/write_run.py ../edd7b19

There is one of each format: edd7b19 has no checkpoints.json, 1254c67 has one, 419d459 has
classifier/ too.

The photographs are drawn by the package, the backbone is its small CLIP. The run names
them by a relative path, because such runs are out there. Figures are left out.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from apt_jax.data.synthetic.scene import render
from apt_jax.data.synthetic.variants import VARIANTS

CLASSES = {0: "alder", 12: "cedar"}  # which variant a folder shows
FIELDS = {
    "data.root": "photos",
    "clip.checkpoint": "tiny",
    "clip.dtype": "float32",
    "features.cache_dir": "",
    "method.name": "clip_adapter",
    "method.reduction": 16,
    "method.drop_hidden": 0.1,
    "shots": 2,
    "augment.views": 2,
    "augment.area": 0.5,
    "train.epochs": 3,
    "eval.samples": 3,
}


def main(checkout):
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        draw(place / "photos")
        fields = [f"--config.{name}={value}" for name, value in FIELDS.items()]
        program, settings = (checkout / "train.py", checkout / "configs/folder.py")
        command = [sys.executable, program, "--config", settings, *fields]
        environment = {"PYTHONPATH": str(checkout), "JAX_PLATFORMS": "cpu"}
        subprocess.run(
            [*command, "--workdir", "run"], cwd=place, env=environment, check=True
        )
        settings = place / "run/config.json"  # its whole path is of this machine alone
        settings.write_text(settings.read_text().replace(f"{place}/", ""))
        pack(place, Path(__file__).parent / f"run_{checkout.name}.zip")


def draw(root):
    for variant, name in CLASSES.items():
        for split in ("train", "test"):
            for number in range(2):
                chance = np.random.default_rng([variant, number, split == "test"])
                path = root / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(render(VARIANTS[variant], chance, 0.5, 48)).save(path)


def pack(place, archive):
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(place.rglob("*")):
            if path.is_file() and "figures" not in path.parts:
                file.write(path, path.relative_to(place))


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
