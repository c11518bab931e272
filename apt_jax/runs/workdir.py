"""A work directory: which run it belongs to, how far it came, what it left.

LAYOUTS has the layouts of its JSON files. `results.json` is written last: a directory
that has it is finished, one that has only `asked.json` is not.

What a run is made of is known by content: `protocol.json` and `split.json` have the
hashes. Where it lies is a hint: `config.json` has the places as they were, whole.
"""

import json
from pathlib import Path

from apt_jax import config as configuration
from apt_jax import lock
from apt_jax.config import PLACES, RECIPES
from apt_jax.errors import UserError
from apt_jax.files import parse_json, read_text, write_json
from apt_jax.places import first_there
from apt_jax.training.checkpoints import require_name
from apt_jax.training.log import Log

IGNORED = ("features.cache_dir",)  # may differ between two starts of one run
NUMBER = (int, float)
SETTINGS = {
    "seed": int,
    "shots": NUMBER,
    "protocol": str,
    "clip": {"checkpoint": str, "revision": (str, type(None)), "dtype": str},
    "features": {"cache_dir": str},
    "augment": dict,
    "data": {"source": str, "root": str, "name": str, "templates": [str]},
    "method": {"name": str},
    "train": dict,
    "eval": {"samples": int, "bins": int},
}
CARD = {
    "backbone": {"sha256": str},
    "protocol": {"name": str},
    "selected_by": str,
}
ROW = {  # what rows of every version have; figures that came since may be missing
    "name": str,
    "split": str,
    "classes": str,
    "samples": (int, type(None)),
    **dict.fromkeys(("accuracy", "nll", "brier", "ece"), NUMBER),
    **dict.fromkeys(("predictive_entropy", "mutual_information"), NUMBER),
}
IMAGES = [list]  # [path, label, hash]
LAYOUTS = {
    "asked.json": SETTINGS | {"recipes?": int},
    "config.json": SETTINGS,
    "protocol.json": CARD,
    "classes.json": [str],
    "new_classes.json": [str],
    "split.json": {"train": IMAGES, "val": IMAGES, "test": IMAGES},
    "results.json": {
        "protocol": CARD,
        "evaluations": [ROW],
        "base_to_new?": dict,
        "cost": dict,
    },
}
REMEDY = "restore it from a copy, or train again in another --workdir"
AGAIN = "remove it and repeat the command, which computes it again"
# Files that can be had again.
REMEDIES = {
    "results.json": "remove it and repeat the command that made the run: what was "
    "trained is in its checkpoint",
}


class Workdir:
    """The files of one run."""

    def __init__(self, folder):
        self.folder = Path(folder).expanduser()
        self.checkpoints = self.folder / "checkpoints"
        require_name(self.checkpoints)
        self.log = Log(self.folder / "metrics.jsonl")
        self.figures = self.folder / "figures"
        self.classifier = self.folder / "classifier"

    @property
    def finished(self) -> bool:
        return (self.folder / "results.json").exists()

    def predictions_of(self, part: str) -> Path:
        """The predictions of a part of the test (`runs.parts.Part.file`)."""
        return self.folder / f"predictions{part}.csv"

    @property
    def begun(self) -> bool:
        """Whether a run here has written down what it is."""
        return (self.folder / "protocol.json").exists()

    def read(self, name: str, layout=None):
        """The content of one of the run's JSON files.

        Of a study's, with its layout; they can be computed again.

        Raises:
            UserError: if it is missing, or is not what a run wrote.
        """
        remedy = AGAIN if layout else REMEDIES.get(name, REMEDY)
        path, layout = self.folder / name, layout or LAYOUTS[name]
        if not self.folder.is_dir():
            raise UserError(
                f"there is no folder {self.folder}; name the `folder` of a finished run"
            )
        if not path.exists():
            raise UserError(
                f"{self.folder} holds no finished run ({name} is missing); train one "
                f"with: python train.py --config CONFIG --workdir {self.folder}"
            )
        return parse_json(read_text(path, remedy), path, layout, remedy)

    def read_config(self, name: str = "config.json"):
        """The settings in one of the run's files.

        Raises:
            UserError: as `read`, and for values that no run could have.
        """
        settings = self.read(name)
        settings.pop("recipes", None)
        config = configuration.from_json(json.dumps(settings))
        configuration.require_sound(configuration.completed(config))
        return config

    def write(self, name: str, value):
        write_json(self.folder / name, value)

    def require_recipes(self):
        """Raises `UserError` if a run of other recipes was begun here."""
        if (self.folder / "asked.json").exists():
            made = self.read("asked.json").get("recipes", 1)
            configuration.require_recipes(made, f"the run in {self.folder}")

    def claim(self, config):
        """Takes the directory for a run of `config`; finds it taken by the same or new.

        Where a run has begun, PLACES may differ: content tells whether it is the same.

        Raises:
            UserError: if it holds a run of another configuration (every differing
                field is named), or things that are no run at all.
        """
        if not (self.folder / "asked.json").exists():
            if self.folder.is_dir() and lock.holds_more(self.folder):
                raise UserError(
                    f"{self.folder} is not empty and holds no run; choose another "
                    "--workdir, or empty it"
                )
            return
        asked = configuration.completed(self.read_config("asked.json"))
        free = (*IGNORED, *PLACES) if self.begun else IGNORED
        differing = {
            field: line
            for line in configuration.differences(asked, config)
            if (field := line.partition(":")[0]) not in free
        }
        if differing:
            own = configuration.options(asked, differing)
            raise UserError(
                f"{self.folder} holds another run ({'; '.join(differing.values())}); "
                "choose another --workdir, or repeat the command that made it, with its "
                f"own settings: {own}"
            )

    def settle(self, config):
        """Writes down which configuration was asked for: from here on it is taken."""
        asked = json.loads(configuration.to_json(config))
        self.write("asked.json", asked | {"recipes": RECIPES})

    def as_begun(self, config):
        """`config` with what a run that has begun here has settled.

        What "auto" means, which commit a hub name has, and how a folder is called may
        change between two starts; a run that goes on must not. The places that were
        asked for then are looked up; others are where the run's own files are now.
        """
        if not (self.folder / "config.json").exists():
            return config
        begun = self.read_config()
        config = configuration.placed(config, self._looked_up(begun, config))
        config.clip.dtype = begun.clip.dtype
        config.data.name = config.data.name or begun.data.name
        with config.ignore_type():
            config.clip.revision = begun.clip.revision
        return config

    def moved(self, config) -> bool:
        """Whether `config` has the run's files in other places than it was asked for."""
        asked = configuration.flat(self.read_config("asked.json"))
        now = configuration.flat(config)
        return any(asked.get(field) != now.get(field) for field in PLACES)

    def now(self, places: dict):
        """The run's configuration with its files where they are now.

        `places` are those that are known, by field of PLACES.
        """
        begun = self.read_config()
        config = configuration.placed(self._asked(begun), places)
        return configuration.placed(begun, self._looked_up(begun, config))

    def _asked(self, begun):
        there = (self.folder / "asked.json").exists()
        return self.read_config("asked.json") if there else begun

    def _looked_up(self, begun, config) -> dict:
        """Where the files are, by field; what `config` asks for anew is not looked up."""
        settings = (begun, self._asked(begun), config)
        begun, asked, now = map(configuration.flat, settings)
        return {
            field: self._place(field, begun.get(field, ""), now[field])
            if now[field] == asked.get(field)
            else now[field]
            for field in PLACES
            if field in now
        }

    def _place(self, field, begun, asked):
        """The first place that is there: the run's, from here, beside the run.

        What is on no disk, such as a name on the hub, is what it is.
        """
        if not asked or (field, asked) == ("clip.checkpoint", "tiny"):
            return begun
        above = self.folder.absolute().parents
        beside = [str(folder / asked) for folder in above]
        return first_there([begun, asked, *beside])
