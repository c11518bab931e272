"""What a source of data is: a frozen dataclass whose fields are its `data.*` settings.

Those here belong to every source; a source has its own beside its code. It lists labelled
images, and reads the bytes of one when it is asked for it.
"""

import dataclasses
from pathlib import Path
from typing import ClassVar

from apt_jax.data.dataset import Dataset
from apt_jax.data.roots import reader, require_images
from apt_jax.data.templates import PROMPTS, templates_of
from apt_jax.errors import UserError
from apt_jax.fields import Rule, faults, field, fields_of, one_of


@dataclasses.dataclass(frozen=True)
class Source:
    """The base of all sources, which `data.SOURCES` names."""

    root: str = field(
        "", 'the folder of the images; of "folder" also a table or a set of the hub'
    )
    name: str = field("", "chooses the templates; empty = the folder's name")
    split_file: str = field("", "the lists of images, of source coop")
    class_names: str = field(
        "",
        "a YAML file of readable names; empty = classes.yaml in the root or beside it",
    )
    classes: str = field(
        "all",
        "all classes or half of them (data.base_new)",
        one_of("all", "base", "new"),
    )
    templates: tuple[str, ...] = field(
        (), "prompts with {} for the class name; empty = the data set's", PROMPTS
    )
    group: str = field(
        "auto",
        "what a seeded split keeps on one side: auto = near-identical pictures, none = "
        "only files with the same bytes",
        Rule(bool, "'auto', 'none' or, of a table or a set of the hub, a column"),
    )
    on_error: str = field(
        "stop",
        "skip = drop what cannot be read or has no label, and copies, and say how many",
        one_of("stop", "skip"),
    )

    usual_name: ClassVar[str]  # of the data set, where `name` is empty
    own: ClassVar[bool] = False  # somebody's photographs, looked at before any split
    drawn: ClassVar[bool] = False  # from the seed: a path is another picture at each

    def __post_init__(self):
        """Raises `UserError` for values that the fields' types and rules refuse."""
        if found := faults(fields_of(type(self)), vars(self), "data."):
            raise UserError("; ".join(found))

    @property
    def called(self) -> str:
        """What the data set is called, before it is read.

        Raises:
            UserError: where its files should tell, and are not there.
        """
        return self.name or self.usual_name

    def load(self, seed: int) -> Dataset:
        """The data set; `seed` is for sources that draw or divide.

        Raises:
            UserError: if its files are not as they should be.
        """
        raise NotImplementedError

    def dataset(self, *, name: str = "", root: Path | None = None, **parts) -> Dataset:
        """A data set of these parts, with its name and its templates.

        Args:
            root: the folder that all images are in, in place of the part `read`.

        Raises:
            UserError: if images lie outside the root, or are not there.
        """
        if root is not None:
            parts["read"] = reader(root)
        name = name or self.called
        templates = templates_of(name, self.templates)
        dataset = Dataset(name=name, templates=templates, **parts)
        if root is not None:
            require_images(root, [item.path for item in dataset.items], self.on_error)
        return dataset
