"""Whatever is wrong with a backbone's files is one sentence, and nothing else stands in."""

import errno
import json
import math
import shutil

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from ml_dtypes import bfloat16, float8_e4m3fn, float8_e5m2
from safetensors.numpy import load_file, save_file

from apt_jax.clip import checkpoint, hub, side_files
from apt_jax.clip import config as architecture
from apt_jax.clip.checkpoint import TINY
from apt_jax.clip.pixels import Preprocessing, Squared
from apt_jax.clip.tokens import END, START, Tokenizer
from apt_jax.errors import UserError

CONFIG, PIXELS, PROCESSOR = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
)
WEIGHTS, INDEX = hub.WEIGHTS
FILES = (CONFIG, PIXELS, "vocab.json", "merges.txt", WEIGHTS)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(TINY, tmp_path / "clip")


def refusal(folder) -> str:
    """The one line with which a folder is refused."""
    with pytest.raises(UserError) as caught:
        checkpoint.load(str(folder))
    message = str(caught.value)
    assert "\n" not in message
    assert "; " in message  # what is wrong; what to do
    return message


def change(path, **fields):
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


# -- any of the files, as a file ----------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (POINTER, "is a Git LFS pointer and not the file itself; run git lfs pull"),
        (b"\xff\xfe\0\x01\x80 no text" * 9, "no UTF-8|no whole safetensors"),
        (b"<html>not found</html>", "is no JSON|merges need|no whole safetensors"),
    ],
)
def test_a_file_of_other_content_is_told(folder, name, content, message):
    (folder / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        checkpoint.load(str(folder))
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_a_folder_in_a_files_place_is_told(folder, name):
    (folder / name).unlink()
    (folder / name).mkdir()
    assert f"{name} is a folder where a file belongs" in refusal(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_may_not_be_read_is_told(folder, name, monkeypatch):
    def closed(path, *rest):
        if str(path).endswith(f"clip/{name}"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open(path, *rest)

    monkeypatch.setattr(side_files, "open", closed, raising=False)
    assert f"{name} (Permission denied); change its permissions" in refusal(folder)


def test_a_folder_that_may_not_be_read_is_told(folder, monkeypatch):
    def closed(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(side_files.os, "listdir", closed)
    assert f"cannot read {folder} (Permission denied)" in refusal(folder)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith("json")])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ('{"a": NaN}', "NaN is no finite number"),
        ('{"a": -Infinity}', "Infinity is no finite number"),
        ('{"a": 1e999}', "1e999 is no finite number"),
        ('{"a": ' + "9" * 5000 + "}", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "holds no named values but a list"),
        ("[1]", "holds no named values but a list"),
        ("null", "holds no named values but a NoneType"),
        ('"text"', "holds no named values but a str"),
    ],
)
def test_json_that_is_none_or_no_mapping_is_told(folder, name, text, message):
    (folder / name).write_text(text)
    assert message in refusal(folder)


def test_a_byte_order_mark_does_no_harm(folder):
    for name in FILES[:4]:
        text = (folder / name).read_bytes()
        (folder / name).write_bytes(b"\xef\xbb\xbf" + text)
    assert checkpoint.load(str(folder)).pixels == checkpoint.load("tiny").pixels


# -- config.json --------------------------------------------------------------------------

NO_SIZES = (None, "64", -1, 0, 1.5, 64.0, True, [64], {}, 10**9, 10**400)
SIZES = {
    "vision_config": [
        *("hidden_size", "intermediate_size", "num_hidden_layers", "image_size"),
        *("num_attention_heads", "patch_size", "num_channels"),
    ],
    "text_config": [
        *("hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size"),
        *("num_attention_heads", "max_position_embeddings"),
    ],
}


@pytest.mark.parametrize(
    ("tower", "field"), [(tower, field) for tower in SIZES for field in SIZES[tower]]
)
def test_a_size_that_is_none_is_refused_by_name(tower, field):
    fields = json.loads((TINY / CONFIG).read_text())
    for value in NO_SIZES:
        changed = fields | {tower: fields[tower] | {field: value}}
        with pytest.raises(UserError, match=f"{field} .*; use the config.json"):
            architecture.from_json(changed)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"vision_config": [1]}, r"vision_config \[1\] holds no named values"),
        ({"text_config": "small"}, "text_config 'small' holds no named values"),
        ({"vision_config_dict": 3}, "vision_config_dict 3 holds no named values"),
        ({"projection_dim": -2}, "projection_dim -2"),
        ({"projection_dim": "128"}, "projection_dim '128'"),
        ({"model_type": ["clip"]}, "a model of type"),
        ({"vision_config": {"patch_size": 256}}, "patches of 256 in pictures of 224"),
        ({"vision_config": {"layer_norm_eps": "1"}}, "layer_norm_eps '1'"),
        ({"vision_config": {"layer_norm_eps": 0}}, "layer_norm_eps 0"),
        ({"text_config": {"hidden_act": ["gelu"]}}, "hidden_act"),
    ],
)
def test_other_fields_of_the_wrong_kind_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        architecture.from_json({"model_type": "clip"} | fields)


def test_sizes_that_are_not_those_of_the_weights_are_refused(folder):
    vision = json.loads((folder / CONFIG).read_text())["vision_config"]
    for other in ({"patch_size": 7}, {"num_hidden_layers": 6}, {"hidden_size": 64}):
        change(folder / CONFIG, vision_config=vision | other)
        assert "the weights do not fit config.json" in refusal(folder)


# -- how pictures are prepared ------------------------------------------------------------

PLAIN = json.loads((TINY / PIXELS).read_text())
NO_COLOURS = (
    None,
    0.5,
    "0.5",
    [],
    [0.5, 0.5],
    [0.5] * 4,
    ["0.5"] * 3,
    [None] * 3,
    [True] * 3,
    [123.7, 116.3, 103.5],
    [-0.1] * 3,
    [10**400] * 3,
    {"r": 0.5},
)


@pytest.mark.parametrize("kind", [Preprocessing, Squared])
@pytest.mark.parametrize("name", ["image_mean", "image_std"])
def test_colours_that_are_not_three_fractions_are_refused(kind, name):
    size = {"size": 64, "crop_size": 64, "resample": 3}
    for value in [*NO_COLOURS, *([[0, 0.5, 0.5]] if name == "image_std" else [])]:
        with pytest.raises(UserError, match=f"asks for {name}"):
            kind.from_json(PLAIN | size | {name: value}, 64)


@pytest.mark.parametrize(
    "edge", [0, -1, 64.0, True, "64", None, 10**9, [64], float("inf")]
)
def test_a_side_that_is_none_is_refused(edge):
    for size in (edge, {"shortest_edge": edge}):
        with pytest.raises(UserError, match=r"size .*a shortest_edge is needed"):
            Preprocessing.from_json(PLAIN | {"size": size}, 64)
    for size in (edge, {"height": edge, "width": edge}):
        with pytest.raises(UserError, match=r"size .*equal height and width"):
            Squared.from_json({"size": size}, 64)
    for crop in (edge, {"height": edge, "width": edge}):
        with pytest.raises(UserError, match="a crop of"):
            Preprocessing.from_json(PLAIN | {"crop_size": crop}, 64)


@pytest.mark.parametrize("kind", [Preprocessing, Squared])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"do_resize": "yes"}, "do_resize 'yes', neither true nor false"),
        ({"do_normalize": 1}, "do_normalize 1, neither true nor false"),
        ({"do_flip_channel_order": True}, "do_flip_channel_order"),
        ({"do_pad": True}, "do_pad"),
        ({"crop_pct": 0.875}, r"crop_pct 0\.875"),
        ({"rescale_factor": "x"}, "rescale_factor 'x' and not 1/255"),
        ({"rescale_factor": None}, "rescale_factor None and not 1/255"),
        ({"rescale_factor": 1}, "rescale_factor 1 and not 1/255"),
        ({"resample": "bicubic"}, "resample 'bicubic'"),
        ({"resample": [3]}, r"resample \[3\]"),
    ],
)
def test_steps_that_are_done_otherwise_are_refused(kind, fields, message):
    with pytest.raises(UserError, match=message):
        kind.from_json({"size": 64, "crop_size": 64} | fields, 64)


OLD = {  # as transformers 4.20 wrote it
    "feature_extractor_type": "CLIPFeatureExtractor",
    "do_resize": True,
    "do_center_crop": True,
    "do_normalize": True,
    "size": 64,
    "crop_size": 64,
    "resample": 3,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.25, 0.5, 0.75],
}
FAST = OLD | {  # as transformers 4.57 wrote the processor that needs torchvision
    "image_processor_type": "CLIPImageProcessorFast",
    "size": {"shortest_edge": 64},
    "crop_size": {"height": 64, "width": 64},
    "data_format": "channels_first",
    "default_to_square": False,
    "device": None,
    "disable_grouping": None,
    "do_convert_rgb": True,
    "do_pad": None,
    "do_rescale": True,
    "input_data_format": None,
    "pad_size": None,
    "rescale_factor": 0.00392156862745098,
    "return_tensors": None,
}
MINE = Preprocessing(64, 64, (0.5, 0.5, 0.5), (0.25, 0.5, 0.75))


@pytest.mark.parametrize(
    "files",
    [
        {PIXELS: OLD},
        {PIXELS: FAST},
        {PROCESSOR: {"image_processor": FAST, "processor_class": "CLIPProcessor"}},
        {PROCESSOR: {"processor_class": "CLIPProcessor"}, PIXELS: OLD},
        {PROCESSOR: {"image_processor": FAST}, PIXELS: PLAIN},  # as in transformers
    ],
    ids=["4", "4 fast", "5", "4 with a processor", "5 beside 4"],
)
def test_settings_in_every_layout_are_read(folder, files, capsys):
    (folder / PIXELS).unlink()
    for name, fields in files.items():
        (folder / name).write_text(json.dumps(fields))
    assert checkpoint.load(str(folder)).pixels == MINE
    assert capsys.readouterr().err == ""


def test_what_transformers_saves_is_read_and_prepares_pictures_alike(folder):
    from PIL import Image
    from transformers import CLIPProcessor, CLIPTokenizer
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    theirs = CLIPImageProcessorPil(
        image_mean=[0.5, 0.4, 0.3],
        size={"shortest_edge": 64},
        crop_size={"height": 64, "width": 64},
    )
    for name in (PIXELS, "vocab.json", "merges.txt"):
        (folder / name).unlink()
    CLIPProcessor(theirs, CLIPTokenizer.from_pretrained(TINY)).save_pretrained(folder)
    assert not (folder / PIXELS).exists()
    assert not (folder / "vocab.json").exists()
    clip, tiny = checkpoint.load(str(folder)), checkpoint.load("tiny")
    noise = np.random.default_rng(0).integers(0, 256, (90, 130, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    expected = theirs(picture, return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(
        clip.pixels.normalise(clip.pixels.centre_crop(picture)),
        expected.transpose(1, 2, 0),
        atol=1e-6,
    )
    assert clip.tokenizer == tiny.tokenizer
    np.testing.assert_array_equal(
        clip.tokenizer.encode(["A photo of a café, 12 %"])[0],
        tiny.tokenizer.encode(["A photo of a café, 12 %"])[0],
    )


def test_a_plain_vits_settings_are_read_from_what_transformers_saves(tmp_path):
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    ViTImageProcessorPil(image_mean=[0.1, 0.2, 0.3]).save_pretrained(tmp_path)
    expected = Squared(224, 224, mean=(0.1, 0.2, 0.3))
    assert Squared.read(tmp_path, 224) == expected
    fields = json.loads((tmp_path / PIXELS).read_text())
    (tmp_path / PIXELS).unlink()
    (tmp_path / PROCESSOR).write_text(json.dumps({"image_processor": fields}))
    assert Squared.read(tmp_path, 224) == expected


def test_a_folder_that_says_nothing_is_told_what_is_assumed(folder, capsys):
    (folder / PIXELS).unlink()
    assert checkpoint.load(str(folder)).pixels == Preprocessing(64, 64)
    said = capsys.readouterr().err
    assert f"note: {folder} has no {PIXELS}" in said
    for part in ("centre crop, 64 pixels", "0.48145466", "0.26862954"):
        assert part in said


@pytest.mark.parametrize("fields", [{}, {"do_resize": True}, {"image_std": [0.5] * 3}])
def test_a_file_that_says_little_is_told_too(folder, capsys, fields):
    (folder / PIXELS).write_text(json.dumps(fields))
    found = checkpoint.load(str(folder)).pixels
    assert found.std == tuple(fields.get("image_std", Preprocessing(64, 64).std))
    assert f"mean {found.mean} and standard deviation" in capsys.readouterr().err


@pytest.mark.parametrize("nested", [[], None, "x", 1])
def test_a_processor_without_named_values_is_refused(folder, nested):
    (folder / PROCESSOR).write_text(json.dumps({"image_processor": nested}))
    assert "image_processor" in refusal(folder)


def test_newer_files_are_fetched_from_the_hub():
    assert {PROCESSOR, "tokenizer.json"} <= set(hub.WANTED)


# -- tokenizers ---------------------------------------------------------------------------

VOCABULARY = json.loads((TINY / "vocab.json").read_text())
PAIRS = [
    line.split(" ")
    for line in (TINY / "merges.txt").read_text().split("\n")[1:]
    if line
]


@pytest.fixture
def single(folder):
    """The folder with its vocabulary in `tokenizer.json` alone; and what that holds."""
    for name in ("vocab.json", "merges.txt"):
        (folder / name).unlink()
    model = {"type": "BPE", "end_of_word_suffix": "</w>"}
    fields = {"model": model | {"vocab": VOCABULARY, "merges": PAIRS}}
    (folder / "tokenizer.json").write_text(json.dumps(fields))
    return folder, fields


@pytest.mark.parametrize("spell", [list, " ".join], ids=["pairs", "texts"])
def test_a_tokenizer_in_one_file_has_the_same_ids_and_shares_programs(single, spell):
    folder, fields = single
    fields["model"]["merges"] = [spell(pair) for pair in PAIRS]
    (folder / "tokenizer.json").write_text(json.dumps(fields))
    one, two = Tokenizer(folder, 16), Tokenizer(TINY, 16)
    assert one == two
    assert hash(one) == hash(two)
    texts = ["a photo of a red plane.", "É 12 &c <|endoftext|> x"]
    for ours, theirs in zip(one.encode(texts), two.encode(texts), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_special_tokens_may_stand_apart(single):
    folder, fields = single
    own = {k: v for k, v in VOCABULARY.items() if k not in (START, END)}
    fields["model"]["vocab"] = own
    fields["added_tokens"] = [
        {"id": VOCABULARY[token], "content": token} for token in (START, END)
    ]
    (folder / "tokenizer.json").write_text(json.dumps(fields))
    assert Tokenizer(folder, 16) == Tokenizer(TINY, 16)


def without(*tokens):
    return {token: i for token, i in VOCABULARY.items() if token not in tokens}


@pytest.mark.parametrize(
    ("vocabulary", "message"),
    [
        ({}, "no token <|startoftext|>"),
        (without(START), "no token <|startoftext|>"),
        (without(END), "no token <|endoftext|>"),
        (without("".join(PAIRS[0])), "which the merges need"),
        (VOCABULARY | {"zzz": 723}, "has ids up to 723 and the text tower 723 tokens"),
        (VOCABULARY | {"zzz": -1}, "token 'zzz' has the id -1"),
        (VOCABULARY | {"zzz": "5"}, "token 'zzz' has the id '5'"),
        (VOCABULARY | {"zzz": True}, "token 'zzz' has the id True"),
        (VOCABULARY | {"zzz": None}, "token 'zzz' has the id None"),
        (VOCABULARY | {"zzz": 10**30}, "token 'zzz' has the id 1000"),
        (VOCABULARY | {"\ud800": 5}, r"token '\ud800' is no text"),
        (VOCABULARY | {END: VOCABULARY[START]}, "two tokens have one id"),
    ],
)
def test_a_vocabulary_that_does_not_do_is_refused(folder, single, vocabulary, message):
    folder, fields = single
    fields["model"]["vocab"] = vocabulary
    (folder / "tokenizer.json").write_text(json.dumps(fields))
    assert message in refusal(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    shutil.copy(TINY / "merges.txt", folder)
    assert message in refusal(folder)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (None, "is no tokenizer of a CLIP"),
        ([], "is no tokenizer of a CLIP"),
        ({"type": "WordPiece", "vocab": {}}, "is no tokenizer of a CLIP"),
        ({"end_of_word_suffix": None}, "is no tokenizer of a CLIP"),
        ({"vocab": []}, "has no vocabulary and merges"),
        ({"merges": None}, "has no vocabulary and merges"),
        ({"merges": [1]}, "1 is no pair to merge"),
        ({"merges": [["a"]]}, "('a',) is no pair to merge"),
        ({"merges": ["a b c"]}, "is no pair to merge"),
        ({"merges": [["a", None]]}, "is no pair to merge"),
    ],
)
def test_a_tokenizer_of_another_kind_is_refused(single, model, message):
    folder, fields = single
    complete = isinstance(model, dict) and "type" not in model
    fields["model"] = fields["model"] | model if complete else model
    (folder / "tokenizer.json").write_text(json.dumps(fields))
    assert message in refusal(folder)


# -- weights ------------------------------------------------------------------------------

NAME = "vision_model.encoder.layers.2.mlp.fc1.weight"


def spoiled(folder, name, value, dtype):
    """Writes the weights in `dtype` with one number changed."""
    tensors = load_file(folder / WEIGHTS)
    tensors = {key: tensor.astype(dtype) for key, tensor in tensors.items()}
    tensors[name].flat[-1] = value
    save_file(tensors, folder / WEIGHTS)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, bfloat16])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_with_its_tensor(folder, value, dtype):
    spoiled(folder, NAME, value, dtype)
    message = refusal(folder)
    assert NAME in message
    assert "NaN, infinity" in message


@pytest.mark.parametrize(
    ("stored_in", "loaded_in", "value"),
    [(np.float64, "float32", 1e300), (np.float32, "bfloat16", 3.4e38)],
)
def test_a_number_that_becomes_infinite_is_refused(folder, stored_in, loaded_in, value):
    spoiled(folder, NAME, value, stored_in)
    with pytest.raises(UserError, match=f"too large for {loaded_in} in {NAME}"):
        checkpoint.load(str(folder), dtype=loaded_in)


@pytest.mark.parametrize("name", ["logit_scale", "text_projection.weight"])
def test_any_tensor_is_looked_at_and_all_are_named(folder, name):
    spoiled(folder, name, math.nan, np.float32)
    spoiled(folder, NAME, math.inf, np.float32)
    message = refusal(folder)
    assert name in message
    assert NAME in message


def test_one_bad_shard_is_enough(folder):
    tensors = load_file(folder / WEIGHTS)
    tensors[NAME].flat[0] = math.nan
    (folder / WEIGHTS).unlink()
    halves = sorted(tensors)[::2], sorted(tensors)[1::2]
    places = {}
    for number, names in enumerate(halves, 1):
        file = f"model-{number:05}-of-00002.safetensors"
        save_file({name: tensors[name] for name in names}, folder / file)
        places |= dict.fromkeys(names, file)
    (folder / INDEX).write_text(json.dumps({"weight_map": places}))
    assert NAME in refusal(folder)


def test_what_is_not_read_need_not_be_finite(folder):
    tensors = load_file(folder / WEIGHTS)
    tensors["text_model.embeddings.position_ids"] = np.array([np.nan], np.float32)
    save_file(tensors, folder / WEIGHTS)
    checkpoint.load(str(folder))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, bool])
def test_weights_that_are_quantised_are_refused(folder, dtype):
    tensors = load_file(folder / WEIGHTS)
    tensors[NAME] = tensors[NAME].astype(dtype)
    save_file(tensors, folder / WEIGHTS)
    assert f"{NAME} is quantised or no number ({np.dtype(dtype)})" in refusal(folder)


@pytest.mark.parametrize("dtype", [float8_e4m3fn, float8_e5m2])
def test_weights_of_8_bits_are_refused(folder, dtype):
    tensors = load_file(folder / WEIGHTS)
    tensors[NAME] = tensors[NAME].astype(dtype)
    save_file(tensors, folder / WEIGHTS)
    assert f"{NAME}, which is quantised" in refusal(folder)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({}, "has no weight_map"),
        ({"weight_map": None}, "has no weight_map"),
        ({"weight_map": []}, "has no weight_map"),
        ({"weight_map": {}}, "has no weight_map"),
        ({"weight_map": {"a": "../x.safetensors"}}, "names '../x.safetensors'"),
        ({"weight_map": {"a": "/etc/passwd"}}, "names '/etc/passwd'"),
        ({"weight_map": {"a": "b/c.safetensors"}}, "names 'b/c.safetensors'"),
        ({"weight_map": {"a": ".."}}, "names '..'"),
        ({"weight_map": {"a": ""}}, "names ''"),
        ({"weight_map": {"a": 1, "b": "x"}}, "names 1"),
        ({"weight_map": {"a": "nowhere.safetensors"}}, "lacks nowhere.safetensors"),
    ],
)
def test_an_index_that_names_no_files_beside_it_is_refused(folder, index, message):
    (folder / WEIGHTS).unlink()
    (folder / INDEX).write_text(json.dumps(index))
    assert message in refusal(folder)


@pytest.mark.parametrize("share", [0.0001, 0.3, 0.999])
def test_cut_weights_are_refused(folder, share):
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: 1 + int(share * len(data))])
    assert "no whole safetensors file" in refusal(folder)


# -- what is another kind of checkpoint ---------------------------------------------------


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["adapter_config.json", "adapter_model.safetensors"], "merge_and_unload"),
        (["adapter_model.bin"], "a PEFT adapter"),
        (
            ["open_clip_config.json", "open_clip_model.safetensors"],
            "of open_clip; name",
        ),
        (["open_clip_pytorch_model.bin"], "of open_clip; name"),
        (["model_index.json"], "a pipeline of diffusers"),
        (
            ["modules.json", "config_sentence_transformers.json"],
            "sentence-transformers",
        ),
        (["pytorch_model.bin"], "a pickle of torch"),
        (["pytorch_model-00001-of-00002.bin"], "a pickle of torch"),
        (["ViT-B-32.pt"], "a pickle of torch"),
        (["flax_model.msgpack"], "for Flax"),
        (["tf_model.h5"], "for TensorFlow"),
        (["model.onnx"], "in ONNX"),
        (["clip.gguf"], "in GGUF"),
    ],
)
@pytest.mark.parametrize("has_config", [False, True])
def test_another_kind_of_checkpoint_is_named(folder, files, words, has_config):
    (folder / WEIGHTS).unlink()
    if not has_config:
        (folder / CONFIG).unlink()
    for name in files:
        (folder / name).write_bytes(b"{}")
    message = refusal(folder)
    assert words in message
    assert any(name in message for name in files)


def test_the_folder_inside_is_pointed_to(tmp_path):
    shutil.copytree(TINY, tmp_path / "outer/0_CLIPModel")
    assert "0_CLIPModel" in refusal(tmp_path / "outer")
    (tmp_path / "outer/modules.json").write_text("[]")
    assert "0_CLIPModel" in refusal(tmp_path / "outer")


def test_a_file_of_a_checkpoint_is_no_checkpoint(folder):
    assert "name the folder that it is in" in refusal(folder / WEIGHTS)


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("module.", "torch's DataParallel"),
        ("_orig_mod.", "torch.compile"),
        ("module._orig_mod.", "torch.compile and torch's DataParallel"),
        ("base_model.model.", "PEFT"),
        ("clip.", "'clip.'; save the model"),
    ],
)
def test_wrapped_names_are_explained(folder, prefix, words):
    tensors = load_file(folder / WEIGHTS)
    save_file({prefix + name: tensors[name] for name in tensors}, folder / WEIGHTS)
    message = refusal(folder)
    assert f"begin with {prefix!r}" in message
    assert words in message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("visual.transformer.resblocks.0.ln_1.weight", "open_clip's names"),
        ("visual.trunk.blocks.0.norm1.weight", "open_clip's names"),
        ("base_model.model.x.lora_A.weight", "a PEFT adapter"),
        ("blocks.0.attn.qkv.weight", "timm's names"),
    ],
)
def test_names_of_other_libraries_are_explained(folder, name, words):
    save_file({name: np.zeros(1, np.float32)}, folder / WEIGHTS)
    assert words in refusal(folder)


# -- anything at all ----------------------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 300)
    | st.integers()
    | st.floats()
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner)
    ),
    max_leaves=6,
)


def read_or_refused(read):
    """What `read` gives; None where it refuses, in a line."""
    try:
        return read()
    except UserError as error:
        return None if "\n" not in str(error) else pytest.fail(str(error))


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(st.sampled_from(sorted(PLAIN)), VALUES, st.booleans())
def test_any_value_in_any_field_of_the_preprocessing_is_read_or_refused(
    name, value, squared
):
    kind = Squared if squared else Preprocessing
    pixels = read_or_refused(lambda: kind.from_json(PLAIN | {name: value}, 64))
    if pixels is not None:
        black = pixels.normalise(np.zeros((1, 1, 3), np.uint8))
        assert np.isfinite(black).all()


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(
    st.sampled_from([(tower, name) for tower in SIZES for name in SIZES[tower]]), VALUES
)
def test_any_value_in_any_field_of_the_architecture_is_read_or_refused(place, value):
    fields = json.loads((TINY / CONFIG).read_text())
    tower, name = place
    changed = fields | {tower: fields[tower] | {name: value}, "dtype": value}
    found = read_or_refused(lambda: architecture.from_json(changed))
    assert found is None or found.vision.num_patches > 0
