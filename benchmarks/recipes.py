"""The recipe of every method, as Markdown: docs/recipes.md is what this prints.

    python -m benchmarks.recipes > docs/recipes.md

A test compares the two, so a recipe that changes is a line that changes there.
"""

import numpy as np

from apt_jax.data import templates as known_templates
from apt_jax.fields import fields_of
from apt_jax.methods import METHODS, make
from apt_jax.methods.published import EVERY
from apt_jax.methods.selection import CHOSEN
from apt_jax.methods.task import Shots, Task
from apt_jax.tables import Marked, Table, code
from apt_jax.training.fit import recipe_of

# Methods that are two: the fields that make the second.
FORMS = {"tip_adapter": {"trained": True}, "vpt": {"form": "original"}}
CLASSES, SHOTS = 100, (1, 4, 16)
EMBEDDING, LOGIT_SCALE = 512, 100.0  # CLIP's
COLUMNS = (
    "method",
    "protocol",
    "views",
    "area",
    f"epochs at {' / '.join(map(str, SHOTS))} shots",
    "rate",
    "batch",
    "optimiser",
    "schedule",
    "what selects",
)
INSIDE, PUBLISHED, BOTH = "inside_shots", "as_published", "both"

OPENING = f"""# Recipes

What every method does when nothing else is said, printed by
`python -m benchmarks.recipes`. `protocol=inside_shots`, the default, looks at no image
but the shots; `as_published` gives a method the validation images that its paper had, and
what the paper sets by data set.

- **views**: random crops of each training image, encoded once; **area**: the least share of
  the image in one (`augment.views`, `augment.area`). Of one's own photographs there are
  fewer views where there are thousands.
- **epochs**: with {CLASSES} classes; a recipe that counts steps, as APT's and CLIP-LoRA's
  do, has more epochs where there are fewer images. **rate**: the highest learning rate, at
  the logit scale of CLIP ({LOGIT_SCALE:g}). The fields are `train.*`; what is fitted at
  once, and trains no epochs, has none.
- **batch**: images of a step; what is left of an epoch is dropped, unless the last batch is
  kept. **schedule**: a name in `apt_jax/training/schedules.py`, which has the formulas.
- **what selects**: what chose the hyper-parameters that are named, or all of them.
"""
BY_DATA_SET = """
## What papers set by data set

Under `protocol=as_published` alone, and only where you have not set the field yourself.
Inside the shots the table above holds on every data set, and prompts are the data set's own
(`apt_jax/data/templates.py`). What is set on every data set gives way to what is set on
one. A search has the ends of its grids of alpha and beta; `start` is the alpha that the
keys train with before it.
"""
DIFFERS = """
## What differs from the paper

Beside the protocol: inside the shots nothing is selected on validation images, and nothing
is set by data set. What is trained is float32, where many originals have half precision.
"""


def document() -> str:
    """The page."""
    methods = forms()
    parts = [
        OPENING,
        table(COLUMNS, labelled(methods, recipe_rows)),
        BY_DATA_SET,
        table(("method", "data set", "what is set"), rows_by_data_set(methods)),
        DIFFERS,
        *differences(methods),
    ]
    return "\n".join(parts) + "\n"


def table(columns, rows) -> str:
    return Table(columns, rows, texts=len(columns)).markdown()


def forms() -> dict:
    """Every method by its label, those that are two twice."""
    found = {}
    for name in METHODS:
        found[code(name)] = make(name)
        if other := FORMS.get(name):
            fields = ", ".join(f"{field}={value}" for field, value in other.items())
            found[f"{code(name)} {code(fields)}"] = make(name, **other)
    return found


def labelled(methods, rows_of) -> list[list]:
    """The rows of each method with its label in front."""
    return [
        [Marked(label), *row]
        for label, method in methods.items()
        for row in rows_of(method)
    ]


def recipe_rows(method) -> list[list]:
    """A row for both protocols, or one for each where they differ."""
    inside, published = (
        recipe_row(method, protocol) for protocol in (INSIDE, PUBLISHED)
    )
    if inside == published:
        return [[BOTH, *inside]]
    return [[INSIDE, *inside], [PUBLISHED, *published]]


def recipe_row(method, protocol) -> list[str]:
    """What stands in a row behind the protocol."""
    recipes = [recipe_of(method, task_of(shots, protocol)) for shots in SHOTS]
    return [*views_of(method), *trained_by(recipes), selection(method, protocol)]


def task_of(shots: int, protocol: str):
    """What recipes read of a task, of a data set that no paper names."""

    return Task(
        logit_scale=np.float32(LOGIT_SCALE),
        shots=Shots(None, None, np.repeat(np.arange(CLASSES), shots)),
        names=tuple(map(str, range(CLASSES))),
        dataset=EVERY if protocol == PUBLISHED else "",
    )


def views_of(method) -> list[str]:
    views = method.views
    return [str(views.count), f"{views.area:g}"] if views.count else ["none", ""]


def trained_by(recipes) -> list[str]:
    """Epochs, rate, batch, optimiser and schedule; of one recipe but for its epochs."""
    recipe = recipes[0]
    if recipe is None:
        return ["at once", "", "", "", ""]
    epochs = [str(one.epochs) for one in recipes]
    shown = epochs[0] if len(set(epochs)) == 1 else " / ".join(epochs)
    batch = f"{recipe.batch_size}{', the last one kept' * (not recipe.drop_last)}"
    return [
        shown,
        f"{recipe.learning_rate:g}",
        batch,
        optimiser(recipe),
        recipe.schedule,
    ]


def optimiser(recipe) -> str:
    """An optimiser with its own constants."""
    own = f"momentum {recipe.momentum:g}"
    if recipe.optimizer != "sgd":
        own = f"epsilon {recipe.epsilon:g}"
    decay = f"decay {recipe.weight_decay:g}"
    if recipe.not_decayed and recipe.weight_decay:
        decay += f" but of {', '.join(recipe.not_decayed)}"
    return f"{recipe.optimizer}, {own}, {decay}"


def selection(method, protocol) -> str:
    """What selects, and which fields of the method."""
    inside = method.selection.inside_shots
    selects = inside if protocol == INSIDE else method.selection.as_published
    fields = ", ".join(chosen_fields(method))
    return (
        f"{fields}: {selects}"
        if fields and method.selection.validation != "none"
        else selects
    )


def chosen_fields(method) -> list[str]:
    """The fields of a method that training chooses."""
    return [
        name
        for name, line in fields_of(type(method)).items()
        if CHOSEN in f"{line.unset} {line.meaning}"
    ]


def rows_by_data_set(methods) -> list[list]:
    """A row for each method and what its paper sets, with the data sets where it does.

    Of the second form of a method what the first has not.
    """
    found = {}
    for label, method in methods.items():
        name = label.split()[0]
        for data_set, there in method.by_data_set.items():
            for part in parts_of(method, there):
                if (name, part) not in found or data_set not in found[name, part]:
                    found.setdefault((label, part), []).append(data_set)
    return [
        [Marked(label), ", ".join(data_sets), Marked(part)]
        for (label, part), data_sets in found.items()
    ]


def parts_of(method, there) -> list[str]:
    """What a paper sets on a data set, as Markdown."""
    parts = [prompts(there.templates)] if there.templates else []
    trains = method.recipe(task_of(1, PUBLISHED), {}) is not None
    fields = {"train": there.train if trains else {}, "method": there.method}
    for part, values in fields.items():
        set_there = [code(f"{part}.{name}={values[name]}") for name in values]
        parts += [", ".join(set_there)] if set_there else []
    if there.search is not None:
        ends = there.search._asdict().items()
        parts.append("search: " + ", ".join(f"{name} {end:g}" for name, end in ends))
    return parts


def prompts(templates) -> str:
    """Templates by the name that they have, or as they are."""
    if len(templates) == 1:
        return f"the prompt {code(templates[0])}"
    names = [
        name for name, value in vars(known_templates).items() if value == templates
    ]
    return f"{len(templates)} prompts, {code(names[0])}"


def differences(methods):
    """A list for each method."""
    for label, method in methods.items():
        yield "\n".join([f"- {label}", *(f"  - {one}" for one in method.differs)])


if __name__ == "__main__":
    print(document(), end="")
