"""Checkpoints: what is trained, its momentum and the step, through Orbax.

Frozen weights are not in them. Beside the state, every checkpoint carries what it must
be used with (configuration, backbone hash, class names); loading verifies all of it.
Orbax writes under another name and renames, so a killed run leaves the last whole one.

Orbax does not see a flipped bit. So `checkpoints.json`, beside the folder, says which
epoch was saved and what its arrays hash to, and nothing else is loaded. It is written
before a save, with the new epoch beside the old one, and after it with the new one alone:
whenever a run is killed, what Orbax has is among what it says. After a save it has the
hashes of the files too, so that Orbax, which tells of damage at length, does not meet it.
"""

import contextlib
import fnmatch
import hashlib
import logging
import os
import re
import shutil
from pathlib import Path

import jax
import numpy as np

from apt_jax.errors import UserError, with_type
from apt_jax.files import read_json, sha256_of_file, telling, write_json
from apt_jax.finite import name_of, require_finite
from apt_jax.names import storable
from apt_jax.training.loop import State

ENTRY = [{"epoch": int, "sha256": str, "files?": dict}]  # none or one
LAYOUT = {"saved": ENTRY, "saving": ENTRY}
SLACK = 2**20  # bytes that Orbax's own files take, at most


class Checkpoints:
    """The folder `checkpoints/` of a run; use as a context manager."""

    def __init__(self, folder: Path, belongs_to: dict, *, read_only=False):
        """`belongs_to` is JSON: all that a state in this folder must be used with."""
        import orbax.checkpoint as ocp

        self._belongs_to = belongs_to
        self._folder = Path(folder).absolute()
        require_name(self._folder)
        self._record = self._folder.with_name(f"{self._folder.name}.json")
        self._remedy = (
            f"restore {self._folder} and {self._record.name} from a copy, or train again "
            "in another `checkpoints`"
        )
        with self._telling():
            options = ocp.CheckpointManagerOptions(
                max_to_keep=None if read_only else 1,
                cleanup_tmp_directories=not read_only,
                create=not read_only,
                read_only=read_only,
            )
            self._manager = ocp.CheckpointManager(
                self._folder,
                options=options,
                item_handlers={
                    "state": ocp.StandardCheckpointHandler(),
                    "belongs_to": ocp.JsonCheckpointHandler(),
                },
            )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._manager.close()

    def save(self, state: State):
        """Keeps `state` as the newest; an older one goes once this one is whole.

        Raises:
            UserError: if it is not finite, or the disk does not take it.
        """
        import orbax.checkpoint as ocp

        self._require_room(state)
        entry = {"epoch": int(state.epoch), "sha256": digest_of(state)}
        write_json(self._record, {"saved": self._saved(), "saving": [entry]})
        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state._asdict()),
            belongs_to=ocp.args.JsonSave(
                self._belongs_to | {"record": self._record.name}
            ),
        )
        # The state's buffers are donated to the next epoch: wait until they are copied
        # out and on disk.
        with quiet(), _telling_of_disk(self._folder):
            self._manager.save(entry["epoch"], args=args)
            self._manager.wait_until_finished()
        entry["files"] = files_of(self._folder / str(entry["epoch"]))
        write_json(self._record, {"saved": [entry], "saving": []})

    def restore(self, like: State | None = None) -> State | None:
        """The newest state, shaped `like` or as it was saved; None if there is none.

        As saved, the optimiser's state comes back as plain dictionaries and lists: enough
        to predict, not to go on training.

        Raises:
            UserError: if it was trained with something else, naming what differs; if it
                is not what was saved; if what was saved is not there.
        """
        import orbax.checkpoint as ocp

        newest = self._manager.latest_step()
        allowed = self._allowed(newest)
        if newest is None:
            return None
        self._require_files(newest)
        with self._telling():
            found = self._manager.restore(
                newest, args=ocp.args.Composite(belongs_to=ocp.args.JsonRestore())
            )["belongs_to"]
        self._verify(found, allowed)
        with self._telling():
            if like is None:
                saved = self._manager.item_metadata(newest)["state"].tree
                abstract = jax.tree.map(_here, saved)
            else:
                abstract = jax.tree.map(_abstract, like._asdict())
            found = self._manager.restore(
                newest,
                args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract)),
            )
            state = State(**found["state"])
        if allowed is not None and digest_of(state) not in allowed:
            raise self._damaged("it is not what was saved")
        require_finite(state, f"the checkpoint in {self._folder} is", self._remedy)
        return state

    def _require_room(self, state):
        """Refuses a disk that is too small before Orbax finds out, at great length."""
        needed = sum(leaf.nbytes for leaf in jax.tree.leaves(state)) + SLACK
        free = shutil.disk_usage(self._folder).free
        if free < needed:
            raise UserError(
                f"a checkpoint takes {needed / 1e6:.3g} MB, and {free / 1e6:.3g} MB are "
                f"free in {self._folder}; free some space and repeat the command, which "
                "goes on from the last checkpoint"
            )

    def _read_record(self) -> dict | None:
        """The content of checkpoints.json; None of a run that wrote none."""
        if not self._record.exists():
            return None
        return read_json(self._record, LAYOUT, self._remedy)

    def _entries(self) -> list[dict]:
        record = self._read_record() or {"saved": [], "saving": []}
        return [*record["saved"], *record["saving"]]

    def _saved(self) -> list[dict]:
        """What checkpoints.json says of the newest state that is there, if anything."""
        newest = self._manager.latest_step()
        return [one for one in self._entries() if one["epoch"] == newest][-1:]

    def _allowed(self, newest) -> set[str] | None:
        """What the arrays of epoch `newest` may hash to; None where nothing was noted.

        Raises:
            UserError: if another epoch was saved last.
        """
        record = self._read_record()
        if record is None:
            return None
        of_newest = {one["sha256"] for one in self._entries() if one["epoch"] == newest}
        if not of_newest and (newest is not None or record["saved"]):
            there = "nothing" if newest is None else f"epoch {newest}"
            last = [f"epoch {one['epoch']}" for one in record["saved"]] or ["nothing"]
            raise self._damaged(f"{last[0]} was saved last, and {there} is there")
        return of_newest

    def _require_files(self, newest):
        """Refuses files that are not as they were after the save, if that was noted."""
        (entry,) = self._saved() or [{}]
        wanted = entry.get("files", {})
        with telling("read", self._folder, self._remedy):
            found = files_of(self._folder / str(newest))
        odd = [name for name in wanted if found.get(name) != wanted[name]]
        if odd:
            what = "missing" if odd[0] not in found else "not as it was"
            raise self._damaged(f"{newest}/{odd[0]} is {what}")

    def _verify(self, found, allowed):
        differing = sorted(
            name
            for name, ours in self._belongs_to.items()
            if not _agrees(found.get(name), ours)
        )
        if differing:
            raise UserError(
                f"the checkpoint in {self._folder.name}/ was trained with another "
                f"{' and another '.join(differing)}; restore the original, or train "
                "again in another `checkpoints`"
            )
        if allowed is None and "record" in found:
            raise self._damaged(f"{found['record']} is missing")

    def _damaged(self, why):
        return UserError(
            f"the checkpoint in {self._folder} is damaged ({why}); {self._remedy}"
        )

    @contextlib.contextmanager
    def _telling(self):
        """What Orbax says of damaged files, in one line: its errors share no class."""
        try:
            with quiet():
                yield
        except Exception as error:
            raise self._damaged(with_type(error)) from None


def require_name(folder: Path):
    """Refuses names that Orbax cannot write to, or reads as a pattern for other names."""
    path = folder.absolute()
    is_pattern = any(not fnmatch.fnmatchcase(part, part) for part in path.parts)
    if is_pattern or storable(str(path)) != str(path):
        raise UserError(
            f"no checkpoint can be kept in {path}: its name has [brackets] or is not "
            "UTF-8; choose another `checkpoints`"
        )


def files_of(folder) -> dict[str, str]:
    """The SHA-256 of every file below a folder, by its path there."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256_of_file(path) for path in files}


@contextlib.contextmanager
def quiet():
    """Orbax logs what it raises, with tracebacks; it is told here, once."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)


@contextlib.contextmanager
def _telling_of_disk(folder):
    """Makes what a disk refuses a `UserError`: TensorStore's errors only say it."""
    try:
        with telling("write", folder):
            yield
    except ValueError as error:
        if not (code := re.search(r"os_error_code='(\d+)'", str(error))):
            raise
        with telling("write", folder):
            raise OSError(int(code[1]), os.strerror(int(code[1]))) from None


def digest_of(state: State) -> str:
    """Hex SHA-256 of all arrays: names, dtypes, shapes, values.

    The same for a state that was restored as plain dictionaries and lists.
    """
    leaves = jax.tree_util.tree_leaves_with_path(state._asdict())
    found = hashlib.sha256()
    for name, leaf in sorted((name_of(path), leaf) for path, leaf in leaves):
        array = np.asarray(leaf)
        found.update(f"{name} {array.dtype} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def _agrees(found, ours) -> bool:
    """Whether a JSON value is ours; of a mapping, the entries that ours has."""
    if isinstance(ours, dict):
        return isinstance(found, dict) and all(
            name in found and _agrees(found[name], value)
            for name, value in ours.items()
        )
    return found == ours


def _here(saved):
    """A saved array, to be placed on this machine's device, whatever it was saved on."""
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.ShapeDtypeStruct(saved.shape, saved.dtype, sharding=sharding)


def _abstract(array):
    sharding = getattr(array, "sharding", None)
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding)
