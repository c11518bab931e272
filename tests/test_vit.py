"""Plain ViTs without torch: names, shapes, pixels, what is refused, and a whole run."""

import json
import math
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from clip_outputs import image_outputs, relative_error
from PIL import Image
from toy import CLASSES, SIZE, photo_folder, toy_clip, toy_vit, toy_vit_folder

import apt_jax
from apt_jax import config
from apt_jax.clip import checkpoint, google
from apt_jax.clip import config as architecture
from apt_jax.clip.config import ClipConfig, PlainVisionConfig, ViTConfig
from apt_jax.clip.model import module_of
from apt_jax.clip.pixels import (
    BICUBIC,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
    Squared,
)
from apt_jax.clip.weights import (
    GOOGLE,
    INVERSE,
    VIT_LAYOUTS,
    flat,
    from_tensors,
    rows,
)
from apt_jax.commands.check import main as check
from apt_jax.errors import UserError
from apt_jax.features.views import random_box, random_view
from apt_jax.methods import METHODS, make, require_fit
from apt_jax.methods.task import make_task
from apt_jax.runs import story
from apt_jax.uncertainty.monte_carlo import default_chunk


def as_file(params, config, layout):
    """The tensors of `params` as a file of this layout holds them."""
    ours = flat(params)
    return {
        name: INVERSE[change](np.asarray(ours[path]))
        for name, path, change in rows(config, layout)
    }


def google_file(path, clip, **changes):
    """Writes a ViT's weights as Google does, heads apart; returns the path."""
    vision = clip.config.vision
    width, heads = vision.hidden_size, vision.num_attention_heads
    arrays = as_file(clip.params, clip.config, GOOGLE)
    for name, array in arrays.items():
        if "Attention" not in name or name.endswith("out/bias"):
            continue
        apart = (heads, width // heads)
        shape = apart if array.ndim == 1 else (width, *apart)
        arrays[name] = array.reshape((*apart, width) if "/out/" in name else shape)
    arrays |= {"head/kernel": np.zeros((width, 7)), "head/bias": np.zeros(7)}
    arrays |= {"pre_logits/kernel": np.zeros((width, width))}
    np.savez(path, **(arrays | changes))
    return path


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(toy_vit_folder(), tmp_path / "vit")


@pytest.fixture(scope="module")
def pixels():
    generator = np.random.default_rng(3)
    return generator.normal(size=(2, SIZE, SIZE, 3)).astype(np.float32)


# -- the tower --------------------------------------------------------------------------


def by_hand(params, pixels, heads, epsilon):
    """[N, W] the last hidden state of one image, in NumPy's float64."""
    p = {name: np.asarray(value, np.float64) for name, value in flat(params).items()}

    def dense(x, name):
        kernel = p[f"image/{name}/kernel"]
        return x @ kernel.reshape(-1, kernel.shape[-1]) + p[f"image/{name}/bias"]

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        unit = centred / np.sqrt(x.var(-1, keepdims=True) + epsilon)
        return unit * p[f"image/{name}/scale"] + p[f"image/{name}/bias"]

    def attention(x, name):
        q, k, v = (dense(x, f"{name}/{part}") for part in ("query", "key", "value"))
        split = [np.split(array, heads, axis=-1) for array in (q, k, v)]
        mixed = []
        for q, k, v in zip(*split, strict=True):
            weights = np.exp(q @ k.T / math.sqrt(q.shape[-1]))
            mixed.append(weights / weights.sum(-1, keepdims=True) @ v)
        return dense(np.concatenate(mixed, axis=-1), f"{name}/out")

    def gelu(x):
        return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    side = p["image/patch_embedding/kernel"].shape[0]
    corners = range(0, len(pixels), side)
    patches = [
        pixels[y : y + side, x : x + side].ravel() for y in corners for x in corners
    ]
    x = dense(np.stack(patches), "patch_embedding")
    x = np.concatenate([p["image/class_embedding"][None], x])
    x = x + p["image/position_embedding"]
    for block in ("blocks_0", "blocks_1"):
        x = x + attention(norm(x, f"{block}/norm1"), f"{block}/attention")
        hidden = gelu(dense(norm(x, f"{block}/norm2"), f"{block}/mlp_in"))
        x = x + dense(hidden, f"{block}/mlp_out")
    return norm(x, "post_norm")


def test_tokens_and_embedding_equal_a_forward_pass_in_numpy(pixels):
    clip = toy_vit()
    vision = clip.config.vision
    found = image_outputs(clip.module, clip.params, pixels)
    for index, image in enumerate(pixels):
        expected = by_hand(
            clip.params, image, vision.num_attention_heads, vision.layer_norm_eps
        )
        assert relative_error(found["tokens"][index], expected) <= 2e-5
        assert relative_error(found["embedding"][index], expected[0]) <= 2e-5


@pytest.mark.parametrize("layout", ["published", "modules", "google"])
def test_weights_under_any_names_give_the_golden_outputs_of_torch(layout):
    parts = {}
    with np.load(Path(__file__).parent / "goldens/vit.npz") as file:
        for key in file.files:
            part, name = key.split("|")
            parts.setdefault(part, {})[name] = file[key]
    tensors = parts[layout]
    if layout == "google":
        tensors = {name: google.joined(name, x) for name, x in tensors.items()}
    found = ViTConfig(PlainVisionConfig(8, 12, 2, 2, "gelu", 1e-6, 6, 3))
    params = from_tensors(tensors, found, checkpoint.parameter_shapes(found))
    ours = image_outputs(module_of(found), params, parts["input"]["pixels"])
    for name, value in parts["output"].items():
        assert relative_error(ours[name], value) <= 2e-5, name


def test_prompts_enter_after_the_positions_wherever_they_are_placed(pixels):
    """No norm comes before the blocks: both placements give the same numbers."""
    clip = toy_vit()
    prompt = np.ones((2, 16), np.float32)

    def tokens(**options):
        return clip.module.apply(
            {"params": clip.params}, pixels, method="image_tokens", **options
        )

    after, end = (
        tokens(prompts=[prompt, -prompt], placement=place)
        for place in ("after_cls", "end")
    )
    np.testing.assert_allclose(after, end, rtol=1e-4, atol=1e-5)
    assert after.shape == (2, 17, 16)
    assert np.abs(after - tokens()).max() > 1e-3


def test_b16_has_its_85_798_656_parameters():
    shapes = checkpoint.parameter_shapes(ViTConfig())
    assert sum(x.size for x in jax.tree.leaves(shapes)) == 85_798_656


# -- names ------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", VIT_LAYOUTS, ids=lambda layout: layout.table[0][0])
def test_the_table_of_each_layout_is_a_bijection_onto_the_parameters(layout):
    clip = toy_vit()
    names, paths, _ = zip(*rows(clip.config, layout), strict=True)
    assert len(set(names)) == len(names) == len(set(paths))
    assert set(paths) == flat(clip.params).keys()


@pytest.mark.parametrize("layout", VIT_LAYOUTS, ids=lambda layout: layout.table[0][0])
def test_weights_in_any_layout_are_the_same_parameters(layout):
    clip = toy_vit()
    tensors = as_file(clip.params, clip.config, layout)
    tensors |= {f"{start}weight": np.zeros(3) for start in layout.unread}
    shapes = checkpoint.parameter_shapes(clip.config)
    found = flat(from_tensors(tensors, clip.config, shapes))
    for name, value in flat(clip.params).items():
        np.testing.assert_array_equal(found[name], value)


def test_what_is_wrong_is_named_in_the_layout_of_the_file():
    clip = toy_vit()
    tensors = as_file(clip.params, clip.config, VIT_LAYOUTS[1])
    tensors["vit.embeddings.register"] = tensors.pop("vit.layernorm.bias")
    shapes = checkpoint.parameter_shapes(clip.config)
    with pytest.raises(
        UserError, match=r"missing vit\.layernorm\.bias; unknown vit\.embeddings\.reg"
    ):
        from_tensors(tensors, clip.config, shapes)


# -- checkpoints ------------------------------------------------------------------------


def test_a_written_vit_is_read_back(copy, tmp_path):
    clip = checkpoint.load(str(copy))
    again = tmp_path / "again"
    checkpoint.write(again, clip.config, clip.params, clip.pixels, dtype="float32")
    other = checkpoint.load(str(again))
    assert other.config == clip.config != ClipConfig()
    assert other.pixels == clip.pixels == Squared(SIZE, SIZE)
    assert other.sha256 == clip.sha256
    assert other.tokenizer is None


def test_googles_file_says_its_architecture_and_loads_as_file_and_folder(tmp_path):
    clip = toy_vit()
    file = google_file(tmp_path / "ViT.npz", clip)
    of_file, of_folder = (checkpoint.load(str(place)) for place in (file, tmp_path))
    vision = json.loads(json.dumps(of_file.config.to_json()))
    expected = clip.config.to_json() | {"layer_norm_eps": 1e-6}
    assert vision == expected
    for name, value in flat(clip.params).items():
        np.testing.assert_array_equal(flat(of_file.params)[name], value)
    assert of_file.pixels == Squared(SIZE, SIZE)
    assert of_folder.sha256 == of_file.sha256


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_google_file_with_a_number_that_is_not_finite_is_refused(tmp_path, value):
    name = "Transformer/encoder_norm/bias"
    bias = np.full(toy_vit().config.vision.hidden_size, value, np.float32)
    file = google_file(tmp_path / "ViT.npz", toy_vit(), **{name: bias})
    with pytest.raises(UserError, match=f"NaN, infinity .* in {name}; download"):
        checkpoint.load(str(file))


def test_what_is_no_vit_of_googles_is_refused_and_never_unpickled(tmp_path):
    clip, file = toy_vit(), tmp_path / "ViT.npz"
    google_file(file, clip, **{"conv_root/kernel": np.zeros((7, 7, 3, 4))})
    with pytest.raises(UserError, match=r"unknown conv_root/kernel; .* ResNet stem"):
        checkpoint.load(str(file))
    google_file(file, clip, **{"embedding/kernel": np.array([{}], object)})
    with pytest.raises(UserError, match=r"no whole \.npz of plain arrays"):
        checkpoint.load(str(file))
    np.savez(file, weights=np.zeros(3))
    with pytest.raises(UserError, match="is no ViT in Google's layout"):
        checkpoint.load(str(file))
    file.write_bytes(b"PK")
    with pytest.raises(UserError, match="download it again"):
        checkpoint.load(str(file))
    whole = google_file(file, clip).read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:5000] + bytes(9000)):
        file.write_bytes(damaged)
        with pytest.raises(UserError, match="download it again"):
            checkpoint.load(str(file))
    google_file(tmp_path / "other.npz", clip)
    with pytest.raises(UserError, match=r"\(ViT\.npz, other\.npz\); name one of them"):
        checkpoint.load(str(tmp_path))
    with pytest.raises(UserError, match="no folder"):
        checkpoint.load(str(tmp_path / "missing/ViT.npz"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "dinov2"}, "type 'dinov2'"),
        ({"hidden_act": "gelu_new"}, "hidden_act 'gelu_new'"),
        ({"qkv_bias": False}, "qkv_bias off"),
        ({"image_size": [224, 160]}, r"image_size \[224, 160\]: only one number"),
        ({"num_channels": 1}, "only RGB"),
        ({"num_attention_heads": 7}, "does not divide into 7 heads"),
    ],
)
def test_what_is_no_plain_vit_is_refused_by_name(fields, message):
    with pytest.raises(UserError, match=message):
        architecture.from_json({"model_type": "vit"} | fields)


def test_a_config_may_leave_the_defaults_out():
    found = architecture.from_json({"model_type": "vit_mae", "decoder_hidden_size": 8})
    assert found == ViTConfig(PlainVisionConfig(), "vit_mae")
    assert found.vision.layer_norm_eps == 1e-12


def test_check_says_that_there_is_no_text_tower(capsys):
    assert check([str(toy_vit_folder())]) == 0
    assert "none: a plain ViT" in capsys.readouterr().out


# -- pixels -----------------------------------------------------------------------------


def test_the_whole_picture_becomes_a_square_by_pillows_filter():
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 256, (30, 50, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    for resample in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC):
        ours = Squared(24, 24, resample=int(resample))
        expected = np.asarray(picture.resize((24, 24), resample))
        np.testing.assert_array_equal(ours.centre_crop(picture), expected)
        cropped = np.asarray(picture.resize((32, 32), resample))[4:28, 4:28]
        of_larger = Squared(24, 32, resample=int(resample)).centre_crop(picture)
        np.testing.assert_array_equal(of_larger, cropped)
    black, white = Squared(24, 24).normalise(
        np.array([[[0] * 3, [255] * 3]], np.uint8)
    )[0]
    np.testing.assert_allclose([black, white], [[-1] * 3, [1] * 3], atol=1e-6)


def test_random_views_are_resized_by_the_filter_of_the_preprocessing():
    generator = np.random.default_rng(0)
    picture = Image.fromarray(generator.integers(0, 256, (60, 70, 3), dtype=np.uint8))
    for pixels in (Squared(24, 24), Preprocessing(24, 24)):
        box = random_box(picture.size, np.random.default_rng(5), 0.5)
        view = random_view(picture, np.random.default_rng(5), pixels, 0.5)
        name = "BILINEAR" if isinstance(pixels, Squared) else "BICUBIC"
        filtered = picture.crop(box).resize((24, 24), Image.Resampling[name])
        expected = np.asarray(filtered)
        assert any((view == one).all() for one in (expected, expected[:, ::-1]))


def test_settings_are_read_in_the_old_and_the_new_spelling():
    old = {"size": 224, "resample": 2, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    new = old | {"size": {"height": 224, "width": 224}, "rescale_factor": 1 / 255}
    for fields in (old, new):
        assert Squared.from_json(fields, 224) == Squared(224, 224)
    deit = {"size": 256, "resample": 3, "do_center_crop": True, "crop_size": 224}
    ours = Squared(224, 256, resample=BICUBIC)
    assert Squared.from_json(deit, 224) == ours
    assert Squared.from_json(ours.to_json(), 224) == ours


def test_without_a_file_each_kind_has_what_it_was_trained_on(copy):
    (copy / "preprocessor_config.json").unlink()
    assert checkpoint.load(str(copy)).pixels == Squared(SIZE, SIZE)
    fields = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(fields | {"model_type": "vit_mae"}))
    expected = Squared(SIZE, SIZE, IMAGENET_MEAN, IMAGENET_STD)
    assert checkpoint.load(str(copy)).pixels == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"resample": 0}, "resample 0, neither bilinear nor bicubic"),
        ({"size": {"shortest_edge": 224}}, "equal height and width are needed"),
        ({"size": {"height": 224, "width": 200}}, "equal height and width are needed"),
        ({"size": 384}, "pictures of 384 for a tower that reads 224"),
        ({"do_normalize": False}, "do_normalize off"),
        ({"rescale_factor": 1.0}, "rescale_factor 1.0"),
    ],
)
def test_other_preprocessing_is_refused(fields, message):
    with pytest.raises(UserError, match=message):
        Squared.from_json(fields, 224)


def test_a_vits_pixels_are_not_mistaken_for_a_clips():
    assert Squared(8, 8) != Preprocessing(8, 8)


# -- methods ----------------------------------------------------------------------------


def test_a_task_without_text_still_counts_its_classes():
    task = make_task(toy_vit(), CLASSES, ("a photo of a {}.",))
    assert task.num_classes == len(CLASSES)
    assert task.embedding_dim == 16
    assert task.text is task.texts is None
    assert task.logit_scale == 1
    assert set(task.backbone.params) == {"image"}
    contents = np.zeros((64, 2), np.uint32)
    assert default_chunk(make("linear_probe"), task, contents) == 2**22 // (
        4 * 64 * len(CLASSES) * 16
    )


@pytest.mark.parametrize("name", [n for n, cls in METHODS.items() if cls().needs_text])
def test_what_reads_class_names_refuses_a_vit_and_names_what_does_not(name):
    task = make_task(toy_vit(), CLASSES, ("{}",))
    with pytest.raises(
        UserError, match=rf"method {name} reads class names, .*one of .*linear_probe"
    ):
        require_fit(make(name), task)


def test_the_linear_probe_works_on_both():
    for clip in (toy_vit(), toy_clip()):
        require_fit(make("linear_probe"), make_task(clip, CLASSES, ("a {}",)))


def settings(photos, method):
    c = config.default(method=method, source="folder")
    c.clip.checkpoint, c.clip.dtype = str(toy_vit_folder()), "float32"
    c.data.root, c.features.cache_dir = str(photos), ""
    c.shots, c.augment.views = 3, 2
    return c


@pytest.mark.slow
def test_a_linear_probe_on_a_vit_runs_predicts_and_is_judged_again(tmp_path):
    photos, folder = photo_folder(tmp_path / "photos"), tmp_path / "run"
    results = story.run(settings(photos, "linear_probe"), folder)
    (row,) = results["evaluations"]
    assert row["name"] == "deterministic"
    assert row["accuracy"] == 1  # three colours
    assert results["protocol"]["transforms"]["test"] == "whole picture made square"
    classifier = apt_jax.load(folder)
    paths = sorted((photos / "test").rglob("*.png"))
    assert classifier.predict(paths).labels == [path.parent.name for path in paths]
    again = story.evaluate_again(folder, {"bins": 5})["evaluations"]
    assert [one["nll"] for one in again] == [row["nll"]]


def test_a_run_that_needs_text_stops_before_it_encodes(tmp_path, monkeypatch):
    monkeypatch.setattr(story, "encode_shots", None)
    photos, folder = photo_folder(tmp_path / "photos"), tmp_path / "run"
    with pytest.raises(UserError, match="method coop reads class names"):
        story.run(settings(photos, "coop"), folder)
    assert not folder.exists()
