"""`python -m apt_jax inspect` tells all that is wrong, and leaves the folder alone."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from photos import encoded, load, photo, write
from PIL import ExifTags, Image

from apt_jax.clip.checkpoint import TINY
from apt_jax.clip.tokens import Tokenizer
from apt_jax.commands import inspect
from apt_jax.data.own.legibility import oddities, readable
from apt_jax.errors import UserError
from apt_jax.features.cache import known_good_file
from apt_jax.report import contact_sheet

CHECKOUT = Path(__file__).parents[1]
ABSENT = "--config.clip.checkpoint=absent"  # no folder, and no network is asked
PLAIN = ("--config", str(CHECKOUT / "configs/folder.py"), "--config.shots=2")


def jpeg(image, **options) -> bytes:
    return encoded(image, "jpeg", **options)


def turned() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return jpeg(photo(900), exif=exif)


SOUND = {
    f"{name}/{number}.jpg": jpeg(photo(100 * label + number))
    for label, name in enumerate(("barn owl", "wren"))
    for number in range(8)
}
GIVEN = {
    f"{split}/{path}": data for split in ("train",) for path, data in SOUND.items()
}
GIVEN |= {
    f"test/{name}/0.jpg": jpeg(photo(n))
    for n, name in ((700, "barn owl"), (701, "wren"))
}


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def root(tmp_path):
    write(tmp_path / "owls", SOUND)
    return tmp_path / "owls"


@pytest.fixture
def look(tmp_path, capsys):
    """Runs the command; (exit status, report)."""

    def run(root, *arguments):
        cache = f"--config.features.cache_dir={tmp_path / 'cache'}"
        given = [str(root), *PLAIN, ABSENT, cache, "--format=json", *arguments]
        status, told = inspect.main(given), capsys.readouterr()
        assert told.err.count("error: ") == (status == 2)
        return status, json.loads(told.out)

    return run


def contents(root) -> dict:
    return {
        path: (path.stat().st_mtime_ns, path.is_file() and path.read_bytes())
        for path in [root, *root.rglob("*")]
    }


def test_a_sound_folder_has_counts_splits_and_a_command_and_status_0(root, look):
    status, report = look(root)
    assert (status, report["refused"]) == (0, [])
    owl, wren = report["classes"]
    assert (owl["folder"], owl["name"], owl["images"]) == ("barn owl", "barn owl", 8)
    assert (owl["train"], owl["val"], owl["test"]) == (6, 0, 2)
    assert (wren["width"], wren["height"]) == (96, 72)
    assert (report["layout"], report["source"]) == ("drawn", "ROOT/CLASS/*")
    assert report["files"]["formats"] == {"JPEG (RGB)": 16}
    assert report["imbalance"] == 1
    assert report["names"] == []
    plan = report["next"]
    assert plan["splits"] == {"train": 12, "val": 0, "test": 4}
    assert (plan["shots"], plan["views"], plan["others"]) == (4, 10, 4)
    assert plan["command"].startswith("python train.py --config ")
    assert f"--config.data.root={root}" in plan["command"]
    assert "--config.shots=2" in plan["command"]


def test_the_command_that_is_told_is_quoted_for_a_shell(tmp_path, look):
    write(tmp_path / "my owls", SOUND)
    _, report = look(tmp_path / "my owls")
    assert f"'--config.data.root={tmp_path}/my owls'" in report["next"]["command"]


def test_unreadable_turned_flat_and_duplicate_files_are_all_named(root, look):
    broken = {"wren/cut.jpg": jpeg(photo(3))[:700], "wren/no.txt": b"no", "wren/0": b""}
    copies = {
        "wren/same.jpg": SOUND["wren/1.jpg"],
        "wren/near.jpg": jpeg(photo(102).resize((60, 45))),
        "barn owl/near.jpg": jpeg(photo(103), quality=50),
    }
    odd = {
        "barn owl/turned.jpg": turned(),
        "barn owl/flat.jpg": jpeg(Image.new("RGB", (90, 90))),
    }
    write(root, broken | copies | odd)
    status, report = look(root)
    files, found = report["files"], report["copies"]
    assert status == 2
    assert files["unreadable"].keys() == broken.keys()
    assert files["unreadable"]["wren/0"] == "empty file"
    assert files["turned"] == ["barn owl/turned.jpg"]
    assert files["flat"] == ["barn owl/flat.jpg"]
    assert [group["paths"] for group in found["same bytes"]] == [
        ["wren/1.jpg", "wren/same.jpg"]
    ]
    assert [group["paths"] for group in found["near copies"]] == [
        ["barn owl/near.jpg", "wren/3.jpg"],
        ["wren/2.jpg", "wren/near.jpg"],
    ]
    assert found["near copies"][0]["classes"] == ["barn owl", "wren"]
    assert any(
        "1 group of near copies lies in several classes" in line
        for line in report["notes"]
    )
    wren = report["classes"][1]
    assert (wren["files"], wren["images"]) == (13, 10)


def test_a_burst_is_named(root, look):
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "K-1"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = (
        "2024:05:17 10:31:02"
    )
    write(root, {f"wren/b{n}.jpg": jpeg(photo(800 + n), exif=exif) for n in range(3)})
    _, report = look(root)
    (group,) = report["copies"]["burst"]
    assert group["paths"] == ["wren/b0.jpg", "wren/b1.jpg", "wren/b2.jpg"]


def test_near_copies_across_given_splits_are_told_and_refuse_nothing(tmp_path, look):
    near = {"train/wren/near.jpg": jpeg(photo(701), quality=50)}
    write(tmp_path / "owls", GIVEN | near)
    status, report = look(tmp_path / "owls")
    (group,) = report["copies"]["near copies"]
    assert (status, report["layout"]) == (0, "given")
    assert group["splits"] == ["test", "train"]
    assert any(
        "1 group of near copies lies in several splits" in line
        for line in report["notes"]
    )
    assert report["classes"][1]["train"] == 9


def test_what_train_would_refuse_is_told_all_at_once_and_is_status_2(root, look):
    write(root, {"wren/same.jpg": SOUND["barn owl/1.jpg"], "wren/no.jpg": b"no"})
    (root / "Wren").mkdir()
    status, report = look(root, "--config.clip.checkpoint=tiny")
    said = " | ".join(report["refused"])
    assert status == 2
    assert "byte-identical copies in another class" in said
    assert "1 file cannot be read as images (wren/no.jpg: not an image)" in said
    assert "CLIP reads as equal ('Wren' = 'wren')" in said
    assert "no training images of 'Wren'" in said
    assert "--config.data.on_error=skip" in said


def test_what_is_skipped_on_request_is_no_longer_refused(root, look):
    write(root, {"wren/same.jpg": SOUND["barn owl/1.jpg"], "wren/no.jpg": b"no"})
    status, report = look(root, "--config.data.on_error=skip")
    assert (status, report["refused"]) == (0, [])
    assert any("dropped: 2 images have byte-id" in line for line in report["notes"])
    assert any("dropped 1 unreadable file:" in line for line in report["notes"])
    assert "on_error=skip" in report["next"]["command"]


def test_a_table_is_looked_at_as_a_folder_is(root, look, tmp_path):
    write(root, {"wren/near.jpg": jpeg(photo(101), quality=50), "no.jpg": b"no"})
    rows = [f"{path},{path.partition('/')[0]}" for path in SOUND]
    rows += ["wren/near.jpg,wren", "no.jpg,wren", "absent.jpg,wren"]
    (root / "owls.csv").write_text("\n".join(["path,label", *rows]))
    status, report = look(root / "owls.csv", f"--out={tmp_path}/sheet.png")
    assert (status, report["name"], report["source"]) == (2, "owls", "a table")
    assert [row["images"] for row in report["classes"]] == [8, 9]
    (group,) = report["copies"]["near copies"]
    assert group["paths"] == ["wren/1.jpg", "wren/near.jpg"]
    assert report["files"]["unreadable"].keys() == {"no.jpg", "absent.jpg"}
    assert "1 of 19 listed images are not below" in report["refused"][0]
    assert f"--config.data.root={root}/owls.csv" in report["next"]["command"]
    assert (tmp_path / "sheet.png").is_file()


def test_the_sheet_never_takes_the_place_of_a_photograph(root, look):
    picture = encoded(photo(800), "png")
    write(root, {"wren/one.png": picture})
    rows = [f"{path},{path.partition('/')[0]}" for path in [*SOUND, "wren/one.png"]]
    (root / "owls.csv").write_text("\n".join(["path,label", *rows]))
    with pytest.raises(UserError, match=r"one\.png is one of the photographs; name an"):
        look(root / "owls.csv", f"--out={root}/wren/one.png")
    assert (root / "wren/one.png").read_bytes() == picture
    with pytest.raises(UserError, match="where nothing is written"):
        inspect.read([f"hf:{root}", f"--out={root}/sheet.png"])


def test_fields_are_those_of_train_where_there_is_no_configuration_file(
    root, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    given = [str(root), "--config.shots=2", ABSENT, "--config.features.cache_dir="]
    assert inspect.main([*given, "--format=json"]) == 0
    assert json.loads(capsys.readouterr().out)["next"]["shots"] == 4
    with pytest.raises(UserError, match="looked at are your own photographs"):
        inspect.main([*given, "--config.data.source=synthetic"])
    with pytest.raises(UserError, match=r"shots=-1 must be a whole number"):
        inspect.main([*given, "--config.shots=-1"])
    with pytest.raises(UserError, match=f"cannot load {root}"):
        inspect.main([*given, "--config.data.source=hub", "--config.data.image=photo"])


def test_a_set_of_the_hub_is_looked_at_as_a_folder_is(look, tmp_path):
    datasets = pytest.importorskip(
        "datasets", reason="NOT CHECKED: no datasets (requirements-hub.txt)"
    )
    datasets.disable_progress_bars()
    features = datasets.Features(
        image=datasets.Image(), label=datasets.ClassLabel(names=["barn owl", "wren"])
    )
    images = [*SOUND.values(), jpeg(photo(101), quality=50)]
    rows = {
        "image": [{"bytes": image, "path": None} for image in images],
        "label": [0] * 8 + [1] * 9,
    }
    one = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict(train=one).save_to_disk(tmp_path / "owls")
    status, report = look(tmp_path / "owls", f"--out={tmp_path}/sheet.png")
    assert (status, report["refused"], report["name"]) == (0, [], "owls")
    assert [row["images"] for row in report["classes"]] == [8, 9]
    (group,) = report["copies"]["near copies"]
    assert group["paths"] == ["train/0000009", "train/0000016"]
    assert any("2 images are near copies" in line for line in report["notes"])
    assert (tmp_path / "sheet.png").is_file()
    hidden = one.select(range(2)).map(lambda row: {"label": -1})
    datasets.DatasetDict(train=one, test=hidden).save_to_disk(tmp_path / "hidden")
    status, report = look(tmp_path / "hidden")
    assert status == 2
    assert "no label (test/0000000, test/0000001)" in report["refused"][0]
    assert [row["images"] for row in report["classes"]] == [8, 9]


def test_a_root_that_is_not_there_is_one_line(look):
    with pytest.raises(UserError, match="no folder nowhere"):
        look("nowhere")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no folders of images; the layouts are"),
        ({"1.jpg": b"x"}, "no folders of images"),
        ({"train/wren/1.jpg": b"x"}, "no folder test"),
    ],
)
def test_a_wrong_layout_is_one_line(tmp_path, look, files, message):
    write(tmp_path / "owls", {".hidden": b""} | files)
    with pytest.raises(UserError, match=message) as caught:
        look(tmp_path / "owls")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([".", "other"], "2 roots named; name one"),
        (["--format=json"], "0 roots named"),
        ([".", "--format=xml"], "choose one of table, json"),
        ([".", "--out=sheet.jpg"], r"name a file that ends in \.png"),
        ([".", "--out", "sheet.png"], "where nothing is written; name a place outside"),
        ([".", "--outt=x.png"], "unknown option --outt; did you mean --out"),
    ],
)
def test_a_wrong_command_line_is_one_line_before_any_work(arguments, message):
    with pytest.raises(UserError, match=message):
        inspect.read(arguments)


def test_an_unknown_field_is_told_its_nearest(root, look):
    with pytest.raises(UserError, match=r"data\.on_eror; did you mean data\.on_error"):
        look(root, "--config.data.on_eror=skip")


def test_nothing_is_written_into_the_folder(root, look, tmp_path):
    before = contents(root)
    look(root, f"--out={tmp_path}/sheet.png")
    look(root, f"--config.features.cache_dir={root}")  # not even where it is asked for
    assert contents(root) == before


def test_looks_are_remembered_for_the_next_command(root, look, tmp_path):
    look(root)
    known = known_good_file(str(tmp_path / "cache")).read_text().split()
    assert len(known) == len(SOUND)


def test_the_contact_sheet_is_a_readable_png_of_bounded_size(root, look, tmp_path):
    write(root, {f"wren/{n}.jpg": jpeg(photo(300 + n)) for n in range(10, 60)})
    write(root, {"wren/zz.jpg": b"no"})
    _, report = look(root, f"--out={tmp_path}/sheets/owls.png")
    assert report["sheets"] == [f"{tmp_path}/sheets/owls.png"]
    data = (tmp_path / "sheets/owls.png").read_bytes()
    with Image.open(io.BytesIO(data)) as sheet:
        sheet.load()
        assert sheet.format == "PNG"
        assert sheet.width < 1300
        assert sheet.height < 2400
    assert len(data) < 5_000_000


def test_many_classes_are_pages_and_what_is_not_drawn_is_said(
    tmp_path, look, monkeypatch
):
    monkeypatch.setattr(contact_sheet, "ROWS", 3)
    monkeypatch.setattr(contact_sheet, "MOST_PAGES", 2)
    names = [chr(ord("a") + n) * 4 for n in range(8)]
    write(
        tmp_path / "owls",
        {
            f"{name}/{n}.jpg": jpeg(photo(10 * at + n))
            for at, name in enumerate(names)
            for n in (0, 1)
        },
    )
    _, report = look(tmp_path / "owls", f"--out={tmp_path}/s.png")
    assert report["sheets"] == [f"{tmp_path}/s.png", f"{tmp_path}/s-2.png"]
    assert report["classes_not_drawn"] == 2
    for path in report["sheets"]:
        with Image.open(path) as page:
            assert page.height == contact_sheet.height_of(3)


def test_copies_have_a_frame_on_the_sheet_and_files_that_are_none_a_grey_tile():
    tile = contact_sheet.face(photo(1))
    rows = [
        contact_sheet.Row(
            "a name that is far too long to stand in its column of a page",
            "3 images\ntrain 1 · val 1 · test 1",
            [
                contact_sheet.Tile(tile),
                contact_sheet.Tile(tile, True),
                contact_sheet.Tile(None),
            ],
        )
    ]
    drawn = contact_sheet.page("title", "subtitle", "legend", rows)
    left = contact_sheet.MARGIN + contact_sheet.NAMES
    middle = contact_sheet.HEAD + contact_sheet.TILE // 2
    pitch = contact_sheet.TILE + contact_sheet.GAP
    plain, framed, absent = (
        drawn.getpixel((left + n * pitch + 1, middle)) for n in range(3)
    )
    assert framed == (0xCE, 0x5C, 0x00)
    assert plain == tile.getpixel((1, contact_sheet.TILE // 2))
    assert absent == (0xF2, 0xF2, 0xF2)


def test_tiles_are_spread_from_first_to_last():
    assert contact_sheet.evenly(list("abc"), 8) == ["a", "b", "c"]
    spread = contact_sheet.evenly([f"{n:02d}" for n in range(50)], 8)
    assert (spread[0], spread[-1], len(set(spread))) == ("00", "49", 8)


@pytest.mark.parametrize(
    ("name", "odd", "better"),
    [
        ("barn owl", [], "barn owl"),
        ("lily-of-the-valley", [], "lily-of-the-valley"),
        ("colt's foot", [], "colt's foot"),
        ("barn_owl", [], "barn owl"),
        ("AnnualCrop", ["words run together"], "annual crop"),
        ("HTTPServer", ["words run together"], "http server"),
        ("n02085620", ["digits are read one by one"], "n02085620"),
        ("ICTE", ["abbreviated: ICTE"], "icte"),
        ("naïve", ["letters that English does not have"], "naïve"),
        (
            "001.Black_footed",
            ["digits are read one by one", "marks: ."],
            "black footed",
        ),
    ],
)
def test_names_that_are_no_words_are_told_with_the_words_they_hold(name, odd, better):
    assert oddities(name, str.split) == odd
    assert readable(name) == better


def test_a_word_in_many_pieces_is_named_with_their_number():
    pieces = {"brown": ["brown"], "affenpinscher": ["aff", "en", "pin", "scher"]}
    assert oddities("brown affenpinscher", pieces.get) == [
        "'affenpinscher' falls into 4 pieces"
    ]


def test_the_backbone_tells_time_memory_and_pieces(root, look):
    status, report = look(root, "--config.clip.checkpoint=tiny")
    plan = report["next"]
    assert status == 0
    assert report["no_backbone"] == ""
    assert plan["seconds"] > 0
    assert plan["tower_ms"] > 0
    assert plan["making_ms"] > 0
    assert plan["bytes"] > 44 * 64  # of 4 x 10 views and 4 test images
    assert plan["peak_bytes"] > 50 * 2**20
    assert plan["train_seconds"] == plan["epochs"] * plan["epoch_seconds"] > 0
    assert "compilation" in plan["not_counted"]
    side = report["small"]["side"]
    assert report["small"]["images"] == (16 if side > 72 else 0)
    tokenizer = Tokenizer(TINY, 77)
    pieces = int(tokenizer.encode(["wren"])[1][0]) - 1
    names = {row["name"]: row["odd"] for row in report["names"]}
    assert ("wren" in names) == (pieces >= 4)


def test_a_name_that_the_tokenizer_cuts_is_refused_by_name(root, look):
    long = " ".join(["gull"] * 40)
    write(root, {f"{long}/{n}.jpg": jpeg(photo(400 + n)) for n in range(4)})
    status, report = look(root, "--config.clip.checkpoint=tiny")
    assert status == 2
    assert any(
        "the tokenizer cuts the prompt of 'gull gull" in w for w in report["refused"]
    )


def test_without_a_backbone_the_estimate_is_left_out_and_says_why(root, look, capsys):
    status, report = look(root)
    assert status == 0
    assert "absent" in report["no_backbone"]
    assert "seconds" not in report["next"]
    inspect.main([str(root), *PLAIN, ABSENT, "--config.features.cache_dir="])
    said = capsys.readouterr().out
    assert "no estimate   " in said
    assert report["no_backbone"] in said
    assert "one can train on these photographs, once the backbone is there" in said


def test_the_table_tells_what_the_report_holds(root, capsys):
    write(
        root,
        {
            "wren/same.jpg": SOUND["wren/1.jpg"],
            "wren/no.jpg": b"no",
            "SeaGull/1.jpg": jpeg(photo(501)),
        },
    )
    status = inspect.main([str(root), *PLAIN, ABSENT, "--config.features.cache_dir="])
    said = capsys.readouterr().out
    assert status == 2
    assert "owls: 18 images of 3 classes (ROOT/CLASS/*, divided by the seed)" in said
    for part in (
        "1 unreadable + 9",
        "wren/no.jpg: not an image",
        "wren/1.jpg ~ wren/same.jpg",
        "SeaGull: words run together (rather 'sea gull'?)",
        "no test images of 'SeaGull'",
        "train.py would refuse these photographs",
        "9.0 images of the largest class",
    ):
        assert part in said


def test_help_is_fast_and_needs_nothing_heavy():
    program = (
        "import sys\n"
        "from apt_jax.commands import inspect\n"
        "inspect.main(['--help'])\n"
        "heavy = {'jax', 'flax', 'transformers', 'matplotlib', 'scipy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    assert "python -m apt_jax inspect ROOT" in found.stdout


# -- pictures of 16 bits ------------------------------------------------------------------


def of_16_bits(number, bits) -> bytes:
    """A grey PNG of 16 bits of which so many are used."""
    values = np.random.default_rng(number).integers(0, 2**bits, (40, 40), np.uint16)
    return encoded(Image.fromarray(values), "png")


def test_pictures_that_use_few_of_16_bits_are_told_and_trained_on(root, look, capsys):
    write(root, {f"wren/x{n}.png": of_16_bits(n, 12) for n in range(3)})
    write(root, {"wren/y.png": of_16_bits(9, 10), "wren/z.png": of_16_bits(8, 16)})
    for _ in range(2):  # the second time remembered
        status, report = look(root)
        (told,) = [line for line in report["notes"] if "16 bits" in line]
        assert told.startswith("few of 16 bits are used in 4 pictures (")
        assert (
            "wren/x0.png: 12, wren/x1.png: 12, wren/x2.png: 12, wren/y.png: 10" in told
        )
        assert "z.png" not in told
        assert status == 0
    load("folder", root)
    assert "note: few of 16 bits are used in 4 pictures" in capsys.readouterr().err
