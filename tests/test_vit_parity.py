"""Live parity of plain ViTs with `transformers`' torch models and image processor."""

import numpy as np
import pytest
from clip_outputs import image_outputs, relative_error

torch = pytest.importorskip(
    "torch", reason="NOT CHECKED: parity with torch needs torch==2.13.0"
)

import torch_vit  # noqa: E402

from apt_jax.clip import checkpoint  # noqa: E402

BAR = 2e-5
B16 = {}  # all defaults


def errors(model, place):
    """The relative error of every output, through the code that loads any checkpoint."""
    clip = checkpoint.load(str(place))
    pixels = torch_vit.pixels_for(model)
    theirs = torch_vit.outputs(model, pixels)
    ours = image_outputs(clip.module, clip.params, pixels)
    assert ours.keys() == theirs.keys()
    return {name: relative_error(ours[name], theirs[name]) for name in theirs}


def require_equal(found):
    worst = max(found, key=found.get)
    assert found[worst] <= BAR, (worst, found[worst])


def test_every_output_of_a_full_size_vit_equals_torchs(tmp_path):
    model = torch_vit.random_model(sizes=B16)
    model.save_pretrained(tmp_path)
    found = errors(model, tmp_path)
    assert len(found) == 3 + 12
    require_equal(found)


@pytest.mark.parametrize(
    "kind", ["ViTModel", "ViTForImageClassification", "ViTMAEForPreTraining"]
)
@pytest.mark.parametrize("names", ["published", "of the modules"])
def test_every_kind_of_file_at_odd_sizes_gives_torchs_outputs(kind, names, tmp_path):
    model = torch_vit.random_model(kind)
    model.save_pretrained(tmp_path, save_original_format=names == "published")
    tensors, _ = checkpoint.read_tensors(tmp_path)
    published = any("encoder.layer.0" in name for name in tensors)
    assert published == (names == "published")
    require_equal(errors(model, tmp_path))


@pytest.mark.parametrize("place", ["file", "folder"])
def test_googles_npz_gives_torchs_outputs(place, tmp_path):
    model = torch_vit.random_model(sizes=torch_vit.SMALL | {"layer_norm_eps": 1e-6})
    arrays = torch_vit.google_arrays(model)
    file = tmp_path / "ViT-S_6.npz"
    np.savez(file, **arrays)
    clip = checkpoint.load(str(file))
    # 20 pixels in patches of 6: what does not fill a patch is not to be seen in an npz.
    assert clip.config.vision.image_size == 18
    pixels = torch_vit.pixels_for(model)
    theirs = torch_vit.outputs(model, pixels)
    clip = checkpoint.load(str(file if place == "file" else tmp_path))
    ours = image_outputs(clip.module, clip.params, pixels)
    require_equal({name: relative_error(ours[name], theirs[name]) for name in theirs})


def test_the_goldens_are_what_torch_says_today():
    from goldens.write_vit import GOLDEN, golden_outputs

    with np.load(GOLDEN) as golden:
        found = golden_outputs()
        assert found.keys() == set(golden.files)
        for name, value in found.items():
            np.testing.assert_allclose(value, golden[name], rtol=1e-4, atol=1e-5)


def test_torch_reads_what_we_write(tmp_path):
    from transformers import ViTModel

    model = torch_vit.random_model()
    model.save_pretrained(tmp_path / "theirs")
    clip = checkpoint.load(str(tmp_path / "theirs"))
    checkpoint.write(
        tmp_path / "ours", clip.config, clip.params, clip.pixels, dtype="float32"
    )
    again = ViTModel.from_pretrained(tmp_path / "ours", add_pooling_layer=False).eval()
    pixels = torch_vit.pixels_for(model)
    theirs = torch_vit.outputs(model, pixels)
    for name, value in torch_vit.outputs(again, pixels).items():
        np.testing.assert_array_equal(value, theirs[name])


@pytest.mark.parametrize("shape", [(300, 401), (31, 90), (224, 224)])
def test_pixels_equal_the_processors(shape, tmp_path):
    from PIL import Image
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    from apt_jax.clip.pixels import Squared

    processor = ViTImageProcessorPil()
    processor.save_pretrained(tmp_path)
    ours = Squared.read(tmp_path, 224)
    assert ours == Squared(224, 224)
    generator = np.random.default_rng(0)
    picture = Image.fromarray(generator.integers(0, 256, (*shape, 3), dtype=np.uint8))
    expected = processor(picture, return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(
        ours.normalise(ours.centre_crop(picture)),
        expected.transpose(1, 2, 0),
        atol=1e-6,
    )
