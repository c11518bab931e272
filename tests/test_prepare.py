"""Preparing TFDS data: our builders without TensorFlow, theirs in a process apart."""

import dataclasses
import hashlib
import importlib.util
import sys
import tarfile

import pytest
from photos import encoded, load, png, write
from PIL import Image

from apt_jax.commands.prepare import main
from apt_jax.data import prepare
from apt_jax.data.published import builders
from apt_jax.data.published.originals.fgvc_aircraft import ARCHIVE
from apt_jax.data.published.tfds import verify
from apt_jax.errors import UserError

pytestmark = pytest.mark.usefixtures("small_sets")
VARIANTS = ["707-320", "F/A-18"]


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A small fgvc-aircraft-2013b.tar.gz, in the place of the one on the web."""
    folder = tmp_path / "web/fgvc-aircraft-2013b"
    lists = {
        f"images_{kind}_{split}.txt": "".join(
            f"{number:07d} {names[number % 2]}\n" for number in numbers
        ).encode()
        for kind, names in (("variant", VARIANTS), ("manufacturer", ["Boeing", "MD"]))
        for split, numbers in (("train", range(6)), ("val", (6, 7)), ("test", (8, 9)))
    }
    lists |= {
        "variants.txt": "\n".join(VARIANTS).encode(),
        "manufacturers.txt": b"Boeing\nMD",
    }
    write(folder / "data", lists | {f"images/{n:07d}.jpg": n for n in range(10)})
    archive = tmp_path / "web" / ARCHIVE.file
    with tarfile.open(archive, "w:gz") as file:
        file.add(folder, folder.name)
    here = dataclasses.replace(ARCHIVE, url=archive.as_uri())
    monkeypatch.setattr(builders, "ARCHIVE", here)
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(builders.FgvcAircraft, "MD5", md5)
    return tmp_path / "tfds"


def test_aircraft_download_by_themselves_and_need_no_tensorflow(published, capsys):
    main(["fgvc_aircraft/variant", f"--data_dir={published}"])
    said = capsys.readouterr().out
    assert "to download: 2.75 GB" in said
    assert "licence: non-commercial research" in said
    assert "(train 6, validation 2, test 2)" in said
    assert "--config.data.source=tfds --config.data.name=fgvc_aircraft/variant" in said
    assert "tensorflow" not in sys.modules
    dataset = load("tfds", published, name="fgvc_aircraft")
    assert dataset.classes == tuple(VARIANTS)
    assert dataset.templates == ("a photo of a {}, a type of aircraft.",)
    found = {dataset.read(item): item.label for item in dataset.train}
    assert found == {png(number): number % 2 for number in range(6)}


def test_what_is_prepared_is_only_checked(published, capsys, monkeypatch):
    name = ["fgvc_aircraft/manufacturer", f"--data_dir={published}"]
    main(name)
    monkeypatch.setattr(builders.FgvcAircraft, "_read", None)
    main(name)
    assert capsys.readouterr().out.count("whole: ") == 2
    folder = published / "fgvc_aircraft/manufacturer/1.0.0"
    next(folder.glob("*-test.*")).unlink()
    with pytest.raises(UserError, match=r"1 of 3 files"):
        main(name)


def test_nabirds_without_its_archive_is_told_how_to_get_it(tmp_path):
    with pytest.raises(
        UserError,
        match=r"(?s)manual does not exist.*Fill in the form at https://dl\.all",
    ):
        main(["nabirds", f"--data_dir={tmp_path}"])


def test_nabirds_keep_their_official_training_split(tmp_path):
    ids = [f"{n:08x}" for n in range(30)]
    lists = {
        "classes.txt": "0 Birds\n5 Osprey (Adult)\n9 Oak Titmouse\n",
        "images.txt": "".join(f"{i} 0005/{i}.jpg\n" for i in ids),
        "image_class_labels.txt": "".join(
            f"{i} {(5, 9)[n % 2]}\n" for n, i in enumerate(ids)
        ),
        "train_test_split.txt": "".join(
            f"{i} {int(n < 20)}\n" for n, i in enumerate(ids)
        ),
    }
    manual = tmp_path / "mine"
    pictures = {f"images/0005/{i}.jpg": n for n, i in enumerate(ids)}
    files = {name: text.encode() for name, text in lists.items()}
    write(manual / "nabirds", files | pictures)
    main(["nabirds", f"--data_dir={tmp_path}", f"--manual_dir={manual}"])
    assert verify(tmp_path / "nabirds/1.0.0") == {"test": 10, "train": 20}
    dataset = load("tfds", tmp_path, name="nabirds")
    assert dataset.classes == ("Osprey (Adult)", "Oak Titmouse")


def test_a_builder_that_needs_tensorflow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(prepare.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"food101 needs TensorFlow.*requirements-tfds"):
        main(["food101", f"--data_dir={tmp_path}"])


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None,
    reason="NOT CHECKED: TensorFlow, with which TFDS prepares, is not installed",
)
def test_a_builder_of_tfds_is_prepared_in_a_process_apart(tmp_path, capfd):
    command = ["resisc45", f"--data_dir={tmp_path}", f"--manual_dir={tmp_path}"]
    with pytest.raises(UserError, match="resisc45 is not prepared, for the reason"):
        main(command)
    said = capfd.readouterr().err
    assert "error: TFDS cannot prepare resisc45/3.0.0 (AssertionError: You must" in said
    assert "Traceback" not in said
    picture = encoded(Image.new("RGB", (256, 256)), "jpeg")
    names = ("airplane", "wetland")
    files = {f"{name}/{name}_{n:03d}.jpg": picture for name in names for n in (1, 2, 3)}
    write(tmp_path / "NWPU-RESISC45", files)
    assert main(command) == 0
    said = capfd.readouterr().out
    assert "(train 6)" in said
    assert "licence: " in said
    assert "tensorflow" not in sys.modules
    dataset = load("tfds", tmp_path, name="resisc45", test_split="train[80%:]")
    assert len(dataset.classes) == 45
    assert len(dataset.test) == 1


def test_unknown_names_and_small_disks_are_told_before_any_work(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"TFDS has no fod101 .*mean food101\?"):
        main(["fod101", f"--data_dir={tmp_path}"])
    with pytest.raises(UserError, match=r"TFDS has no fgvc_aircraft/maker"):
        main(["fgvc_aircraft/maker", f"--data_dir={tmp_path}"])
    free = prepare.shutil.disk_usage(tmp_path)._replace(free=10**9)
    monkeypatch.setattr(prepare.shutil, "disk_usage", lambda path: free)
    with pytest.raises(
        UserError, match=r"food101/2\.0\.0 needs about 15 GB .* 1 GB are free"
    ):
        main(["food101", f"--data_dir={tmp_path}"])
    assert list(tmp_path.iterdir()) == []
