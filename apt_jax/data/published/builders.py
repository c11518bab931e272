"""TFDS builders of what TFDS lacks; nothing here needs TensorFlow.

`fgvc_aircraft/{variant,family,manufacturer}` downloads by itself; `nabirds` wants its
archive in the manual folder, because a form stands before it. Both read the authors'
files as the sources `aircraft` and `nabirds` do (`data.published.originals`) and keep the
official splits: of NABirds train and test, no tenth held out. A record's key is its
image's path.
"""

import io
from pathlib import Path

import tensorflow_datasets as tfds

from apt_jax.data.dataset import Dataset
from apt_jax.data.published.fetch import fetch
from apt_jax.data.published.originals import birds, fgvc_aircraft
from apt_jax.data.published.originals.fgvc_aircraft import ARCHIVE, Aircraft
from apt_jax.errors import UserError

FORM = birds.NABirds.archive.url


class Original(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A builder that reads what a source of `data.SOURCES` reads."""

    VERSION = tfds.core.Version("1.0.0")
    HOMEPAGE = ""

    def _info(self):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(encoding_format="jpeg"),
                "label": tfds.features.ClassLabel(),  # names come with the files
                "file_name": tfds.features.Text(),
            }
        )
        return tfds.core.DatasetInfo(
            builder=self,
            features=features,
            supervised_keys=("image", "label"),
            homepage=self.HOMEPAGE,
        )

    def _split_generators(self, dl_manager):
        dataset = self._read(dl_manager)
        self.info.features["label"].names = list(dataset.classes)
        return {
            split: self._generate_examples(dataset, items)
            for split, items in self._splits(dataset).items()
        }

    def _generate_examples(self, dataset, items):
        for item in items:
            file = io.BytesIO(dataset.read(item))
            yield (
                item.path,
                {"image": file, "label": item.label, "file_name": item.path},
            )

    def _read(self, dl_manager) -> Dataset:
        raise NotImplementedError

    def _splits(self, dataset):
        return {"train": dataset.train, "validation": dataset.val, "test": dataset.test}


class FgvcAircraft(Original):
    """10,000 photographs of aircraft (Maji et al. 2013, arXiv:1306.5151)."""

    HOMEPAGE = "https://www.robots.ox.ac.uk/~vgg/data/fgvc-aircraft"
    LICENCE = "non-commercial research only, as its authors ask"
    SIZE = 2_750_000_000  # bytes to download, about
    MD5 = "d4acdd33327262359767eeaa97a4f732"
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name=kind, description=f"labels are the {kind}")
        for kind in fgvc_aircraft.LISTS
    ]

    def _read(self, dl_manager):
        folder = Path(dl_manager.download_dir)
        fetch(ARCHIVE.url, folder / ARCHIVE.file, md5=self.MD5)
        return Aircraft(str(folder), labels=self.builder_config.name).load(0)


class Nabirds(Original):
    """48,562 photographs of North American birds (Van Horn et al. 2015)."""

    HOMEPAGE = FORM
    LICENCE = "as agreed in the form that stands before it"
    SIZE = 0  # nothing is downloaded
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""\
    Fill in the form at {FORM}, download nabirds.tar.gz and put it, or the folder `nabirds`
    that it unpacks to, into the manual folder.
    """

    def _read(self, dl_manager):
        try:
            folder = dl_manager.manual_dir
        except AssertionError as error:  # it says which folder, and our instructions
            raise UserError(str(error)) from None
        return birds.NABirds(str(Path(folder))).load(0)

    def _splits(self, dataset):
        return {"train": dataset.train + dataset.val, "test": dataset.test}
