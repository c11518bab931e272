"""Small archives in the exact layouts of the 19 tasks of VTAB-1k, for tests.

Each maker writes what the authors publish, with few images, and returns what is in it:
{TFDS split: {key: (facts, picture)}}. The facts are what labels follow from; a picture is
the bytes of a file, or an array [H, W] or [H, W, 3] where the archive holds arrays.
"""

import gzip
import io
import json
import pickle
import struct
import tarfile
import zipfile

import h5py
import numpy as np
from photos import encoded
from PIL import Image
from scipy.io import savemat

from apt_jax.data.published.vtab import names

CALTECH_CLASSES = {"BACKGROUND_Google": 33, "Faces": 31, "accordion": 35}
EUROSAT_CLASSES = ("AnnualCrop", "Forest", "SeaLake")
RESISC45_CLASSES = ("airplane", "railway_station", "wetland")
SUN397_KEYS = {
    "tr": [f"/a/abbey/sun_{n:02d}.jpg" for n in range(12)]
    + [f"/c/church/outdoor/sun_{n:02d}.jpg" for n in range(9)]
    + ["/t/track/outdoor/sun_aophkoiosslinihb.jpg"],
    "va": [f"/a/abbey/sun_v{n}.jpg" for n in range(4)],
    "te": [f"/c/church/outdoor/sun_t{n}.jpg" for n in range(5)],
}
# Depths of the objects of CLEVR scenes.
CLEVR_DEPTHS = (
    [8.0, 12.0, 11.5],
    [8.00000001, 9.0, 9.0, 9.0],  # as float32 it is 8
    [8.000001, 9.0, 9.0, 9.0, 20.0],
    [10.0, 8.5, 9.75],
    [8.5001, 8.6, 8.7],
    [9.0, 9.25, 9.5, 9.75, 10.0, 10.25],
    [9.2, 9.25, 9.5, 9.75, 10.0, 10.25, 12.0],
    [9.5, 9.75, 10.0],
    [9.75, 9.8, 10.0, 12.0],
    [10.5, 11.0, 12.0],
    [0.5, 11.0, 12.0],
    [11.0] * 10,
)
# What KITTI's labels say: objects with their type and z.
KITTI_OBJECTS = (
    [("Car", 8.0), ("Pedestrian", 3.0)],
    [("Car", 8.01)],
    [("Van", 20.0), ("Car", 30.5)],
    [("Truck", 20.01)],
    [("Pedestrian", 5.0), ("Tram", 5.0), ("DontCare", -1000.0)],
    [("DontCare", -1000.0)],
    [("Cyclist", 1.0), ("Misc", 2.0), ("Person_sitting", 2.0), ("Car", 70.25)],
    [("Truck", 2.5), ("Van", 9.0)],
)


def photo(number: int, height=5, width=4, kind="jpeg") -> bytes:
    """A picture of one colour, its own for each number."""
    colour = tuple(np.random.default_rng(number).integers(0, 256, 3).tolist())
    return encoded(Image.new("RGB", (width, height), colour), kind)


def tar(path, files: dict[str, bytes], kind="w:gz"):
    with tarfile.open(path, kind) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def zipped(path, files: dict[str, bytes]):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def text(lines) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def cifar100(root, train=2300, test=20):
    truth, files = _cifar(train, test), {}
    for split, rows in truth.items():
        files[f"cifar-100-binary/{split}.bin"] = b"".join(
            bytes([label % 20, label]) + pixels.transpose(2, 0, 1).tobytes()
            for label, pixels in rows.values()
        )
    for kind, count in (("fine", 100), ("coarse", 20)):
        named = [f"{kind}_{number}" for number in range(count)]
        files[f"cifar-100-binary/{kind}_label_names.txt"] = text(named) + b"\n"
    tar(root / "cifar-100-binary.tar.gz", files)
    return truth


def cifar100_python(root, train=40, test=20):
    truth, files = _cifar(train, test), {}
    for split, rows in truth.items():
        planes = [pixels.transpose(2, 0, 1).ravel() for _, pixels in rows.values()]
        labels = [label for label, _ in rows.values()]
        content = {
            b"filenames": [b"x_s_%06d.png" % number for number in rows],
            b"batch_label": b"training batch 1 of 1",
            b"fine_labels": labels,
            b"coarse_labels": [label % 20 for label in labels],
            b"data": np.stack(planes),
        }
        files[f"cifar-100-python/{split}"] = pickled_by_python_2(content)
    meta = {
        b"fine_label_names": [b"fine_%d" % number for number in range(100)],
        b"coarse_label_names": [b"coarse_%d" % number for number in range(20)],
    }
    files["cifar-100-python/meta"] = pickled_by_python_2(meta)
    tar(root / "cifar-100-python.tar.gz", files)
    return truth


def _cifar(train, test):
    generator = np.random.default_rng(0)
    return {
        split: {
            number: (number * 7 % 100, pixels)
            for number, pixels in enumerate(
                generator.integers(0, 256, (count, 32, 32, 3), np.uint8)
            )
        }
        for split, count in (("train", train), ("test", test))
    }


class _Python2(pickle._Pickler):
    """Writes text and bytes as the str of Python 2, and truth values as its NumPy did."""

    def save_bytes(self, value):
        if len(value) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(value)]) + value)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    def save_str(self, value):
        self.save_bytes(value.encode())

    def save_bool(self, value):
        self.save_long(int(value))


_Python2.dispatch = pickle._Pickler.dispatch | {
    bytes: _Python2.save_bytes,
    str: _Python2.save_str,
    bool: _Python2.save_bool,
}


def pickled_by_python_2(content) -> bytes:
    file = io.BytesIO()
    _Python2(file, protocol=2).dump(content)
    return file.getvalue().replace(b"numpy._core.", b"numpy.core.")


def caltech101(root, inside=True):
    files, number = {}, 0
    for name, count in CALTECH_CLASSES.items():
        for image in range(1, count):
            number += 1
            files[f"{name}/image_{image:04d}.jpg"] = photo(number)
    files["BACKGROUND_Google/tmp"] = b"no image"
    packed = {f"101_ObjectCategories/{path}": file for path, file in files.items()}
    if not inside:
        tar(root / "101_ObjectCategories.tar.gz", packed)
        return _caltech_drawn(files)
    outer = root / "outer.tar.gz"
    tar(outer, packed)
    archive = {
        "caltech-101/101_ObjectCategories.tar.gz": outer.read_bytes(),
        "caltech-101/Annotations.tar": b"",
    }
    zipped(root / "caltech-101.zip", archive)
    outer.unlink()
    return _caltech_drawn(files)


def _caltech_drawn(files):
    truth = {"train": {}, "test": {}}
    state = np.random.get_state()
    np.random.seed(1234)
    for name in CALTECH_CLASSES:
        there = sorted(path for path in files if path.startswith(f"{name}/"))
        drawn = np.random.choice(there, 30, replace=False)
        for path in there:
            if path.endswith(".jpg"):
                split = "train" if path in drawn else "test"
                truth[split][path] = (name.lower(), files[path])
    np.random.set_state(state)
    return truth


def dtd(root):
    truth = {"train": {}, "validation": {}, "test": {}}
    lists = {"train": "train1", "validation": "val1", "test": "test1"}
    files = {"dtd/labels/train2.txt": text(["banded/banded_0001.jpg"])}
    number = 0
    for split, count in (("train", 9), ("validation", 5), ("test", 7)):
        for _ in range(count):
            number += 1
            name = ("banded", "polka-dotted", "zigzagged")[number % 3]
            key = f"{name}/{name}_{number:04d}.jpg"
            truth[split][key] = (name, photo(number))
            files[f"dtd/images/{key}"] = photo(number)
        files[f"dtd/labels/{lists[split]}.txt"] = text(truth[split])
    tar(root / "dtd-r1.0.1.tar.gz", files, "w")  # named gz, and none
    return truth


def oxford_flowers102(root):
    labels = np.array([[number * 17 % 102 + 1 for number in range(30)]], np.uint8)
    sets = {"trnid": range(5, 17), "valid": range(17, 22), "tstid": [*range(1, 5), 30]}
    arrays = {name: np.array([list(ids)], np.uint16) for name, ids in sets.items()}
    photos = {f"image_{number:05d}.jpg": photo(number) for number in range(1, 31)}
    tar(root / "102flowers.tgz", {f"jpg/{key}": file for key, file in photos.items()})
    savemat(root / "imagelabels.mat", {"labels": labels})
    savemat(root / "setid.mat", arrays)
    splits = {"train": "trnid", "validation": "valid", "test": "tstid"}
    return {
        split: {
            f"image_{number:05d}.jpg": (
                int(labels[0, number - 1]) - 1,
                photos[f"image_{number:05d}.jpg"],
            )
            for number in sets[name]
        }
        for split, name in splits.items()
    }


def oxford_iiit_pet(root):
    truth = {"train": {}, "test": {}}
    images = {"images/Abyssinian_100.mat": b"no image"}
    lists = {"annotations/list.txt": b"#Image CLASS-ID SPECIES BREED ID\n"}
    for split, first, count in (("train", 1, 20), ("test", 101, 9)):
        rows = []
        for number in range(first, first + count):
            label = number * 5 % 37
            name = f"{names.PETS[label]}_{number}"
            truth[split][f"{name}.jpg"] = (label, photo(number))
            images[f"images/{name}.jpg"] = photo(number)
            lists[f"annotations/trimaps/{name}.png"] = photo(number, kind="png")
            rows.append(f"{name} {label + 1} {number % 2 + 1} {number % 3 + 1}")
        file = {"train": "trainval", "test": "test"}[split]
        lists[f"annotations/{file}.txt"] = text(rows)
    tar(root / "images.tar.gz", images)
    tar(root / "annotations.tar.gz", lists)
    return truth


def sun397(root):
    files = {
        f"SUN397{key}": photo(number)
        for number, key in enumerate(
            key for keys in SUN397_KEYS.values() for key in keys
        )
    }
    tar(root / "SUN397.tar.gz", files | {"SUN397/README.txt": b"no image"})
    splits = {"train": "tr", "validation": "va", "test": "te"}
    return {
        split: {
            key: (key.rpartition("/")[0], files[f"SUN397{key}"])
            for key in SUN397_KEYS[name]
            if "sun_aophkoiosslinihb" not in key
        }
        for split, name in splits.items()
    }


def sun397_lists(folder):
    """Writes lists as those of the tensorflow-datasets package, and says where."""
    (folder / "image_classification").mkdir(parents=True)
    for name, keys in SUN397_KEYS.items():
        file = folder / f"image_classification/sun397_tfds_{name}.txt"
        file.write_bytes(text(keys))
    return folder / "image_classification"


def eurosat(root):
    files = {
        f"2750/{name}/{name}_{number}.jpg": photo(20 * index + number, 64, 64)
        for index, name in enumerate(EUROSAT_CLASSES)
        for number in range(1, 11)
    }
    zipped(root / "EuroSAT.zip", files)
    return {
        "train": {
            f"{path.split('/')[1]}_{path.split('/')[2]}": (path.split("/")[1], file)
            for path, file in files.items()
        }
    }


def resisc45(root):
    truth = {}
    for index, name in enumerate(RESISC45_CLASSES):
        folder = root / "NWPU-RESISC45" / name
        folder.mkdir(parents=True)
        (folder / "Thumbs.db").touch()
        for number in range(1, 11):
            file = photo(20 * index + number, 256, 256)
            (folder / f"{name}_{number:03d}.jpg").write_bytes(file)
            truth[f"{name}_{name}_{number:03d}.jpg"] = (name, file)
    return {"train": truth}


def svhn(root):
    truth, generator = {}, np.random.default_rng(1)
    for split, count in (("train", 40), ("test", 15), ("extra", 2)):
        pixels = generator.integers(0, 256, (32, 32, 3, count), np.uint8)
        digits = np.arange(count, dtype=np.uint8)[:, None] % 10 + 1
        file = root / f"{split}_32x32.mat"
        savemat(file, {"X": pixels, "y": digits}, do_compression=True)
        truth[split] = {
            number: (int(digits[number, 0]), pixels[..., number])
            for number in range(count)
        }
    return truth


def smallnorb(root):
    truth, generator = {}, np.random.default_rng(2)
    files = {
        "train": ("5x46789x9x18x6x2x96x96-training", 30),
        "test": ("5x01235x9x18x6x2x96x96-testing", 41),
    }
    for split, (name, count) in files.items():
        views = generator.integers(0, 256, (count, 2, 96, 96), np.uint8)
        info = np.stack([[n % 10, n % 9, n % 18 * 2, n % 6] for n in range(count)])
        arrays = {"dat": views, "cat": np.arange(count) % 5, "info": info}
        for kind, array in arrays.items():
            file = root / f"smallnorb-{name}-{kind}.mat.gz"
            file.write_bytes(gzip.compress(norb_matrix(array), 1))
        truth[split] = {n: (info[n].tolist(), views[n, 0]) for n in range(count)}
    return truth


def norb_matrix(array) -> bytes:
    """The small NORB format: at least three sizes are written, of absent ones 1."""
    magic = 0x1E3D4C55 if array.dtype == np.uint8 else 0x1E3D4C54
    sizes = [*array.shape, 1, 1][: max(3, array.ndim)]
    data = array if array.dtype == np.uint8 else array.astype("<i4")
    head = struct.pack(f"<{2 + len(sizes)}i", magic, array.ndim, *sizes)
    return head + data.tobytes()


def patch_camelyon(root):
    truth, generator = {}, np.random.default_rng(3)
    for split, name, count in (
        ("train", "train", 9),
        ("validation", "valid", 5),
        ("test", "test", 6),
    ):
        pixels = generator.integers(0, 256, (count, 96, 96, 3), np.uint8)
        labels = (np.arange(count) // 2 % 2).astype(np.uint8)
        for kind, array in (("x", pixels), ("y", labels[:, None, None, None])):
            file = io.BytesIO()
            with h5py.File(file, "w") as whole:
                whole[kind] = array
            path = root / f"camelyonpatch_level_2_split_{name}_{kind}.h5.gz"
            path.write_bytes(gzip.compress(file.getvalue(), 1))
        truth[split] = {
            f"{name}_{number}": (int(labels[number]), pixels[number])
            for number in range(count)
        }
    return truth


def dsprites(root, kind="hdf5", count=200):
    generator = np.random.default_rng(4)
    images = generator.integers(0, 2, (count, 64, 64), np.uint8)
    number = np.arange(count)
    zero = np.zeros(count, np.int64)
    classes = [zero, number % 3, number % 6, number % 40, number * 3 % 32, number % 32]
    classes = np.stack(classes, 1)
    values = classes / 40
    path = root / f"dsprites_ndarray_co1sh3sc6or40x32y32_64x64.{kind}"
    if kind == "hdf5":
        with h5py.File(path, "w") as file:
            pieces = {"chunks": (48, 16, 16), "compression": "gzip"}
            file.create_dataset("imgs", data=images, **pieces)
            file["latents/classes"], file["latents/values"] = classes, values
    else:
        named = {"latents_classes": classes, "latents_values": values, "imgs": images}
        metadata = np.array({"title": "dSprites"}, dtype=object)
        np.savez_compressed(path, metadata=metadata, **named)
    return {
        "train": {
            n: ((int(classes[n, 3]), int(classes[n, 4])), images[n] * np.uint8(255))
            for n in range(count)
        }
    }


def clevr(root):
    truth, files = {}, {}
    for split, name, count in (("train", "train", 30), ("validation", "val", 12)):
        scenes, truth[split] = [], {}
        for number in range(count):
            depths = CLEVR_DEPTHS[number % len(CLEVR_DEPTHS)]
            key = f"CLEVR_{name}_{number:06d}.png"
            picture = photo(number + 100 * (name == "val"), kind="png")
            truth[split][key] = (depths, picture)
            files[f"CLEVR_v1.0/images/{name}/{key}"] = picture
            things = [_thing(depth) for depth in depths]
            scenes.append({"image_filename": key, "objects": things, "split": name})
        info = {"info": {"split": name, "license": "[CC BY]"}, "scenes": scenes}
        files[f"CLEVR_v1.0/scenes/CLEVR_{name}_scenes.json"] = json.dumps(info).encode()
    for name in ("train", "val", "test"):
        questions = json.dumps({"questions": []}).encode()
        files[f"CLEVR_v1.0/questions/CLEVR_{name}_questions.json"] = questions
    files["CLEVR_v1.0/images/test/CLEVR_test_000000.png"] = photo(0, kind="png")
    zipped(root / "CLEVR_v1.0.zip", files)
    return truth


def _thing(depth):
    return {
        "color": "red",
        "material": "metal",
        "shape": "cube",
        "size": "large",
        "rotation": 1.5,
        "pixel_coords": [120, 80, depth],
        "3d_coords": [0.5, 1.0, 0.7],
    }


def kitti(root, count=60, drives=30):
    shuffled = np.random.default_rng(5).permutation(count)
    drive_of_line = [
        f"2011_09_26_drive_{line % drives:04d}_sync" for line in range(count)
    ]
    lines = [
        f"2011_09_26 {drive} {line:010d}" for line, drive in enumerate(drive_of_line)
    ]
    devkit = {
        "readme.txt": b"readme",
        "mapping/train_rand.txt": ",".join(str(line + 1) for line in shuffled).encode(),
        "mapping/train_mapping.txt": text(lines),
    }
    zipped(root / "devkit_object.zip", devkit)
    images = {"testing/image_2/000000.png": photo(0, kind="png")}
    labels, rows = {}, {}
    for number in range(count):
        objects = KITTI_OBJECTS[number % len(KITTI_OBJECTS)]
        name = f"{number:06d}"
        picture = photo(number, kind="png")
        images[f"training/image_2/{name}.png"] = picture
        labels[f"training/label_2/{name}.txt"] = text(
            f"{kind} 0.00 0 1.57 1.0 2.0 3.0 4.0 1.5 1.6 3.7 -1.10 1.60 {z:.2f} 1.60"
            for kind, z in objects
        )
        rows[f"{name}.png"] = (objects, picture)
    zipped(root / "data_object_image_2.zip", images)
    zipped(root / "data_object_label_2.zip", labels)
    return _by_drive(rows, [drive_of_line[line] for line in shuffled])


def _by_drive(rows, drives):
    """By hand: a tenth of the drives drawn for the test, then as many for validation."""
    state = np.random.get_state()
    np.random.seed(123)
    left, truth = sorted(set(drives)), {}
    for split in ("test", "validation"):
        drawn = set(np.random.choice(left, len(set(drives)) // 10, replace=False))
        left = [drive for drive in left if drive not in drawn]
        truth[split] = drawn
    truth["train"] = set(left)
    np.random.set_state(state)
    return {
        split: {key: rows[key] for key, drive in zip(rows, drives) if drive in of}
        for split, of in truth.items()
    }


def dmlab(root):
    truth, files, number = {}, {}, 0
    for split, shards in (("train", (7, 6)), ("validation", (5,)), ("test", (8,))):
        truth[split] = {}
        for shard, count in enumerate(shards):
            records = []
            for _ in range(count):
                number += 1
                key = f"dmlab_{number:04d}.jpeg".encode()
                truth[split][key] = (number % 6, photo(number, 360, 480))
                records.append(example(key, *truth[split][key]))
            name = f"dmlab-{split}.tfrecord-{shard:05d}-of-{len(shards):05d}"
            files[name] = b"".join(map(framed, records))
    tar(root / "dmlab.tar.gz", files)
    return truth


def example(key, label, image) -> bytes:
    """A tf.train.Example."""
    from tensorflow_datasets.proto import tf_example_generated_pb2

    message = tf_example_generated_pb2.Example()
    features = message.features.feature
    features["filename"].bytes_list.value.append(key)
    features["label"].int64_list.value.append(label)
    features["image"].bytes_list.value.append(image)
    return message.SerializeToString()


def framed(data: bytes) -> bytes:
    """A TFRecord of the data, with right checksums."""
    length = struct.pack("<Q", len(data))
    sums = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return length + sums[0] + data + sums[1]


def masked_crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC32C[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _crc32c_of_byte(crc):
    for _ in range(8):
        crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    return crc


CRC32C = [_crc32c_of_byte(byte) for byte in range(256)]


def diabetic_retinopathy(root):
    truth = {"train": {}, "validation": {}, "test": {}}
    photos = {"train": {}, "test": {}}
    for number in range(10):
        for side in ("left", "right"):
            name = f"{number}_{side}"
            folder = "train" if number < 5 else "test"
            split = "train" if number < 5 else ("validation", "test")[number % 2]
            picture = eye(2 * number + (side == "right"))
            truth[split][name] = (number % 5, picture)
            photos[folder][f"{folder}/{name}.jpeg"] = picture
    for folder, files in photos.items():
        zipped(root / f"{folder}.zip", files)
    rows = [f"{name},{level}" for name, (level, _) in truth["train"].items()]
    labels = {"trainLabels.csv": text(["image,level", *rows])}
    zipped(root / "trainLabels.csv.zip", labels)
    solution = [
        f"{name},{level},{usage}"
        for split, usage in (("test", "Private"), ("validation", "Public"))
        for name, (level, _) in truth[split].items()
    ]
    (root / "retinopathy_solution.csv").write_bytes(
        text(["image,level,Usage", *solution])
    )
    return truth


def eye(number: int, height=120, width=150, radius=55) -> bytes:
    """A photo of a disc on black, with a pattern of its own for each number."""
    y, x = np.mgrid[:height, :width]
    inside = (y - height // 2) ** 2 + (x - width // 2) ** 2 <= radius**2
    waves = [np.sin(x / (5 + number)), np.cos(y / 7), np.sin((x + y) / 9)]
    pixels = np.stack([120 + 60 * wave for wave in waves], -1) * inside[..., None]
    return encoded(Image.fromarray(pixels.astype(np.uint8)), "jpeg", quality=95)
