"""CLIP without torch: goldens, architecture from config.json, prompts, precision."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch_clip
from clip_outputs import outputs, relative_error

from apt_jax.clip import config as architecture
from apt_jax.clip.adapt import updated_kernels, with_kernels
from apt_jax.clip.checkpoint import parameter_shapes, stored
from apt_jax.clip.config import ClipConfig, TextConfig, VisionConfig
from apt_jax.clip.model import CLIP
from apt_jax.clip.weights import TABLE, flat, from_tensors, rows, to_tensors
from apt_jax.errors import UserError

SMALL = torch_clip.SMALL
WIDTH, TOKENS = 24, 10  # of the small image tower: 3 x 3 patches and CLS


def config(activation="quick_gelu"):
    return ClipConfig(
        vision=VisionConfig(**SMALL["vision"], hidden_act=activation),
        text=TextConfig(**SMALL["text"], hidden_act=activation),
        projection_dim=SMALL["projection_dim"],
    )


def golden(activation="quick_gelu"):
    """{"weight": ..., "input": ..., "output": ...} as torch had and said them."""
    parts = {"weight": {}, "input": {}, "output": {}}
    with np.load(Path(__file__).parent / "goldens/clip.npz") as file:
        for key in file.files:
            which, part, name = key.split("/", 2)
            if which == activation:
                parts[part][name] = file[key]
    return parts


@pytest.fixture(scope="module")
def params():
    shapes = parameter_shapes(config())
    return stored(from_tensors(golden()["weight"], config(), shapes), "float32")


def tokens(params, pixels, **options):
    apply = functools.partial(CLIP(config()).apply, method="image_tokens", **options)
    return jax.jit(apply)({"params": params}, pixels)


@pytest.fixture(scope="module")
def pixels():
    return jnp.asarray(golden()["input"]["pixels"])


# -- goldens ----------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_every_output_equals_the_golden_of_torch(activation):
    expected, shapes = golden(activation), parameter_shapes(config(activation))
    params = from_tensors(expected["weight"], config(activation), shapes)
    given = expected["input"]
    found = outputs(
        CLIP(config(activation)), params, given["pixels"], given["ids"], given["eos"]
    )
    for name, value in expected["output"].items():
        assert relative_error(found[name], value) <= 2e-5, name


@pytest.mark.slow
def test_photo_tiny_says_its_golden_logits(shared):
    import io
    import json
    import tarfile

    from apt_jax.clip import checkpoint
    from apt_jax.data.images import decode

    golden = json.loads((shared / "clip/photo-tiny/golden.json").read_text())
    clip = checkpoint.load(str(shared / "clip/photo-tiny"))
    with tarfile.open(shared / "data/caltech-101/caltech-101.tar") as tar:
        files = [tar.extractfile(name).read() for name in golden["images"]]
    crops = np.stack([clip.pixels.centre_crop(decode(file)) for file in files])
    ids, eos = clip.tokenizer.encode(golden["texts"])
    for row, position, expected in zip(ids, eos, golden["input_ids"], strict=True):
        assert row[: position + 1].tolist() == expected
    images = clip.pixels.normalise(crops)
    logits = jax.jit(clip.module.apply)({"params": clip.params}, images, ids, eos)
    np.testing.assert_allclose(logits, golden["logits_per_image"], atol=2e-5)
    assert io  # the images never touch the disk


# -- architecture -----------------------------------------------------------------------


def test_a_config_stores_only_what_differs_from_the_defaults():
    b16 = ClipConfig.from_json(
        {"model_type": "clip", "vision_config": {"patch_size": 16, "dropout": 0.0}}
    )
    assert b16 == ClipConfig(vision=VisionConfig(patch_size=16))
    assert (b16.vision.hidden_size, b16.text.hidden_size) == (768, 512)
    assert (b16.text.vocab_size, b16.text.max_position_embeddings) == (49408, 77)


def test_stray_keys_are_ignored_and_config_dicts_win():
    found = ClipConfig.from_json(
        {
            "model_type": "clip",
            "projection_dim": 64,
            "text_config": {"heads": 3, "layers": 7, "hidden_size": 96},
            "text_config_dict": {"hidden_size": 128, "num_attention_heads": 2},
        }
    )
    assert found.text == TextConfig(hidden_size=128, num_attention_heads=2)
    assert found.projection_dim == 64


@pytest.mark.parametrize(
    ("name", "count"),
    [("B/32", 151_277_313), ("B/16", 149_620_737), ("L/14", 427_616_513)],
)
def test_released_sizes_have_their_number_of_parameters(name, count):
    sizes = torch_clip.FULL_SIZE[name]
    found = ClipConfig.from_json(
        {
            "model_type": "clip",
            "vision_config": sizes["vision"],
            "text_config": sizes["text"],
            "projection_dim": sizes["projection_dim"],
        }
    )
    shapes = parameter_shapes(found)
    assert sum(x.size for x in jax.tree.leaves(shapes)) == count


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model_type": "siglip"}, "type 'siglip'"),
        ({}, "type None"),
        ({"vision_config": {"hidden_act": "swish"}}, "hidden_act 'swish'"),
        ({"vision_config": {"num_hidden_layers": [3, 4, 6, 3]}}, "a ResNet tower"),
        ({"text_config": {"num_attention_heads": 7}}, "does not divide into 7 heads"),
        ({"vision_config": {"num_channels": 1}}, "only RGB"),
    ],
)
def test_what_is_no_vit_clip_is_refused_by_name(fields, message):
    given = {"model_type": "clip"} | fields if "model_type" not in fields else fields
    if message == "type None":
        given = {}
    with pytest.raises(UserError, match=message):
        architecture.from_json(given)


# -- weights ----------------------------------------------------------------------------


def test_the_table_is_a_bijection_onto_the_parameters():
    ours = [path for _, path, _ in rows(config())]
    theirs = [name for name, _, _ in rows(config())]
    assert len(set(ours)) == len(ours)
    assert len(set(theirs)) == len(theirs)
    assert set(ours) == flat(parameter_shapes(config())).keys()
    assert len({row[0] for row in TABLE}) == len(TABLE)


def test_released_models_have_398_and_590_tensors():
    assert len(list(rows(ClipConfig()))) == 398
    large = torch_clip.FULL_SIZE["L/14"]
    deep = ClipConfig(vision=VisionConfig(**large["vision"]))
    assert len(list(rows(deep))) == 590


def test_weights_survive_the_way_there_and_back():
    weights = golden()["weight"]
    params = from_tensors(weights, config(), parameter_shapes(config()))
    back = to_tensors(params, config())
    assert back.keys() == weights.keys()
    for name, value in weights.items():
        assert back[name].shape == value.shape
        np.testing.assert_array_equal(back[name], value)


def test_missing_unknown_and_misshaped_tensors_are_listed_together():
    weights = dict(golden()["weight"])
    weights.pop("visual_projection.weight")
    weights["surprise"] = np.zeros(3)
    weights["text_model.final_layer_norm.bias"] = np.zeros(3)
    weights["vision_model.embeddings.position_ids"] = np.zeros((1, 10))
    with pytest.raises(UserError) as raised:
        from_tensors(weights, config(), parameter_shapes(config()))
    message = str(raised.value)
    assert "missing visual_projection.weight" in message
    assert "unknown surprise" in message
    assert "text_model.final_layer_norm.bias has shape [3] and not [16]" in message
    assert "position_ids" not in message


# -- what prompt methods need -----------------------------------------------------------


@pytest.mark.parametrize("placement", ["after_cls", "end"])
def test_prompts_change_the_tokens_and_are_not_among_them(params, pixels, placement):
    prompt = jnp.ones((2, WIDTH))
    plain = tokens(params, pixels)
    found = tokens(params, pixels, prompts=[prompt, None, None], placement=placement)
    assert found.shape == plain.shape == (2, TOKENS, 12)
    assert jnp.abs(found - plain).max() > 1e-3


@pytest.mark.parametrize("placement", ["after_cls", "end"])
def test_deep_prompts_replace_those_before_them(params, pixels, placement):
    """What the first block made of its prompts is gone once block 1 has its own."""
    first, later = jnp.ones((2, WIDTH)), -jnp.ones((2, WIDTH))

    def seen(block):
        entering = []

        def record(x):
            entering.append(x)
            return jnp.broadcast_to(later, (len(x), 2, WIDTH))

        prompts = [first, None, None]
        prompts[block] = record
        out = tokens(params, pixels, prompts=prompts, placement=placement)
        return entering[0], out

    entering, replaced = seen(1)
    assert entering.shape == (2, TOKENS + 2, WIDTH)
    given = tokens(params, pixels, prompts=[first, later, None], placement=placement)
    np.testing.assert_allclose(replaced, given, rtol=1e-5, atol=1e-6)
    kept = tokens(params, pixels, prompts=[first, None, None], placement=placement)
    assert jnp.abs(kept - given).max() > 1e-3


def test_the_two_placements_differ_only_by_the_first_norm(params, pixels):
    """Attention has no order: what separates them is where `pre_norm` is applied."""
    prompt = np.random.default_rng(0).normal(size=(2, WIDTH)).astype(np.float32)
    norm = params["image"]["pre_norm"]
    centred = prompt - prompt.mean(-1, keepdims=True)
    scaled = centred / np.sqrt(prompt.var(-1, keepdims=True) + 1e-5)
    normed = scaled * np.asarray(norm["scale"]) + np.asarray(norm["bias"])
    end = tokens(params, pixels, prompts=[prompt, None, None], placement="end")
    after = tokens(params, pixels, prompts=[normed, None, None], placement="after_cls")
    np.testing.assert_allclose(end, after, rtol=2e-4, atol=2e-5)


def test_prompts_of_another_number_are_refused(params, pixels):
    with pytest.raises(
        ValueError, match="block 1 has 3 prompts, but block 0 was given 2"
    ):
        tokens(
            params, pixels, prompts=[jnp.ones((2, WIDTH)), jnp.ones((3, WIDTH)), None]
        )


def test_value_path_lets_each_token_see_itself_alone(params, pixels):
    """In a tower of one block, changing one patch then changes only its own token."""
    one_block = config().__class__(
        vision=VisionConfig(**(SMALL["vision"] | {"num_hidden_layers": 1})),
        text=config().text,
        projection_dim=12,
    )
    model = CLIP(one_block)

    def run(pixels, source):
        return model.apply(
            {"params": params}, pixels, token_source=source, method="image_tokens"
        )

    changed = pixels.at[:, :6, :6].add(1.0)  # the first patch: token 1
    for source, moved in (("value_path", [1]), ("last", list(range(TOKENS)))):
        change = jnp.abs(run(changed, source) - run(pixels, source)).max((0, 2))
        assert np.flatnonzero(np.asarray(change) > 1e-6).tolist() == moved


def test_text_from_its_own_embeddings_is_text(params):
    given, model = golden()["input"], CLIP(config())

    def apply(*inputs, method):
        return model.apply({"params": params}, *inputs, method=method)

    embeddings = apply(given["ids"], method="embed_tokens")
    np.testing.assert_allclose(
        apply(embeddings, given["eos"], method="text_features_from_embeddings"),
        apply(given["ids"], given["eos"], method="text_features"),
        rtol=1e-6,
    )


def test_text_after_the_end_token_does_not_matter(params):
    given = golden()["input"]
    ids = given["ids"].copy()
    ids[1, given["eos"][1] + 1 :] = 5
    features = [
        CLIP(config()).apply(
            {"params": params}, x, given["eos"], method="text_features"
        )
        for x in (given["ids"], ids)
    ]
    np.testing.assert_allclose(features[0], features[1], rtol=1e-5, atol=1e-6)


def test_low_rank_updates_are_added_by_name(params, pixels):
    name = "image/blocks_1/attention/query/kernel"
    a, b = jnp.ones((WIDTH, 2)), 0.1 * jnp.ones((2, WIDTH))

    def with_update(update):
        return with_kernels(params, updated_kernels(params, update, 0.5))

    changed = with_update({name: {"a": a, "b": b}})
    kernel = flat(changed)[name] - flat(params)[name]
    np.testing.assert_allclose(kernel, 0.1, rtol=1e-4)
    assert jnp.abs(tokens(changed, pixels) - tokens(params, pixels)).max() > 1e-4
    same = with_update({name: {"a": a, "b": 0 * b}})
    np.testing.assert_array_equal(tokens(same, pixels), tokens(params, pixels))
    with pytest.raises(
        ValueError, match=r"no parameters \['image/quary'\]; choose from"
    ):
        with_update({"image/quary": {"a": a, "b": b}})


# -- precision --------------------------------------------------------------------------


@pytest.mark.slow
def test_bfloat16_operands_keep_the_embedding_close(params, pixels):
    half = CLIP(config(), "bfloat16")
    found = half.apply(
        {"params": stored(params, "bfloat16")}, pixels, method="image_embedding"
    )
    exact = CLIP(config()).apply({"params": params}, pixels, method="image_embedding")
    assert found.dtype == jnp.float32
    cosine = (found * exact).sum(-1) / (
        jnp.linalg.norm(found, axis=-1) * jnp.linalg.norm(exact, axis=-1)
    )
    assert (cosine >= 0.999).all()
    assert (found != exact).any()


def test_bfloat16_products_are_never_upcast_on_the_way(params, pixels):
    """Every matrix product takes bfloat16 and gives float32."""
    half = CLIP(config(), "bfloat16")
    program = jax.jit(
        lambda params, pixels: half.apply(
            {"params": params}, pixels, method="image_embedding"
        )
    )
    text = program.lower(stored(params, "bfloat16"), pixels).as_text()
    products = [line for line in text.splitlines() if "dot_general" in line]
    assert len(products) == 2 + 3 * 8  # patches, projection; 8 a block
    for line in products:
        operands, result = line.split(" : ")[-1].split("->")
        assert operands.count("bf16") == 2, line
        assert "f32" in result, line


def test_norms_biases_and_embeddings_stay_float32_in_a_bfloat16_tower(params):
    half = flat(stored(params, "bfloat16"))
    for name, value in half.items():
        expected = jnp.bfloat16 if value.ndim > 1 else jnp.float32
        assert value.dtype == expected, name
