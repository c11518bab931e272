"""TFDS's own builders of the VTAB tasks, run over archives that lie in a folder.

Most builders need TensorFlow only to open and list files. Without it they get stand-ins for
those few functions; what they then generate is TFDS's own: splits, keys, labels, images.
"""

import contextlib
import glob
import gzip
import importlib
import io
import os
import shutil
import tarfile
import types
import zipfile
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit

import h5py
import numpy as np
import scipy.io
import tensorflow_datasets as tfds
from PIL import Image

BUILDERS = {  # name in TFDS, by the archive
    "cifar100": "cifar100",
    "caltech101": "caltech101",
    "dtd": "dtd",
    "oxford_flowers102": "oxford_flowers102",
    "oxford_iiit_pet": "oxford_iiit_pet",
    "svhn": "svhn_cropped",
    "sun397": "sun397/tfds",
    "patch_camelyon": "patch_camelyon",
    "eurosat": "eurosat/rgb",
    "resisc45": "resisc45",
    "diabetic_retinopathy": "diabetic_retinopathy_detection/btgraham-300",
    "clevr": "clevr",
    "kitti": "kitti",
    "dsprites": "dsprites",
    "smallnorb": "smallnorb",
    "dmlab": "dmlab",
}


class Downloads:
    """Stands in for TFDS's download manager: what it is asked for lies in a folder."""

    def __init__(self, archives: Path, scratch: Path):
        self.manual_dir = archives
        self._archives, self._scratch = archives, scratch
        self.downloaded_size = 0

    def download(self, wanted):
        if isinstance(wanted, dict):
            return {name: self.download(one) for name, one in wanted.items()}
        url = getattr(wanted, "url", None) or wanted
        return self._archives / os.path.basename(urlsplit(str(url)).path)

    def extract(self, path):
        """The folder of what is in an archive; of one gzipped file, that file.

        What is no archive, or not there because no test needs it, stays as it is.
        """
        path = Path(path)
        out = self._scratch / path.name
        if not path.exists():
            return path
        if path.name.endswith((".tar.gz", ".tgz")):
            with tarfile.open(path) as archive:
                archive.extractall(out, filter="data")
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                archive.extractall(out)
        elif path.suffix == ".gz":
            with gzip.open(path) as packed, open(out, "wb") as plain:
                shutil.copyfileobj(packed, plain)
        else:
            return path
        return out

    def download_and_extract(self, wanted):
        if isinstance(wanted, dict):
            return {
                name: self.download_and_extract(one) for name, one in wanted.items()
            }
        is_kept_whole = hasattr(wanted, "extract_method")
        path = self.download(wanted)
        return path if is_kept_whole else self.extract(path)

    def iter_archive(self, archive):
        """(path, file) of the members of a zip or a tar."""
        path = Path(getattr(archive, "path", archive))
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as whole:
                for name in whole.namelist():
                    yield name, whole.open(name)
        else:
            with tarfile.open(path) as whole:
                for member in whole:
                    yield member.name, whole.extractfile(member)


def make(name, data_dir, **arguments):
    """The builder for one of `BUILDERS`."""
    return tfds.builder(BUILDERS[name], data_dir=data_dir, **arguments)


def generated(builder, archives: Path, scratch: Path, wanted) -> dict[str, dict]:
    """{split: {key: record}} of the splits `wanted`, as the builder generates them."""
    manager = Downloads(archives, scratch)
    with _stand_ins(builder):
        splits = builder._split_generators(manager)
        if not isinstance(splits, dict):
            splits = {
                split.name: builder._generate_examples(**split.gen_kwargs)
                for split in splits
            }
        return {split: dict(splits[split]) for split in wanted}


def prepared(builder, archives: Path, scratch: Path):
    """The records as the builder stores them; this takes TensorFlow."""
    manager = Downloads(archives, scratch)
    with (
        mock.patch.object(builder, "_make_download_manager", return_value=manager),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        builder.download_and_prepare()
    return {split: builder.as_data_source(split=split) for split in builder.info.splits}


@contextlib.contextmanager
def _stand_ins(builder):
    """In the builder's module: files without TensorFlow, pictures without OpenCV."""
    module = importlib.import_module(type(builder).__module__)
    libraries = types.SimpleNamespace(h5py=h5py, scipy=scipy, cv2=_cv2())
    with contextlib.ExitStack() as stack:
        if hasattr(module, "tf"):
            stack.enter_context(mock.patch.object(module, "tf", _tensorflow()))
        if hasattr(builder, "_process_image"):  # with OpenCV
            same = mock.patch.object(builder, "_process_image", lambda path: path)
            stack.enter_context(same)
        if hasattr(module, "utils"):
            session = mock.Mock(nogpu_session=contextlib.nullcontext)
            stack.enter_context(mock.patch.object(module, "utils", session))
        stack.enter_context(mock.patch.object(tfds.core, "lazy_imports", libraries))
        yield


def _tensorflow():
    gfile = types.SimpleNamespace(
        GFile=open,
        exists=os.path.exists,
        glob=lambda pattern: sorted(glob.glob(pattern)),
        isdir=os.path.isdir,
        listdir=lambda folder: sorted(os.listdir(folder)),
        walk=_walk,
    )
    graph = types.SimpleNamespace(as_default=contextlib.nullcontext)
    return types.SimpleNamespace(
        io=types.SimpleNamespace(gfile=gfile), Graph=lambda: graph
    )


def _walk(folder):
    for where, folders, files in os.walk(folder):
        yield where, folders, sorted(files)


def _cv2():
    """Of OpenCV, what reads and writes a picture; channels keep their order."""

    def imdecode(data, flags):
        return np.asarray(Image.open(io.BytesIO(data.tobytes())).convert("RGB"))

    def imencode(kind, pixels, options=()):
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "png")
        return True, np.frombuffer(file.getvalue(), np.uint8)

    return types.SimpleNamespace(
        imdecode=imdecode,
        imencode=imencode,
        cvtColor=lambda pixels, code: pixels,
        IMREAD_COLOR=1,
        COLOR_BGR2RGB=4,
        IMWRITE_JPEG_QUALITY=1,
    )
