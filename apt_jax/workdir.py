"""A work directory: which run it belongs to, how far it came, what it left.

The layout is in docs/design.md. `results.json` is written last: a directory that has it
is finished, one that has only `asked.json` is not.
"""

import fnmatch
import json
import os
from pathlib import Path

from apt_jax import config as configuration
from apt_jax.errors import UserError
from apt_jax.files import write_json, write_text
from apt_jax.names import storable

IGNORED = ("features.cache_dir",)  # may differ between two starts of one run


class Workdir:
    """The files of one run."""

    def __init__(self, folder):
        self.folder = Path(folder)
        require_name(self.folder)
        self.checkpoints = self.folder / "checkpoints"
        self.metrics = self.folder / "metrics.jsonl"
        self.figures = self.folder / "figures"
        self.predictions = self.folder / "predictions.csv"

    @property
    def finished(self) -> bool:
        return (self.folder / "results.json").exists()

    def predictions_of(self, part: str) -> Path:
        """The predictions of the classes met after training, or of a shifted split."""
        return self.folder / f"predictions_{part}.csv"

    @property
    def begun(self) -> bool:
        """Whether a run here has written down what it is."""
        return (self.folder / "protocol.json").exists()

    def read(self, name: str):
        """The content of one of the run's JSON files."""
        return json.loads(self.read_text(name))

    def read_text(self, name: str) -> str:
        """The text of one of the run's files; raises `UserError` if it is missing."""
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise UserError(
                f"{self.folder} holds no finished run ({name} is missing); train one "
                f"with: python train.py --config CONFIG --workdir {self.folder}"
            ) from None

    def write(self, name: str, value):
        write_json(self.folder / name, value)

    def claim(self, config):
        """Takes the directory for a run of `config`; finds it taken by the same or new.

        Raises:
            UserError: if it holds a run of another configuration (every differing
                field is named), or things that are no run at all.
        """
        if not (self.folder / "asked.json").exists():
            if self.folder.is_dir() and any(self.folder.iterdir()):
                raise UserError(
                    f"{self.folder} is not empty and holds no run; choose another "
                    "--workdir, or empty it"
                )
            return
        asked = configuration.from_json(
            (self.folder / "asked.json").read_text(encoding="utf-8")
        )
        differing = [
            line
            for line in configuration.differences(asked, config)
            if not line.startswith(IGNORED)
        ]
        if differing:
            raise UserError(
                f"{self.folder} holds another run ({'; '.join(differing)}); choose "
                "another --workdir, or repeat the command that made it"
            )

    def settle(self, config):
        """Writes down which configuration was asked for: from here on it is taken."""
        write_text(self.folder / "asked.json", configuration.to_json(config))

    def as_begun(self, config):
        """`config` with the backbone that an unfinished run here has begun with.

        What "auto" means, and which commit a hub name has, may change between two
        starts; a run that goes on must not.
        """
        if not (self.folder / "config.json").exists():
            return config
        begun = configuration.from_json(self.read_text("config.json"))
        config = configuration.from_json(configuration.to_json(config))
        config.clip.dtype = begun.clip.dtype
        with config.ignore_type():
            config.clip.revision = begun.clip.revision
        return config

    def read_metrics(self) -> list[dict]:
        """The lines of metrics.jsonl; one that a killed run left unfinished is dropped."""
        if not self.metrics.exists():
            return []
        whole = self.metrics.read_text(encoding="utf-8").split("\n")[:-1]
        return [json.loads(line) for line in whole]

    def keep_metrics(self, epoch: int):
        """Drops lines after `epoch`, which a resumed run writes again."""
        kept = [line for line in self.read_metrics() if line["epoch"] <= epoch]
        write_text(self.metrics, "".join(json.dumps(line) + "\n" for line in kept))

    def add_metrics(self, line: dict):
        with open(self.metrics, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())


def require_name(folder: Path):
    """Refuses names that Orbax cannot write to, or reads as a pattern for other names."""
    path = folder.absolute()
    is_pattern = any(not fnmatch.fnmatchcase(part, part) for part in path.parts)
    if is_pattern or storable(str(path)) != str(path):
        raise UserError(
            f"no checkpoint can be kept in {path}: its name has [brackets] or is not "
            "UTF-8; choose another --workdir"
        )
