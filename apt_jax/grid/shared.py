"""What the cells of one data set share, computed once: images, classes, frozen outputs.

Which frozen outputs there are depends on the cells that were asked for, not on those that
are left, so that a grid which goes on reads what the one before it read. Each method has
the views of its own recipe; a picture is decoded once for all of them. Tokens hold the
embedding: where some method reads tokens of a view, methods that read its embedding take
it from them, and the tower runs over a view once.
"""

import functools
import itertools
from collections.abc import Callable

import numpy as np

from apt_jax import data
from apt_jax.clip.checkpoint import Clip
from apt_jax.config import method_of
from apt_jax.data.dataset import Item
from apt_jax.data.scan import hashed, scan
from apt_jax.errors import UserError
from apt_jax.evaluation import Evaluation
from apt_jax.features.encoder import Encoder, Features, wanted
from apt_jax.grid.search import Material
from apt_jax.grid.study import Cell
from apt_jax.methods.readable import require_prompts
from apt_jax.methods.task import Task, make_task, shots_of
from apt_jax.runs.parts import Part, evaluated, parts_of, reads_of_test
from apt_jax.runs.preparation import (
    Prepared,
    drawn,
    prepare,
    require_validation,
    selects_on,
    worded,
)


class Shared:
    """The frozen part of all cells of one data set."""

    def __init__(self, load_clip: Callable[[], Clip], cells: list[Cell]):
        self._load_clip, self._cells, self._kept = load_clip, cells, {}

    @functools.cached_property
    def _encoder(self) -> Encoder:
        """The backbone, which is read after the list of images."""
        cache_dir = self._cells[0].config.features.cache_dir
        return Encoder(self._load_clip(), cache_dir)

    def prepared(self, cell: Cell) -> Prepared:
        """What a run of the cell works with.

        Raises:
            UserError: if its protocol selects on validation images that there are not.
        """
        of_seed = self._once(("prepared", cell.seed), lambda: self._prepare(cell.seed))
        prepared = drawn(
            cell.config, method_of(cell.config), of_seed.clip, of_seed.whole
        )
        named = worded(cell.config, prepared.method, of_seed.whole)
        clip, texts = self._encoder.clip, named.texts
        self._once(("prompts", texts), lambda: require_prompts(clip, texts))
        if selects_on(cell.config, prepared.method) != "none":
            require_validation(prepared.dataset, cell.method)
        if cell.needs_validation:
            require_searchable(cell, prepared)
        return prepared

    def task(self, texts) -> Task:
        """The task without shots; the text tower runs once for a list of classes."""
        clip = self._encoder.clip
        return self._once(("task", texts), lambda: make_task(clip, *texts))

    def with_shots(self, cells: list[Cell], prepared: list[Prepared]) -> list[Task]:
        """The tasks of cells that differ in seed, with all that training sees.

        Shots that several of them have are held once.
        """
        self._fill()
        first, each = prepared[0], list(map(trained_on, cells, prepared))
        # Of a drawn set every seed has pictures of its own under the same paths.
        known = lambda item: (item.path, item.sha256)  # noqa: E731
        items = {known(item): item for item in itertools.chain(*each)}
        of_method = (first.method.reads, first.views)
        held = shots_of(self._encoder, first.dataset, items.values(), *of_method)
        place = {one: row for row, one in enumerate(items)}
        tasks = []
        for one, of_one in zip(prepared, each, strict=True):
            rows = [place[known(item)] for item in of_one]
            shots = held if rows == list(range(len(items))) else held.take(rows)
            fields = {"shots": shots, "val": self._selected_on(one)}
            task = self.task(one.dataset.texts).replace(**fields, dataset=one.known_as)
            tasks.append(task)
        return tasks

    def _selected_on(self, prepared):
        """The images that a protocol selects on; mostly none."""
        images, reads = prepared.selection, prepared.method.reads
        if not images:
            return None
        named = tuple(item.sha256 for item in images)
        of_all = (self._encoder, prepared.dataset, images, reads)
        return self._once(("selected on", reads, named), lambda: shots_of(*of_all))

    def material(self, cell: Cell, prepared: Prepared, task: Task) -> Material:
        """What the cell's search trains on, `task`, and judges on."""
        clip, items = prepared.clip, prepared.dataset.val
        pictures, reads = prepared.dataset.pictures(items), prepared.method.reads
        # Mostly there already; a cell that searches nothing may be judged on them too.
        images = self._encoder.encode(pictures, reads, what="validation images")
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

    def test(self, prepared: Prepared, part: Part) -> Features:
        """Frozen outputs of test images: what the method reads, and embeddings."""
        self._fill()
        reads = reads_of_test(prepared.method, self._encoder.clip)
        return self._encoder.found(prepared.dataset.pictures(part.items), reads)

    def evaluated(self, prepared, part, classifier, bins) -> list[Evaluation]:
        """The evaluations of a fitted cell on a part; zero-shot's is made once."""
        images = tuple(item.sha256 for item in part.items)
        key = ("zero_shot", images, part.texts, part.among, bins)
        there = classifier.over(self.task(part.texts))
        test, zero_shot = self.test(prepared, part), self._kept.get(key)
        rows = evaluated(part, there, test, bins, zero_shot=zero_shot)
        if rows[0].name == "zero_shot":
            self._kept[key] = rows[0]
        return rows

    def tower_seconds(self, method) -> float:
        """Seconds that the tower takes for one image of what the method reads."""
        reads, measure = method.reads, self._encoder.seconds_per_image
        return self._once(("seconds", reads), lambda: measure(reads))

    def _prepare(self, seed):
        of_seed = [cell for cell in self._cells if cell.seed == seed]
        most = max(of_seed, key=lambda cell: cell.shots or float("inf"))  # 0 is all
        return prepare(
            most.config,
            load_clip=lambda _: self._encoder.clip,
            scan=self._scan,
            validation=any(
                cell.needs_validation
                or selects_on(cell.config, method_of(cell.config)) != "none"
                for cell in self._cells
            ),
        )

    def _scan(self, dataset, **options):
        """`data.scan`, of a data set whose images are the same at every seed once."""
        if data.SOURCES[self._cells[0].config.data.source].drawn:
            return scan(dataset, **options)
        scanned = self._once("scan", lambda: scan(dataset, **options))
        return hashed(dataset, {item.path: item.sha256 for item in scanned.items})

    def _fill(self):
        """Encodes all that the cells read, each picture decoded once."""
        self._once("filled", lambda: self._encoder.fill(self._wanted()))

    def _wanted(self):
        """What is encoded for the cells: for many the same."""
        seen = set()
        for cell in self._cells:
            prepared, method = self.prepared(cell), method_of(cell.config)
            kind = selects_on(cell.config, method)
            wants = (cell.seed, cell.shots, method.reads, prepared.views, kind)
            if wants not in seen:
                seen.add(wants)
                yield from self._wanted_of(cell, prepared)

    def _wanted_of(self, cell, prepared):
        dataset, reads = prepared.dataset, prepared.method.reads
        shots = dataset.pictures(trained_on(cell, prepared))
        chosen_on = [*prepared.selection]
        if cell.needs_validation:
            chosen_on += dataset.val
        yield from wanted(shots, reads, prepared.views)
        yield from wanted([*shots, *dataset.pictures(chosen_on)], reads)
        reads = reads_of_test(prepared.method, self._encoder.clip)
        for part in parts_of(prepared, cell.config.data.classes):
            yield from wanted(dataset.pictures(part.items), reads)

    def _once(self, key, make):
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]


def trained_on(cell: Cell, prepared: Prepared) -> list[Item]:
    """The images that train in the end: with `search_refit`, those of validation too."""
    if cell.refit == "train":
        return prepared.shots
    return [*prepared.shots, *prepared.dataset.val]


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
