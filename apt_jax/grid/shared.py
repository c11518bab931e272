"""What the cells of one data set share, computed once: images, classes, frozen outputs.

Which frozen outputs there are depends on the cells that were asked for, not on those that
are left, so that a grid which goes on reads what the one before it read. Each method has
the views of its own recipe; a picture is decoded once for all of them. Tokens hold the
embedding: where some method reads tokens of a view, methods that read its embedding take
it from them, and the tower runs over a view once.
"""

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from apt_jax import data
from apt_jax.clip.checkpoint import Clip
from apt_jax.data.scan import hashed, scan
from apt_jax.errors import UserError
from apt_jax.experiment import (
    labels_of,
    shifted_parts,
    shots_of,
    training_images,
)
from apt_jax.features.encode import Features, fill, seconds_per_image
from apt_jax.features.store import Store
from apt_jax.grid.search import Material
from apt_jax.grid.study import Cell
from apt_jax.methods import make
from apt_jax.methods.task import Task, make_task
from apt_jax.preparation import (
    Prepared,
    drawn,
    encode_crops,
    hyper_parameters,
    kept_crops,
    kept_shots,
    on_new,
    prepare,
    require_prompts,
    require_validation,
    selects_on,
    test_reads,
    wanted_crops,
    wanted_shots,
    worded,
)


class Shared:
    """The frozen part of all cells of one data set."""

    def __init__(self, load_clip: Callable[[], Clip], cells: list[Cell]):
        self._load_clip, self._cells, self._kept = load_clip, cells, {}
        self._store = Store(cells[0].config.features.cache_dir)

    @functools.cached_property
    def _clip(self) -> Clip:
        """The backbone, which is read after the list of images."""
        return self._load_clip()

    def prepared(self, cell: Cell) -> Prepared:
        """What a run of the cell works with.

        Raises:
            UserError: if its protocol selects on validation images that there are not.
        """
        of_seed = self._once(("prepared", cell.seed), lambda: self._prepare(cell.seed))
        prepared = drawn(cell.config, method_of(cell), of_seed.clip, of_seed.whole)
        named = worded(cell.config, prepared.method, of_seed.whole)
        self._once(("prompts", named.texts), lambda: require_prompts(self._clip, named))
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

    def with_shots(self, prepared: list[Prepared]) -> list[Task]:
        """The tasks of cells that differ in seed, with all that training sees.

        Shots that several of them have are held once.
        """
        self._fill()
        items = list({i.path: i for one in prepared for i in one.shots}.values())
        all_of_them = dataclasses.replace(prepared[0], shots=items)
        held = training_images(all_of_them, kept_shots(self._store, all_of_them), None)
        place = {item.path: row for row, item in enumerate(items)}
        tasks = []
        for one in prepared:
            rows = [place[item.path] for item in one.shots]
            of_one = held | {"val": self._selected_on(one)}
            if rows != list(range(len(items))):
                of_one["shots"] = held["shots"].take(rows)
            tasks.append(self.task(one).replace(**of_one))
        return tasks

    def _selected_on(self, prepared):
        """The images that a protocol selects on; mostly none."""
        images, reads = prepared.selection, (prepared.method.reads,)
        if not images:
            return None
        named = tuple(item.sha256 for item in images)

        def made():
            kept = kept_crops(self._store, prepared, images, reads)
            return shots_of(kept, kept, labels_of(images))

        return self._once(("selected on", reads, named), made)

    def material(self, cell: Cell, prepared: Prepared, task: Task) -> Material:
        """What the cell's search trains on, `task`, and judges on."""
        clip, items = prepared.clip, prepared.dataset.val
        reads = (prepared.method.reads,)
        # Mostly there already; a cell that searches nothing may be judged on them too.
        images = encode_crops(prepared, items, reads, self._store, "validation images")
        named = lambda items: [[item.sha256, item.label] for item in items]  # noqa: E731
        return Material(
            task,
            images,
            np.array([item.label for item in items]),
            {
                "backbone": [clip.sha256, clip.dtype],
                "texts": prepared.dataset.texts,
                "train": named(prepared.shots),
                "validation": named(items),
            },
        )

    def test(self, prepared: Prepared) -> Features:
        """Frozen outputs of the test images: what the method reads, and embeddings."""
        self._fill()
        reads = test_reads(prepared.method, self._clip)
        return kept_crops(self._store, prepared, prepared.dataset.test, reads)

    def judged(self, cell: Cell, prepared: Prepared, evaluate) -> list:
        """`evaluate(zero_shot)`, a list of evaluations; zero-shot's is made once."""
        images = tuple(item.sha256 for item in prepared.dataset.test)
        key = ("zero_shot", images, prepared.dataset.texts, cell.config.eval.bins)
        evaluations = evaluate(self._kept.get(key))
        if evaluations[0].name == "zero_shot":
            self._kept[key] = evaluations[0]
        return evaluations

    def tower_seconds(self, method) -> float:
        """Seconds that the tower takes for one image of what the method reads."""
        reads = method.reads
        return self._once(
            ("seconds", reads), lambda: seconds_per_image(self._clip, reads)
        )

    def _prepare(self, seed):
        of_seed = [cell for cell in self._cells if cell.seed == seed]
        most = max(of_seed, key=lambda cell: cell.shots or float("inf"))  # 0 is all
        return prepare(
            most.config,
            load_clip=lambda _: self._clip,
            scan=self._scan,
            validation=any(map(reads_validation, self._cells)),
        )

    def _scan(self, dataset, **options):
        """`data.scan`, of a data set whose images are the same at every seed once."""
        if data.SOURCES[self._cells[0].config.data.source].drawn:
            return scan(dataset, **options)
        scanned = self._once("scan", lambda: scan(dataset, **options))
        return hashed(dataset, {item.path: item.sha256 for item in scanned.items})

    def _fill(self):
        """Encodes all that the cells read, each picture decoded once."""
        self._once(
            "filled", lambda: fill(self._wanted(), self._clip, store=self._store)
        )

    def _wanted(self):
        """What is encoded for the cells: for many the same."""
        seen = set()
        for cell in self._cells:
            prepared = self.prepared(cell)
            reads, kind = (
                prepared.method.reads,
                selects_on(cell.config, prepared.method),
            )
            wants = (cell.seed, cell.shots, reads, prepared.views, kind)
            if wants not in seen:
                seen.add(wants)
                yield from self._wanted_of(cell, prepared)

    def _wanted_of(self, cell, prepared):
        yield from wanted_shots(self.refitted(cell, prepared))
        chosen_on = [*prepared.selection]
        if cell.needs_validation:
            chosen_on += prepared.dataset.val
        yield from wanted_crops(prepared, chosen_on, (prepared.method.reads,))
        shifted = [part for _, _, part in shifted_parts(prepared)]
        new = [] if prepared.new is None else [on_new(prepared)]
        reads = test_reads(prepared.method, self._clip)
        for part in (prepared, *new, *shifted):
            yield from wanted_crops(part, part.dataset.test, reads)

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
