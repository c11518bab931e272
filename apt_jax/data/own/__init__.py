"""Anybody's own photographs: a folder, a table, or a set in the hub's format.

Each kind is a file with a source that finds them (`folder`, `table`, `hub`). Then one way
for all (`photographs`): a look at each, what belongs together (`groups`), and the three
splits, which are given or drawn (`division`).
"""

from apt_jax.data.own import folder, hub, table
from apt_jax.data.own.folder import Folder
from apt_jax.data.own.hub import Hub
from apt_jax.data.own.table import Table

__all__ = ["KINDS", "Folder", "Hub", "Table", "holds_photographs"]

KINDS = ("folder", "table", "hub")  # as `data.source` calls them


def holds_photographs(root: str) -> bool:
    """Whether a root is a table, a set of the hub, or a folder of pictures, by names.

    Raises:
        UserError: if nothing is there.
    """
    return table.is_table(root) or hub.is_hub(root) or folder.holds_pictures(root)
