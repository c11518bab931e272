"""Checkpoints: what is trained, its momentum and the step, through Orbax.

Frozen weights are not in them. Beside the state, every checkpoint carries what it must
be used with (configuration, backbone hash, class names); loading verifies all of it.
Orbax writes under another name and renames, so a killed run leaves the last whole one.
"""

from pathlib import Path

import jax

from apt_jax.errors import UserError
from apt_jax.training.loop import State


class Checkpoints:
    """The folder `checkpoints/` of a run; use as a context manager."""

    def __init__(self, folder: Path, belongs_to: dict):
        """`belongs_to` is JSON: all that a state in this folder must be used with."""
        import orbax.checkpoint as ocp

        self._belongs_to = belongs_to
        self._folder = Path(folder).absolute()
        options = ocp.CheckpointManagerOptions(
            max_to_keep=1, cleanup_tmp_directories=True, create=True
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
        """Keeps `state` as the newest; an older one goes once this one is whole."""
        import orbax.checkpoint as ocp

        args = ocp.args.Composite(
            state=ocp.args.StandardSave(state._asdict()),
            belongs_to=ocp.args.JsonSave(self._belongs_to),
        )
        # The state's buffers are donated to the next epoch: wait until they are copied
        # out and on disk.
        self._manager.save(int(state.epoch), args=args)
        self._manager.wait_until_finished()

    def restore(self, like: State | None = None) -> State | None:
        """The newest state, shaped `like` or as it was saved; None if there is none.

        As saved, the optimiser's state comes back as plain dictionaries and lists: enough
        to predict, not to go on training.

        Raises:
            UserError: if it was trained with something else, naming what differs.
        """
        import orbax.checkpoint as ocp

        newest = self._manager.latest_step()
        if newest is None:
            return None
        found = self._manager.restore(
            newest, args=ocp.args.Composite(belongs_to=ocp.args.JsonRestore())
        )
        self._verify(found["belongs_to"])
        if like is None:
            saved = self._manager.item_metadata(newest)["state"].tree
            abstract = jax.tree.map(_here, saved)
        else:
            abstract = jax.tree.map(_abstract, like._asdict())
        found = self._manager.restore(
            newest,
            args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract)),
        )
        return State(**found["state"])

    def _verify(self, found):
        differing = sorted(
            name
            for name in found.keys() | self._belongs_to.keys()
            if found.get(name) != self._belongs_to.get(name)
        )
        if differing:
            raise UserError(
                f"the checkpoint in {self._folder.name}/ was trained with another "
                f"{' and another '.join(differing)}; restore the original, or train "
                "anew in another --workdir"
            )


def _here(saved):
    """A saved array, to be placed on this machine's device, whatever it was saved on."""
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.ShapeDtypeStruct(saved.shape, saved.dtype, sharding=sharding)


def _abstract(array):
    sharding = getattr(array, "sharding", None)
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=sharding)
