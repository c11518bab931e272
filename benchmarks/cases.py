"""Small runs of every kind, as command lines: what `benchmarks.against` compares.

DATA stands for a folder that `make_data` fills once, OUT for one of the case's own.
`train`, `eval`, `predict`, `grid` and `study` are the commands; `copy` copies a folder.
"""

import csv
import importlib
import json
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

TESTS = Path(__file__).parents[1] / "tests"
# The same for all, and nothing from elsewhere.
PLAIN = "--config.clip.dtype=float32 --config.features.cache_dir="
TINY = f"{PLAIN} --config.clip.checkpoint=tiny"
SHORT = "--config.train.checkpoint_every=1000 --config.eval.samples=4"
DRAWN = " ".join(
    f"--config.data.{split}_images={count}"
    for split, count in (("train", 4), ("val", 2), ("test", 4))
)
FEW = "--config.augment.views=2"
FOLDER = f"--config configs/folder.py --config.data.root=DATA/photos {TINY} {SHORT}"
TABLE = (
    "--config configs/folder.py --config.data.source=table "
    f"--config.data.root=DATA/table.csv --config.data.group=visit {TINY} {SHORT}"
)
SPLIT = (
    "--config configs/coop.py --config.data.root=DATA --config.data.name=colours "
    f"--config.data.split_file=DATA/split.json {TINY} {SHORT}"
)
GRID = f"--config configs/studies/few_shot.py {PLAIN} --config.eval.samples=4 {FEW}"
GRID_DRAWN = DRAWN.replace("config.data", "config.sets.synthetic")
VTAB = (
    "caltech101,cifar100,clevr_count,clevr_distance,diabetic_retinopathy,dmlab,"
    "dsprites_location,dsprites_orientation,dtd,eurosat,kitti_distance,"
    "oxford_flowers102,oxford_iiit_pet,patch_camelyon,resisc45,smallnorb_azimuth,"
    "smallnorb_elevation,sun397,svhn"
)
CASES = {
    "quickstart": (
        f"train --config configs/quickstart.py {PLAIN} {DRAWN} {FEW} {SHORT} "
        "--config.train.epochs=10 --workdir OUT/run",
        "predict --workdir OUT/run DATA/new --format=csv --out OUT/predicted.csv "
        "--on-error=skip",
        "copy OUT/run OUT/again",
        "eval --workdir OUT/again --config.eval.samples=7 --config.eval.bins=5",
    ),
    "folder": (
        f"train {FOLDER} {FEW} --config.train.epochs=4 --workdir OUT/run",
        "predict --workdir OUT/run DATA/new DATA/photos/red --format=json "
        "--out OUT/predicted.json --on-error=skip",
    ),
    "table": (f"train {TABLE} --config.method.name=linear_probe --workdir OUT/run",),
    "split_file": (
        f"train {SPLIT} --config.method.name=coop --config.method.drop_context=0.3 "
        f"--config.shots=2 {FEW} --config.train.epochs=2 --workdir OUT/run",
    ),
    "base_new": (
        f"train {SPLIT} --config.data.classes=base --config.shots=2 {FEW} "
        "--config.train.epochs=4 --workdir OUT/run",
    ),
    "vpt": (
        f"train {SPLIT} --config.method.name=vpt --config.shots=2 {FEW} "
        "--config.train.epochs=1 --workdir OUT/run",
    ),
    "clip_lora": (
        f"train {SPLIT} --config.method.name=clip_lora --config.method.steps=2 "
        f"--config.shots=1 {FEW} --workdir OUT/run",
    ),
    "members": (
        f"train {SPLIT} --config.method.members=2 --config.shots=2 {FEW} "
        "--config.train.epochs=3 --workdir OUT/run",
    ),
    "as_published": (
        f"train {SPLIT} --config.protocol=as_published "
        "--config.method.name=tip_adapter --config.method.trained=True "
        f"--config.shots=2 {FEW} --config.train.epochs=3 --workdir OUT/run",
    ),
    "as_published_grid": (
        f"grid {GRID} {GRID_DRAWN} --config.protocol=as_published "
        "--config.methods=tip_adapter_f,gda,linear_probe,lp_plus_plus "
        "--config.shots=2 --config.seeds=1 --config.train.epochs=2 --workdir OUT/grid",
    ),
    "grid": (
        f"grid {GRID} {GRID_DRAWN} --config.methods=zero_shot,clip_adapter,apt,gda "
        "--config.shots=1,4 --config.seeds=1,2 --config.train.epochs=2 "
        "--workdir OUT/grid",
    ),
    "grid_with_search": (
        f"grid {GRID} {GRID_DRAWN} --config.methods=clip_adapter --config.shots=2 "
        "--config.seeds=1,2 --config.train.epochs=2 --config.search_refit=train+val "
        "--config.search.train.learning_rate=0.02,0.002 --workdir OUT/grid",
    ),
    "variance": (
        f"study variance --config configs/studies/variance.py {PLAIN} {DRAWN} "
        "--config.study.permutations=99 --workdir OUT/study",
    ),
    "controlled": (
        "study controlled --config configs/studies/controlled_variance.py "
        f"{PLAIN} {SHORT} {FEW} --config.data.test_images=4 --config.shots=2 "
        "--config.study.levels=2 --config.study.seeds=1 --config.study.permutations=99 "
        "--config.study.rivals=clip_adapter --config.train.epochs=2 "
        "--workdir OUT/study",
    ),
    "vtab": (  # archives are unpacked beside themselves
        "copy DATA/vtab OUT/vtab",
        f"grid --config configs/studies/visual_prompts.py {PLAIN} "
        f"--config.datasets={VTAB} --config.data.root=OUT/vtab "
        "--config.data.on_error=skip --config.methods=tip_adapter --config.seeds=1 "
        "--config.variants.tip_adapter.method.alpha=1 "
        "--config.variants.tip_adapter.method.beta=1 --config.search_refit=train "
        "--config.search.train.learning_rate= --config.search.train.weight_decay= "
        "--workdir OUT/grid",
    ),
    "shifts": (
        "train --config configs/imagenet.py --config.data.root=DATA/imagenet "
        f"--config.data.on_error=skip {TINY} {SHORT} --config.method.name=clip_adapter "
        f"--config.shots=2 {FEW} --config.train.epochs=2 --workdir OUT/run",
    ),
}
COLOURS = {
    "red": (200, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 60, 210),
    "yellow": (210, 200, 50),
}


def make_data(folder: Path):
    """All that the cases read, below `folder`; always the same."""
    photographs(folder)
    sys.path.append(str(TESTS))
    importlib.import_module("originals").imagenet(folder)
    vtab(folder)


def photographs(folder: Path):
    """photos/CLASS/*, a table and a split file of them, and new/* without labels.

    Each class has a copy and a near copy, which a split must not take apart; new/ has a
    file that is no picture.
    """
    chance, rows = np.random.default_rng(1), []
    for label, (name, colour) in enumerate(COLOURS.items()):
        of_class = folder / "photos" / name
        of_class.mkdir(parents=True)
        for number in range(8):
            photograph(chance, colour).save(of_class / f"{number}.png")
            rows.append(
                (f"photos/{name}/{number}.png", label, name, f"{name} {number // 2}")
            )
        shutil.copy(of_class / "0.png", of_class / "copy.png")
        Image.open(of_class / "1.png").save(of_class / "near.jpg", quality=60)
    with open(folder / "table.csv", "w", newline="", encoding="utf-8") as file:
        table = [(path, name, visit) for path, _, name, visit in rows]
        csv.writer(file).writerows([("path", "label", "visit"), *table])
    split = {"train": rows[0::2], "val": rows[1::4], "test": rows[3::4]}
    split = {part: [row[:3] for row in of_part] for part, of_part in split.items()}
    (folder / "split.json").write_text(json.dumps(split), encoding="utf-8")
    (folder / "new").mkdir()
    for number, colour in enumerate(COLOURS.values()):
        photograph(chance, colour).save(folder / f"new/{number}.png")
    (folder / "new/broken.png").write_bytes(b"no picture")


def photograph(chance, colour) -> Image.Image:
    """Coarse noise around a colour, smoothly enlarged."""
    noise = 45 * chance.normal(size=(9, 12, 3))
    cells = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(cells).resize((96, 72), Image.Resampling.BICUBIC)


def vtab(folder: Path):
    """vtab/TASK with the toy archives of the tests, and in site/ what tells their sizes.

    The archives are smaller than those published, whose sizes and lists are read from the
    package of TFDS: site/ has a package of its name that knows other lists and no sizes.
    """
    archives = importlib.import_module("vtab_archives")
    for task in VTAB.split(","):
        (folder / "vtab" / task).mkdir(parents=True)
        archive = task if hasattr(archives, task) else task.split("_")[0]
        getattr(archives, archive)(folder / "vtab" / task)
    package = folder / "site/tensorflow_datasets"
    lists = archives.sun397_lists(package)
    (real,) = find_spec("tensorflow_datasets").submodule_search_locations
    for file in Path(real, "image_classification").glob("*.txt"):
        if not (lists / file.name).exists():
            shutil.copy(file, lists)
    (package / "__init__.py").write_text(
        f"__path__.append({str(real)!r})\n", encoding="utf-8"
    )
