"""Near copies and bursts are found, told from different pictures, and kept together."""

import io

import numpy as np
import pytest
from photos import encoded, load, paths, write
from PIL import ExifTags, Image, ImageEnhance

from apt_jax import data
from apt_jax.data import scan as scan_module
from apt_jax.data.dataset import Item
from apt_jax.data.images import ImageError
from apt_jax.data.own import looks as looks_module
from apt_jax.data.own import near_copies as near_copies_module
from apt_jax.data.own.bursts import Shot, burst_pairs
from apt_jax.data.own.division import divide
from apt_jax.data.own.groups import linked
from apt_jax.data.own.looks import FILE, look, look_at
from apt_jax.data.own.near_copies import MARGINS, hash_of, near_pairs
from apt_jax.data.scan import scan
from apt_jax.errors import UserError


def photo(number: int, size=(160, 120)) -> Image.Image:
    """A picture of its own for each number, with large shapes and small ones."""
    generator = np.random.default_rng(number)
    layers = [
        Image.fromarray(generator.integers(0, 256, (*cells, 3), dtype=np.uint8)).resize(
            size, Image.Resampling.BICUBIC
        )
        for cells in ((6, 8), (24, 32))
    ]
    return Image.blend(*layers, 0.4)


def near(one: Image.Image, other: Image.Image) -> bool:
    return any(len(i) for i, _ in near_pairs([hash_of(one), hash_of(other)]))


def jpeg(image, **options) -> bytes:
    return encoded(image, "jpeg", **options)


def again(image, quality) -> Image.Image:
    return Image.open(io.BytesIO(jpeg(image, quality=quality))).convert("RGB")


def without(image, share) -> Image.Image:
    x, y = (round(share * side) for side in image.size)
    return image.crop((x, y, image.width - x, image.height - y))


EDITS = {
    "encoded again": lambda image: again(image, 40),
    "smaller": lambda image: image.resize((70, 53), Image.Resampling.LANCZOS),
    "larger": lambda image: image.resize((900, 675), Image.Resampling.BICUBIC),
    "squashed": lambda image: image.resize((128, 128), Image.Resampling.BICUBIC),
    "cropped by 2 %": lambda image: without(image, 0.02),
    "cropped by 5 %": lambda image: without(image, 0.05),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "all of it": lambda image: again(without(image, 0.02).resize((110, 80)), 60),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_copy_is_near_and_order_does_not_matter(edit):
    for number in range(5):
        original, copy = photo(number), EDITS[edit](photo(number))
        assert near(original, copy)
        assert near(copy, original)


def test_different_pictures_are_not_near():
    hashes = [hash_of(photo(number)) for number in range(150)]
    assert not any(len(i) for i, _ in near_pairs(hashes))


@pytest.mark.parametrize(
    "flat",
    [
        Image.new("RGB", (120, 90), "navy"),
        Image.new("RGB", (120, 90), "white"),
        Image.linear_gradient("L").convert("RGB"),
        photo(1).resize((12, 9)),
    ],
)
def test_flat_and_tiny_pictures_have_no_hash_and_are_like_no_other(flat):
    assert hash_of(flat) is None
    assert not near(flat, flat)


def test_two_lakes_of_one_colour_with_noise_are_not_called_alike():
    def lake(seed):
        noise = np.random.default_rng(seed).integers(-1, 2, (64, 64, 3))
        colour = np.array([20, 60, 90])
        return again(Image.fromarray((noise + colour).astype(np.uint8)), 85)

    hashes = [hash_of(lake(seed)) for seed in range(40)]
    assert not any(len(i) for i, _ in near_pairs(hashes))


def test_pairs_are_those_of_the_definition_bit_by_bit():
    generator = np.random.default_rng(0)
    bits = generator.integers(0, 2, (60, len(MARGINS), 256), dtype=np.uint8)
    for place in range(30):  # each has a neighbour, at 3 to 61 bits in one alignment
        flipped = generator.permutation(256)[: 3 + 2 * place]
        bits[30 + place, place % 3] = bits[place, 0]
        bits[30 + place, place % 3, flipped] ^= 1
    hashes = [np.packbits(one).tobytes() for one in bits]

    def is_near(a, b):
        aligned = [(a[0], b[m]) for m in range(3)] + [(a[m], b[0]) for m in range(3)]
        differing = [x ^ y for x, y in aligned]
        return any(d.sum() <= 40 and d[:64].sum() <= 16 for d in differing)

    wanted = {
        (i, j) for i in range(60) for j in range(i + 1, 60) if is_near(bits[i], bits[j])
    }
    found = {
        pair for i, j in near_pairs(hashes) for pair in zip(i.tolist(), j.tolist())
    }
    assert found == wanted
    assert 10 < len(found) < 30


def test_pairs_reach_over_tiles_and_past_pictures_without_a_hash(monkeypatch):
    monkeypatch.setattr(near_copies_module, "ROWS", 2)
    monkeypatch.setattr(near_copies_module, "COLUMNS", 3)
    hashes = [hash_of(photo(number % 7)) for number in range(11)]
    hashes[3] = None
    found = {
        pair for i, j in near_pairs(hashes) for pair in zip(i.tolist(), j.tolist())
    }
    assert found == {(0, 7), (1, 8), (2, 9)}
    assert [len(i) for i, _ in near_pairs([None, None])] == []


def test_what_is_linked_over_others_is_one_group():
    pairs = [(np.array([0, 3]), np.array([1, 4])), (np.array([1]), np.array([2]))]
    assert linked("abcdef", pairs) == [["a", "b", "c"], ["d", "e"], ["f"]]
    assert linked([], [(np.zeros(0, int), np.zeros(0, int))]) == []


def test_a_large_jpeg_and_its_small_copy_are_near_though_decoded_at_a_fraction():
    original = look(jpeg(photo(3, (2400, 1800)), quality=92), "a")
    copy = look(jpeg(photo(3, (2400, 1800)).resize((320, 240))), "b")
    assert (original.width, original.height) == (2400, 1800)
    assert list(near_pairs([original.hash, copy.hash]))


def exif(time="2024:05:17 10:31:02", fraction="25", model="K-1", orientation=1):
    found = Image.Exif()
    found[ExifTags.Base.Make], found[ExifTags.Base.Model] = "Pentax", model
    found[ExifTags.Base.Orientation] = orientation
    within = found.get_ifd(ExifTags.IFD.Exif)
    within[ExifTags.Base.DateTimeOriginal] = time
    within[ExifTags.Base.SubsecTimeOriginal] = fraction
    return found


def test_camera_and_moment_are_read_with_their_fraction():
    earlier = look(jpeg(photo(1), exif=exif()), "a").shot
    later = look(jpeg(photo(1), exif=exif(fraction="5")), "b").shot
    assert earlier.camera == "Pentax K-1"
    assert later.moment - earlier.moment == pytest.approx(0.25)


@pytest.mark.parametrize("time", ["0000:00:00 00:00:00", "yesterday", "", "    "])
def test_a_camera_that_knows_no_time_takes_no_bursts(time):
    assert look(jpeg(photo(1), exif=exif(time)), "a").shot is None
    assert look(jpeg(photo(1)), "a").shot is None


def test_a_burst_goes_on_while_pauses_are_short_and_the_camera_is_the_same():
    moments = {"a": (0, 1.5, 3.4, 5.5), "b": (1.0, 9.0)}
    shots = [Shot(camera, s) for camera, times in moments.items() for s in times]
    i, j = burst_pairs([None, *shots], [0] * 7)
    assert sorted(zip(i.tolist(), j.tolist())) == [(1, 2), (2, 3)]
    i, j = burst_pairs([None, *shots], [0, 0, 0, 1, 1, 0, 0])
    assert list(zip(i.tolist(), j.tolist())) == [(1, 2)]


def test_a_look_tells_what_a_file_is():
    found = look(jpeg(photo(1), exif=exif(orientation=6)), "sha")
    assert (found.width, found.height, found.turned) == (120, 160, True)
    assert (found.format, found.mode, found.sha256) == ("JPEG", "RGB", "sha")
    png = look(encoded(photo(1).convert("P"), "png"), "sha")
    assert (png.width, png.height, png.turned) == (160, 120, False)


def test_a_turned_copy_is_near_to_the_upright_one():
    turned = photo(1).transpose(Image.Transpose.ROTATE_90)  # EXIF 6: turn it right
    one = look(jpeg(turned, exif=exif(orientation=6)), "a")
    other = look(jpeg(photo(1)), "b")
    assert list(near_pairs([one.hash, other.hash]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"buy milk", "not an image"),
        (jpeg(photo(1))[:900], "broken image"),
        (jpeg(photo(1, (2400, 1800)))[:-30_000], "broken image"),
    ],
)
def test_what_is_no_picture_is_told_in_the_words_of_the_scan(content, reason):
    with pytest.raises(ImageError, match=reason):
        look(content, "sha")


@pytest.fixture
def photos(tmp_path):
    """Ten pictures a class, all different."""
    files = {
        f"{name}/{number:02d}.jpg": jpeg(photo(100 * label + number))
        for label, name in enumerate("ab")
        for number in range(10)
    }
    write(tmp_path / "photos", files)
    return tmp_path / "photos"


def sides(dataset) -> dict[str, str]:
    return {
        path: split for split, items in dataset.splits.items() for path in paths(items)
    }


def test_different_pictures_are_split_as_without_groups(photos, capsys):
    for seed in range(6):
        divided = load("folder", photos, seed=seed).splits
        assert divided == load("folder", photos, seed=seed, group="none").splits
    assert "note" not in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(8))
def test_near_copies_of_a_class_stay_on_one_side(photos, capsys, seed):
    copies = {
        f"a/{number}{edit}.jpg": jpeg(EDITS[edit](photo(number)))
        for number in (2, 5)
        for edit in ("smaller", "cropped by 2 %", "all of it")
    }
    write(photos, copies)
    of = sides(load("folder", photos, seed=seed))
    for number in (2, 5):
        group = {
            of[path] for path in of if path.startswith((f"a/{number}", f"a/0{number}"))
        }
        assert len(group) == 1
    assert (
        "8 images are near copies or of one burst, 2 groups" in capsys.readouterr().err
    )


def groups_in(dataset) -> set[frozenset]:
    """The paths of each group of several photographs, as the items tell."""
    by_group = {}
    for item in dataset.items:
        by_group.setdefault(item.group, set()).add(item.path)
    return {frozenset(found) for found in by_group.values() if len(found) > 1}


@pytest.mark.parametrize("seed", range(3))
def test_photographs_know_the_group_that_stayed_on_one_side(photos, seed):
    smaller = jpeg(EDITS["smaller"](photo(3)))
    again = (photos / "a/04.jpg").read_bytes()
    write(photos, {"a/copy.jpg": smaller, "a/again.jpg": again, "a/twice.jpg": smaller})
    bytes_alone = {frozenset(("a/04.jpg", "a/again.jpg"))}
    near = {frozenset(("a/03.jpg", "a/copy.jpg", "a/twice.jpg"))}
    assert groups_in(load("folder", photos, seed=seed)) == bytes_alone | near
    bytes_alone |= {frozenset(("a/copy.jpg", "a/twice.jpg"))}
    plain = load("folder", photos, seed=seed, group="none")
    assert groups_in(plain) == bytes_alone == groups_in(scan(plain))


@pytest.mark.parametrize("seed", range(4))
def test_near_copies_leave_the_split_of_other_classes_as_it_is(photos, seed):
    write(photos, {"a/copy.jpg": jpeg(EDITS["smaller"](photo(3)))})
    grouped = load("folder", photos, seed=seed)
    plain = load("folder", photos, seed=seed, group="none")
    for split in grouped.splits:
        of_b, as_before = (
            [item for item in dataset.splits[split] if item.label == 1]
            for dataset in (grouped, plain)
        )
        assert of_b == as_before


@pytest.mark.parametrize("seed", range(8))
def test_a_burst_stays_on_one_side_and_only_within_its_class(photos, seed):
    times = [f"2024:05:17 10:31:{second:02d}" for second in (0, 2, 4, 6)]
    burst = [jpeg(photo(500 + n), exif=exif(time)) for n, time in enumerate(times)]
    write(photos, {f"a/burst{number}.jpg": one for number, one in enumerate(burst)})
    write(photos, {"b/same moment.jpg": jpeg(photo(600), exif=exif(times[0]))})
    of = sides(load("folder", photos, seed=seed))
    assert len({of[path] for path in of if path.startswith("a/burst")}) == 1
    alone = sides(load("folder", photos, seed=seed, group="none"))
    assert {p: s for p, s in of.items() if p[0] == "b"} == {
        p: s for p, s in alone.items() if p[0] == "b"
    }


def test_a_class_that_is_one_group_is_an_error_that_names_the_field(photos):
    write(
        photos, {f"c/{n}.jpg": jpeg(photo(700), quality=50 + 10 * n) for n in range(4)}
    )
    with pytest.raises(UserError, match=r"all images of 'c' are near.*`group`=none"):
        load("folder", photos)
    assert load("folder", photos, group="none").classes == ("a", "b", "c")


def test_a_folder_has_no_column_to_group_by(photos):
    with pytest.raises(
        UserError, match=r"group=patient: a folder has no columns; .*auto"
    ):
        load("folder", photos, group="patient")


def given(root, **extra):
    """Two classes in the layout with splits, two different pictures each."""
    names = ("train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/b/1.jpg")
    write(
        root, {name: jpeg(photo(number)) for number, name in enumerate(names)} | extra
    )
    return root


def test_near_copies_across_given_splits_are_a_note_and_stay(tmp_path, capsys):
    smaller = EDITS["smaller"](photo(3))  # of test/b/1.jpg
    given(tmp_path, **{"train/b/copy.jpg": jpeg(smaller)})
    dataset = load("folder", tmp_path)
    assert "train/b/copy.jpg" in paths(dataset.train)
    said = capsys.readouterr().err
    assert "1 image of train or val is a near copy" in said
    assert "train/b/copy.jpg ~ test/b/1.jpg" in said
    load("folder", tmp_path, group="none")
    assert "near copies" not in capsys.readouterr().err


def test_photographs_know_their_group_where_splits_are_given_too(tmp_path):
    smaller = jpeg(EDITS["smaller"](photo(3)))  # of test/b/1.jpg
    again = jpeg(photo(0))  # the bytes of train/a/1.jpg
    given(tmp_path, **{"train/b/copy.jpg": smaller, "train/a/again.jpg": again})
    bytes_alone = {frozenset(("train/a/1.jpg", "train/a/again.jpg"))}
    near = {frozenset(("test/b/1.jpg", "train/b/copy.jpg"))}
    assert groups_in(load("folder", tmp_path)) == bytes_alone | near
    assert groups_in(load("folder", tmp_path, group="none")) == bytes_alone


def test_a_burst_across_given_splits_is_a_note(tmp_path, capsys):
    shots = {
        "train/a/burst.jpg": jpeg(photo(10), exif=exif()),
        "test/a/burst.jpg": jpeg(photo(11), exif=exif(fraction="75")),
        "test/b/other class.jpg": jpeg(photo(12), exif=exif()),
    }
    load("folder", given(tmp_path, **shots))
    said = capsys.readouterr().err
    assert "train/a/burst.jpg ~ test/a/burst.jpg" in said
    assert "1 image of train or val" in said


def test_the_first_ten_pairs_are_named_and_the_others_counted(tmp_path, capsys):
    files = {
        f"{split}/a/{n:02d}.jpg": jpeg(photo(n), quality=70 + 10 * (split == "test"))
        for split in ("train", "test")
        for n in range(12)
    }
    write(tmp_path, files | {"train/b/1.jpg": 1, "test/b/1.jpg": 2})
    load("folder", tmp_path)
    said = capsys.readouterr().err
    assert "12 images of train or val" in said
    assert "test/a/09.jpg and 2 more" in said


def test_wider_groups_change_nothing_in_chance():
    found = {"a": [f"a{n}" for n in range(20)], "b": [f"b{n}" for n in range(20)]}
    keys = {path: path for paths in found.values() for path in paths}
    for seed in range(20):
        plain = divide(found, keys, keys, seed)
        grouped = divide(found, keys, keys | {"a3": "a7"}, seed)
        side = {item.path: split for split, items in grouped.items() for item in items}
        assert side["a3"] == side["a7"]
        of_b = [
            [item for items in splits.values() for item in items if item.label == 1]
            for splits in (plain, grouped)
        ]
        assert of_b[0] == of_b[1]


def test_looks_are_remembered_and_a_scan_decodes_nothing_again(
    photos, tmp_path, monkeypatch
):
    known = tmp_path / "cache/decoded.txt"
    decoded = []

    def counted(file, sha256, plain=looks_module._look):
        decoded.append(sha256)
        return plain(file, sha256)

    monkeypatch.setattr(looks_module, "_look", counted)
    monkeypatch.setattr(scan_module, "decode", lambda content: decoded.append("scan"))

    def start():
        def remembering(read, items):
            return look_at(read, items, known)

        source = data.make("folder", root=str(photos))
        dataset = data.load(source, seed=1, look_at=remembering)
        return scan(dataset, known_good_file=known)

    first = start()
    assert len(decoded) == 20
    second = start()
    assert len(decoded) == 20
    assert first.splits == second.splits
    assert len((known.with_name(FILE)).read_text().split("\n")) > 20
    assert set(known.read_text().split()) == {item.sha256 for item in first.items}


def test_remembered_looks_are_those_that_were_taken(photos, tmp_path):
    write(photos, {"a/shot.jpg": jpeg(photo(9), exif=exif()), "a/no.jpg": b"no"})
    known = tmp_path / "cache/decoded.txt"
    names = sorted(path.relative_to(photos).as_posix() for path in photos.glob("*/*"))
    items = [Item(name, 0) for name in names]

    def read(item):
        return (photos / item.path).read_bytes()

    taken, faults = look_at(read, items, known)
    memory = known.with_name(FILE)
    memory.write_text(memory.read_text() + '{"sha256": "half a l')
    again, _ = look_at(read, items, known)
    assert taken == again
    assert taken["a/shot.jpg"].shot is not None
    assert faults == {"a/no.jpg": "not an image"}
