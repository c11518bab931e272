"""Data sets prepared in TFDS's array_record format, for tests; no TensorFlow needed."""

import contextlib
import io

import tensorflow_datasets as tfds
from photos import png

NAMES = ("a/b", "c d")
CONFIGS = [tfds.core.BuilderConfig(name=name) for name in ("small", "large")]


def prepare(root, splits: dict[str, list], *, name="toy", names=NAMES, **attributes):
    """Writes a data set of rows (key, label, image bytes), in the order TFDS stores."""

    def info(self):
        features = tfds.features.FeaturesDict(
            {
                "image": tfds.features.Image(),
                "label": tfds.features.ClassLabel(names=list(names)),
                "file_name": tfds.features.Text(),
            }
        )
        return tfds.core.DatasetInfo(
            builder=self, features=features, disable_shuffling=in_order
        )

    def generators(self, manager):
        del manager
        return {split: self._generate_examples(rows) for split, rows in splits.items()}

    def examples(self, rows):
        del self
        for key, label, image in rows:
            file = io.BytesIO(image)
            yield key, {"image": file, "label": label, "file_name": str(key)}

    in_order = attributes.pop("in_order", False)
    config = attributes.pop("config", None)
    body = {
        "VERSION": tfds.core.Version(attributes.pop("version", "1.0.0")),
        "BUILDER_CONFIGS": CONFIGS if config else [],
        "_info": info,
        "_split_generators": generators,
        "_generate_examples": examples,
        "name": name,
    }
    with tfds.core.registered.skip_registration():  # names may come twice
        kind = type(name.title(), (tfds.core.GeneratorBasedBuilder,), body)
    builder = kind(data_dir=root, config=config, file_format="array_record")
    with contextlib.redirect_stderr(io.StringIO()):  # TFDS's bars
        builder.download_and_prepare()
    return builder.data_path


def rows(count: int, first=0) -> list:
    """Rows with keys from 0, labels in turn and a picture of its own each."""
    return [(key, key % 2, png(first + key)) for key in range(count)]
