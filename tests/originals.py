"""Small data sets in the exact layouts that their authors publish, one function each."""

import numpy as np
from photos import write
from scipy import io

CUB_IMAGES = [f"00{c}.Kind_{c}/{c}_{n}.jpg" for c in (1, 2) for n in range(20)]
NABIRDS = {
    "0": "Ducks, Geese, and Swans",
    "295": "Common Eider (Adult male)",
    "817": "Oak Titmouse",
    "1010": "Dark-eyed Junco (Slate-colored)",
}
BREEDS = ("n02085620-Chihuahua", "n02113186-Cardigan", "n02116738-African_hunting_dog")
CARS = ("AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012")
VARIANTS = ("707-320", "F/A-18", "DC-9-30 long name")
SYNSETS = {"n01440764": "tench", "n03773504": "missile", "n04008634": "missile"}


def text(lines) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def cells(texts):
    """A cell array of strings, as MATLAB saves it."""
    array = np.empty((len(texts), 1), object)
    array[:, 0] = texts
    return array


def cub(root):
    """20 images of each of two species, the last five of each for the test."""
    lists = {
        "classes.txt": ["1 001.Black_footed_Albatross", "2 002.Groove_billed_Ani"],
        "images.txt": [f"{n} {path}" for n, path in enumerate(CUB_IMAGES, 1)],
        "image_class_labels.txt": [f"{n} {1 + (n > 20)}" for n in range(1, 41)],
        "train_test_split.txt": [f"{n} {int((n - 1) % 20 < 15)}" for n in range(1, 41)],
    }
    images = {f"images/{path}": number for number, path in enumerate(CUB_IMAGES)}
    files = {name: text(rows) for name, rows in lists.items()}
    write(root / "CUB_200_2011", files | images)


def nabirds(root, count=30):
    """`count` images of three categories in turn, two thirds of them for training."""
    uuids = [f"{n:08x}-21dc-4d0c-bfe1-4cae3c85c829" for n in range(count)]
    kinds = [("295", "1010", "817")[n % 3] for n in range(count)]
    images = [f"{int(k):04d}/{u.replace('-', '')}.jpg" for k, u in zip(kinds, uuids)]
    lists = {
        "classes.txt": [f"{number} {name}" for number, name in NABIRDS.items()],
        "images.txt": [f"{u} {path}" for u, path in zip(uuids, images)],
        "image_class_labels.txt": [f"{u} {k}" for u, k in zip(uuids, kinds)],
        "train_test_split.txt": [
            f"{u} {int(n < count * 2 // 3)}" for n, u in enumerate(uuids)
        ],
    }
    pictures = {f"images/{path}": number for number, path in enumerate(images)}
    files = {name: text(rows) for name, rows in lists.items()}
    write(root / "nabirds", files | pictures)


def stanford_dogs(root):
    """Twelve images of each of three breeds, the last two of each for the test."""
    files = [f"{b}/{b.split('-')[0]}_{n}.jpg" for b in BREEDS for n in range(12)]
    write(root / "Images", {path: number for number, path in enumerate(files)})
    for side, chosen in (("train", lambda n: n < 10), ("test", lambda n: n >= 10)):
        listed = [path for at, path in enumerate(files) if chosen(at % 12)]
        labels = [[BREEDS.index(path.split("/")[0]) + 1] for path in listed]
        content = {"file_list": cells(listed), "labels": np.array(labels, np.uint8)}
        io.savemat(root / f"{side}_list.mat", content)


def stanford_cars(root):
    """Ten training and two test images of two models; a list in devkit/, one beside it."""
    kinds = {"train": [1, 2] * 5, "test": [2, 1]}
    (root / "devkit").mkdir(parents=True)
    for side, of_side in kinds.items():
        first = 100 * len(of_side)
        names = [f"{n:05d}.jpg" for n in range(1, len(of_side) + 1)]
        images = {name: first + n for n, name in enumerate(names)}
        write(root / f"cars_{side}", images)
        kind = [("bbox_x1", "O"), ("class", "O"), ("fname", "O")]
        rows = [(1, label, name) for label, name in zip(of_side, names)]
        name = "train_annos" if side == "train" else "test_annos_withlabels"
        place = root / "devkit" if side == "train" else root
        content = {"annotations": np.array(rows, kind)[None]}
        io.savemat(place / f"cars_{name}.mat", content)
    io.savemat(root / "devkit/cars_meta.mat", {"class_names": cells(CARS).T})


def flowers102(root):
    """Seven images of three of the 102 kinds."""
    labels = np.array([[1, 1, 2, 2, 102, 102, 1]], np.uint8)
    write(root / "jpg", {f"image_{n:05d}.jpg": n for n in range(1, 8)})
    io.savemat(root / "imagelabels.mat", {"labels": labels})
    ids = {"trnid": [[1, 3]], "valid": [[5]], "tstid": [[7, 2, 4, 6]]}
    io.savemat(root / "setid.mat", {name: np.array(n) for name, n in ids.items()})


def fgvc_aircraft(root):
    """Seven images of three variants."""
    lists = {
        "train": ["0000002 F/A-18", "0000001 707-320", "0000003 DC-9-30 long name"],
        "val": ["0000004 F/A-18"],
        "test": ["0000005 707-320", "0000006 F/A-18", "0000007 DC-9-30 long name"],
    }
    files = {f"images_variant_{split}.txt": text(rows) for split, rows in lists.items()}
    images = {f"images/{number:07d}.jpg": number for number in range(1, 8)}
    files |= {"variants.txt": text(VARIANTS).replace(b"name\n", b"name\r\n")}
    write(root / "fgvc-aircraft-2013b/data", files | images)


def imagenet(root):
    """Three training images and a validation image of three classes, and three shifts."""
    files = {"imagenet/classnames.txt": text(f"{n} {s}" for n, s in SYNSETS.items())}
    for label, number in enumerate(SYNSETS):
        for n in range(3):
            files[f"imagenet/images/train/{number}/{number}_{n}.JPEG"] = 10 * label + n
        file = f"ILSVRC2012_val_{label:08d}.JPEG"
        files[f"imagenet/images/val/{number}/{file}"] = 80 + label
        v2 = "imagenetv2/imagenetv2-matched-frequency-format-val"
        files[f"{v2}/{label}/{number}.jpeg"] = 40 + label
        files[f"imagenet-sketch/images/{number}/sketch_1.JPEG"] = 50 + label
        if label != 1:
            files[f"imagenet-adversarial/imagenet-a/{number}/1.jpg"] = 60 + label
            files[f"imagenet-rendition/imagenet-r/{number}/1.jpg"] = 70 + label
    files["imagenet-adversarial/imagenet-a/README.txt"] = b"read me"
    write(root, files)
