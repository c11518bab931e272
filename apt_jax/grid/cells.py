"""The cells of a grid on disk: a file each, written whole the moment the cell is done.

    DIR/cells/<data set>/<method>/<shots>shot-seed<seed>.json

holds the cell's names, the settings that it was asked for, the version of the recipes
behind them, its protocol card, its evaluations and its cost, and what was searched for it.
A cell whose file is there is finished. The trials of its search are files in DIR/search/,
in folders of the same names.
"""

import json
from pathlib import Path

from ml_collections import ConfigDict

from apt_jax import config as configuration
from apt_jax import lock
from apt_jax.config import PLACES, RECIPES
from apt_jax.errors import UserError
from apt_jax.files import digest, read_json, write_json
from apt_jax.grid.study import Cell, with_values
from apt_jax.names import as_part
from apt_jax.runs.record import split_of, split_sha256
from apt_jax.runs.workdir import CARD, ROW, SETTINGS
from apt_jax.words import counted, form

# What may differ between two starts of one grid: PLACES only if what is there is the same.
IGNORED = ("features.cache_dir", *PLACES)
REMEDY = "remove it, and the same command trains the cell again"
BACKBONE = {"sha256": str, "dtype": str, "revision": (str, type(None))}
LAYOUT = {
    "asked": SETTINGS,
    "protocol": CARD | {"backbone": BACKBONE, "data": {"split_sha256": str}},
    "evaluations": [ROW],
    "cost": dict,
    "recipes?": int,
}


class Cells:
    """The files of a grid's cells."""

    def __init__(self, folder):
        self.folder = Path(folder).expanduser()

    def path(self, cell: Cell) -> Path:
        return self.folder / "cells" / f"{self._name(cell)}.json"

    def trials(self, cell: Cell) -> Path:
        """The folder of the cell's trials."""
        return self.folder / "search" / self._name(cell)

    def _name(self, cell):
        folder = f"{as_part(cell.dataset)}/{as_part(cell.method)}"
        return f"{folder}/{cell.shots}shot-seed{cell.seed}"

    def finished(self, cell: Cell) -> bool:
        return self.path(cell).exists()

    def read(self, cell: Cell) -> dict:
        """The content of a finished cell; raises `UserError` if it is damaged."""
        return read_json(self.path(cell), LAYOUT, REMEDY)

    def contents(self):
        """The contents of all finished cells, whoever asked for them, one by one."""
        for path in sorted(self.folder.glob("cells/*/*/*.json")):
            yield read_json(path, LAYOUT, REMEDY)

    def write(self, cell: Cell, protocol, evaluations, cost, search=None):
        """Finishes a cell; `search` is what `grid.search.record_of` says of it."""
        content = {
            "dataset": cell.dataset,
            "method": cell.method,
            "shots": cell.shots,
            "seed": cell.seed,
            "asked": json.loads(configuration.to_json(cell.asked)),
            "protocol": protocol,
            "evaluations": evaluations,
            "cost": cost,
            "recipes": RECIPES,
        }
        if search is not None:
            content["search"] = search
        write_json(self.path(cell), content)

    def claim(self, cells: list[Cell]):
        """Takes the directory for these cells; finds it taken by the same ones or new.

        Raises:
            UserError: if finished ones have other settings (cells and fields are named),
                if some are left and others were made by other recipes, or if the
                directory holds what is no grid.
        """
        folder = self.folder
        own = any((folder / name).is_dir() for name in ("cells", "search"))
        if folder.is_dir() and lock.holds_more(folder) and not own:
            raise UserError(
                f"{folder} is not empty and holds no grid; choose another --workdir"
            )
        if not all(map(self.finished, cells)):
            for content in self.contents():
                made = content.get("recipes", 1)
                configuration.require_recipes(made, f"the grid in {folder}")
        finished = filter(self.finished, cells)
        changed = {cell: lines for cell in finished if (lines := self._differing(cell))}
        if changed:
            cell, lines = next(iter(changed.items()))
            raise UserError(
                f"{counted(len(changed), 'finished cell')} of {folder} "
                f"{form(len(changed), 'has', 'have')} other settings, "
                f"the first ({cell}): {'; '.join(lines)}; choose another --workdir, "
                f"repeat the command that made them, or remove {self.path(cell)} and "
                "its like"
            )

    def moved(self, cell: Cell) -> bool:
        """Whether the files of a finished cell were in other places then."""
        return any(line.startswith(PLACES) for line in self._changes(cell))

    def _differing(self, cell):
        return [line for line in self._changes(cell) if not line.startswith(IGNORED)]

    def _changes(self, cell):
        """The fields that a finished cell was asked for otherwise."""
        return configuration.differences(asked_of(self.read(cell)), cell.asked)


# -- the content of a finished cell -------------------------------------------------------


def asked_of(content: dict) -> ConfigDict:
    """The settings that a cell was asked for; fields that came since as they were then."""
    asked = configuration.from_json(json.dumps(content["asked"]))
    return configuration.completed(asked)


def with_backbone(config, content: dict) -> ConfigDict:
    """`config` with the dtype and the revision that a cell was made with.

    What "auto" means is measured, and may change between two starts of a grid.
    """
    backbone = content["protocol"]["backbone"]
    values = {f"clip.{name}": backbone[name] for name in ("dtype", "revision")}
    return with_values(config, values)


def other_files(content: dict, prepared) -> list[str]:
    """In words, what is another than when a cell was made: backbone, images or texts."""
    card, dataset = content["protocol"], prepared.dataset
    of_data, images = card["data"], split_sha256(dataset, split_of(prepared))
    described = digest(dataset.descriptions) if dataset.descriptions else None
    found = {
        "backbone": (prepared.clip.sha256, card["backbone"]["sha256"]),
        "set of images": (images, of_data["split_sha256"]),
    }
    for name, now in (
        ("classes", digest(list(dataset.classes))),
        ("templates", digest(list(dataset.templates))),
        ("descriptions", described),
    ):
        then = of_data.get(f"{name}_sha256", now)  # cards of before have fewer
        found[f"list of {name}"] = (now, then)
    return [
        f"another {what}: SHA-256 {str(now)[:12]}..., not {str(then)[:12]}..."
        for what, (now, then) in found.items()
        if now != then
    ]
