"""What the cells of one data set share, computed once: images, classes, frozen outputs.

Which frozen outputs there are depends on the cells that were asked for, not on those that
are left, so that a grid which goes on reads what the one before it read. Tokens hold the
embedding: where some method reads tokens, methods that read embeddings take theirs from
them, and the tower runs over an image once.
"""

import dataclasses

import numpy as np

from apt_jax import data
from apt_jax.clip.checkpoint import Clip
from apt_jax.data.base_new import items_of, labels_of
from apt_jax.data.few_shot import few_shot
from apt_jax.data.scan import scan
from apt_jax.errors import UserError
from apt_jax.experiment import training_images
from apt_jax.features.encode import Features, seconds_per_image
from apt_jax.features.stored import KINDS
from apt_jax.grid.search import Material
from apt_jax.grid.study import Cell
from apt_jax.methods import make
from apt_jax.methods.task import Task, make_task
from apt_jax.preparation import (
    Prepared,
    drawn,
    encode_selection,
    encode_shots,
    encode_test,
    hyper_parameters,
    prepare,
    require_validation,
    selects_on,
    views_of,
)


class Shared:
    """The frozen part of all cells of one data set."""

    def __init__(self, clip: Clip, cells: list[Cell]):
        self._clip, self._cells, self._kept = clip, cells, {}

    def prepared(self, cell: Cell) -> Prepared:
        """What a run of the cell works with.

        Raises:
            UserError: if its protocol selects on validation images that there are not.
        """
        of_seed = self._once(("prepared", cell.seed), lambda: self._prepare(cell.seed))
        sound = (of_seed.clip, of_seed.whole, of_seed.hashes)
        prepared = drawn(cell.config, method_of(cell), *sound)
        if selects_on(cell.config, prepared.method) != "none":
            require_validation(prepared.dataset, cell.method)
        if cell.needs_validation:
            require_searchable(cell, prepared)
        return prepared

    def refitted(self, cell: Cell, prepared: Prepared) -> Prepared:
        """`prepared` as it trains once all is chosen: see `search_refit`."""
        if cell.refit == "train":
            return prepared
        images = [*prepared.shots, *prepared.dataset.val]
        return dataclasses.replace(prepared, shots=images)

    def task(self, prepared: Prepared) -> Task:
        """The task without shots; the text tower runs once for a list of classes."""
        texts = prepared.dataset.texts
        return self._once(("task", texts), lambda: make_task(self._clip, *texts))

    def with_shots(self, cell: Cell, prepared: Prepared) -> Task:
        """The task with all that training sees: the cell's shots, and what selects."""
        found, place = self._shots(cell)
        rows = np.array([place[item.path] for item in prepared.shots])
        kinds = KINDS[prepared.method.inputs]
        shots = dataclasses.replace(
            found, stored={name: found.stored[name][rows] for name in kinds}
        )
        selection = None
        if prepared.selection:
            selection = self._crops(
                cell, prepared, prepared.selection, encode_selection
            )
        seen = training_images(prepared, shots, selection)
        return self.task(prepared).replace(**seen)

    def material(self, cell: Cell, prepared: Prepared, task: Task) -> Material:
        """What the cell's search trains on, `task`, and judges on."""
        clip, items = prepared.clip, prepared.dataset.val
        of_val = dataclasses.replace(prepared, selection=list(items))
        named = lambda items: [[prepared.hashes[i.path], i.label] for i in items]  # noqa: E731
        return Material(
            task,
            self._crops(cell, of_val, items, encode_selection),
            np.array([item.label for item in items]),
            {
                "backbone": [clip.sha256, clip.dtype],
                "texts": prepared.dataset.texts,
                "train": named(prepared.shots),
                "validation": named(items),
            },
        )

    def test(self, cell: Cell, prepared: Prepared) -> Features:
        """Frozen outputs of the test images: what the method reads, and embeddings.

        Zero-shot CLIP's row reads those; a backbone without text has none.
        """
        own = self._test(cell, prepared)
        if "embedding" in own.stored or self._clip.tokenizer is None:
            return own
        zero_shot = dataclasses.replace(prepared, method=make("zero_shot"))
        embedded = self._test(cell, zero_shot)
        return dataclasses.replace(own, stored={**own.stored, **embedded.stored})

    def _test(self, cell, prepared):
        return self._crops(cell, prepared, prepared.dataset.test, encode_test)

    def _crops(self, cell, prepared, items, encode):
        """Frozen outputs of the centre crops of `items`, which `encode` encodes."""
        method = prepared.method
        reader = self._reader(cell, method)
        images = tuple(prepared.hashes[item.path] for item in items)
        found = self._once(
            ("crops", images, reader.inputs, reader.token_source),
            lambda: encode(dataclasses.replace(prepared, method=reader), cell.config),
        )
        stored = {name: found.stored[name] for name in KINDS[method.inputs]}
        return dataclasses.replace(found, stored=stored)

    def judged(self, cell: Cell, prepared: Prepared, evaluate) -> list:
        """`evaluate(zero_shot)`, a list of evaluations; zero-shot's is made once."""
        images = tuple(prepared.hashes[item.path] for item in prepared.dataset.test)
        key = ("zero_shot", images, prepared.dataset.texts, cell.config.eval.bins)
        evaluations = evaluate(self._kept.get(key))
        if evaluations[0].name == "zero_shot":
            self._kept[key] = evaluations[0]
        return evaluations

    def tower_seconds(self, method) -> float:
        """Seconds that the tower takes for one image of what the method reads."""
        reads = (method.inputs, method.token_source)
        return self._once(
            ("seconds", reads), lambda: seconds_per_image(self._clip, *reads)
        )

    def _prepare(self, seed):
        of_seed = [cell for cell in self._cells if cell.seed == seed]
        most = max(of_seed, key=lambda cell: cell.shots or float("inf"))  # 0 is all
        return prepare(
            most.config,
            clip=self._clip,
            scan=self._scan,
            validation=any(map(reads_validation, self._cells)),
        )

    def _scan(self, dataset, **options):
        """`data.scan`, of a data set whose images are the same at every seed once."""
        if self._cells[0].config.data.source in data.DRAWN:
            return scan(dataset, **options)
        _, hashes = self._once("scan", lambda: scan(dataset, **options))
        sound = {
            split: tuple(item for item in items if item.path in hashes)
            for split, items in dataset.splits.items()
        }
        return dataset.with_splits(sound), hashes

    def _shots(self, cell):
        """Frozen outputs of the shots of all cells of a seed, and the row of each."""
        reader = self._reader(cell, method_of(cell), views=True)
        key = (
            self.prepared(cell).views,
            reader.inputs,
            reader.token_source,
        )
        return self._once(("shots", key), lambda: self._encode_shots(cell, reader))

    def _encode_shots(self, cell, reader):
        prepared = self.prepared(cell)
        counts = sorted({other.shots for other in self._cells})
        labels = labels_of(cell.config.data.classes, len(prepared.whole.classes))
        items = {}
        for count in counts:
            shots, _ = few_shot(prepared.whole, count, cell.seed)
            shots = items_of(shots, labels)
            if views_of(cell.config, prepared.method, len(shots)) == prepared.views:
                items |= {item.path: item for item in shots}
        if cell.refit != "train":
            items |= {item.path: item for item in prepared.dataset.val}
        shots = list(items.values())
        of_all = dataclasses.replace(prepared, method=reader, shots=shots)
        place = {path: row for row, path in enumerate(items)}
        return encode_shots(of_all, cell.config), place

    def _reader(self, cell, own, views=False):
        """The method whose frozen outputs `own` reads: itself, or one with tokens."""
        if own.inputs != "embedding":
            return own
        for other in self._cells:
            alike = not views or other.config.augment == cell.config.augment
            if alike and method_of(other).inputs == "tokens":
                return method_of(other)
        return own

    def _once(self, key, make):
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


def require_searchable(cell, prepared):
    """Refuses a search without images to choose on, or that is not kept apart."""
    if not prepared.dataset.val:
        leave_out = [f"--config.search.{field}=" for field in cell.candidates]
        leave_out += ["--config.search_refit=train"] * (cell.refit != "train")
        raise UserError(
            f"the search chooses on validation images, and data set "
            f"{prepared.dataset.name!r} has none; add a validation split, or leave the "
            f"search out: {' '.join(leave_out)}"
        )
    if cell.refit != "train" and prepared.selection:
        raise UserError(
            f"protocol=as_published: {cell.method} selects on the validation images that "
            "search_refit=train+val trains on; choose --config.search_refit=train"
        )


def reads_validation(cell: Cell) -> bool:
    """Whether the cell's search or its protocol chooses on validation images."""
    return cell.needs_validation or selects_on(cell.config, method_of(cell)) != "none"


def method_of(cell: Cell):
    """The method of a cell."""
    return make(cell.config.method.name, **hyper_parameters(cell.config))
