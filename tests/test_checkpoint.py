"""Checkpoints: folders, the one in the package, the hub's cache; what is wrong with one."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from toy import toy_folder

from apt_jax.clip import check, checkpoint, hub
from apt_jax.clip.weights import flat
from apt_jax.commands.check import main
from apt_jax.errors import UserError


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(toy_folder(), tmp_path / "clip")


def test_a_written_checkpoint_is_read_back_bit_for_bit(copy, tmp_path):
    clip = checkpoint.load(str(copy))
    again = tmp_path / "again"
    checkpoint.write(
        again, clip.config, clip.params, clip.pixels, copy, dtype="float32"
    )
    other = checkpoint.load(str(again))
    assert other.config == clip.config
    assert other.pixels == clip.pixels
    assert other.sha256 == clip.sha256
    for ours, theirs in zip(
        flat(clip.params).values(),
        flat(other.params).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_transformers_reads_what_we_write(copy):
    torch = pytest.importorskip(
        "torch", reason="NOT CHECKED: needs torch to load our checkpoint with it"
    )
    from clip_outputs import outputs, relative_error
    from torch_clip import inputs
    from torch_clip import outputs as torch_outputs
    from transformers import CLIPModel

    model = CLIPModel.from_pretrained(copy, dtype=torch.float32).eval()
    clip = checkpoint.load(str(copy))
    pixels, ids, eos = inputs(model)
    theirs = torch_outputs(model, pixels, ids)
    ours = outputs(clip.module, clip.params, pixels, ids, eos)
    assert relative_error(ours["logits"], theirs["logits"]) < 2e-5


def test_the_hash_is_of_the_weight_files_bytes(copy):
    from apt_jax.files import sha256_of_file

    expected = sha256_of_file(copy / "model.safetensors")
    assert checkpoint.load(str(copy)).sha256 == expected


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "config.json").unlink(), "has no config.json"),
        (lambda f: (f / "config.json").write_text("{"), "is no JSON"),
        (lambda f: (f / "model.safetensors").unlink(), "neither model.safetensors"),
        (
            lambda f: (f / "model.safetensors").write_bytes(
                (f / "model.safetensors").read_bytes()[:-50]
            ),
            "no whole safetensors file",
        ),
        (lambda f: (f / "merges.txt").unlink(), r"no merges\.txt"),
        (
            lambda f: (
                (f / "model.safetensors").rename(f / "model-1.safetensors"),
                (f / hub.WEIGHTS[1]).write_text(
                    json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "x"}})
                ),
            ),
            "lacks x, which",
        ),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(copy, spoil, message):
    spoil(copy)
    with pytest.raises(UserError, match=message):
        checkpoint.load(str(copy))


def test_a_missing_folder_and_a_wrong_name_are_told_apart_from_hub_names():
    for name in ("./nothing", "/nothing/here", "clip-vit"):
        with pytest.raises(UserError, match="no folder"):
            checkpoint.find(name)


def cached_snapshot(root, name, commit, files):
    """A snapshot in the layout of the hub's cache."""
    repository = root / f"models--{name.replace('/', '--')}"
    folder = repository / "snapshots" / commit
    folder.mkdir(parents=True)
    for file in files:
        shutil.copy(toy_folder() / file, folder / file)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs/main").write_text(commit)
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    import huggingface_hub.constants
    from huggingface_hub.utils import _cache_manager

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(_cache_manager, "HF_HUB_CACHE", str(tmp_path), raising=False)
    return tmp_path


FILES = ("config.json", "model.safetensors", "vocab.json", "merges.txt")


def test_a_cached_checkpoint_needs_no_network(cache, monkeypatch):
    cached_snapshot(cache, "someone/toy-clip", "a" * 40, FILES)
    monkeypatch.setattr(hub, "fetched", lambda name, revision: 1 / 0)
    clip = checkpoint.load("someone/toy-clip")
    assert clip.revision == "a" * 40
    assert clip.name == "someone/toy-clip"


def test_a_revision_is_honoured_in_the_cache(cache, monkeypatch):
    cached_snapshot(cache, "someone/toy-clip", "a" * 40, FILES)
    assert hub.cached("someone/toy-clip", "a" * 40)[1] == "a" * 40
    assert hub.cached("someone/toy-clip", "main")[1] == "a" * 40
    assert hub.cached("someone/toy-clip", "b" * 40) is None
    assert hub.cached("someone/other-clip", None) is None


def test_a_snapshot_without_safetensors_does_not_count(cache):
    cached_snapshot(cache, "someone/toy-clip", "a" * 40, FILES[:1])
    assert hub.cached("someone/toy-clip", None) is None


def test_offline_and_not_cached_says_which_files_to_put_where(cache, monkeypatch):
    def offline(name, revision):
        raise ConnectionError("no network")

    monkeypatch.setattr(hub, "fetched", offline)
    with pytest.raises(UserError) as raised:
        checkpoint.load("openai/clip-vit-base-patch16")
    message = str(raised.value)
    assert "\n" not in message
    for part in (*FILES, "`clip`=FOLDER", "no network"):
        assert part in message


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["adapter_config.json", "adapter_model.safetensors"], "a PEFT adapter"),
        (["open_clip_pytorch_model.bin", "open_clip_config.json"], "of open_clip"),
        (["model_index.json", "unet/config.json"], "a pipeline of diffusers"),
        (["config.json", "pytorch_model.bin"], "a pickle of torch"),
        (["README.md"], "has no model.safetensors on the hub"),
    ],
)
def test_what_a_repository_holds_instead_is_named(monkeypatch, names, words):
    import huggingface_hub

    files = [SimpleNamespace(rfilename=name) for name in names]
    api = SimpleNamespace(
        model_info=lambda name, revision: SimpleNamespace(siblings=files),
        get_repo_discussions=lambda name: [],
    )
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: api)
    with pytest.raises(UserError, match=words):
        hub.fetched("someone/something", None)


# -- python -m apt_jax check ------------------------------------------------------------


def test_check_prints_what_a_checkpoint_is(capsys):
    assert main([str(toy_folder())]) == 0
    out = capsys.readouterr().out
    clip = checkpoint.load(str(toy_folder()))
    for part in (clip.sha256, "parameters", "float32", "none known"):
        assert part in out


@pytest.mark.parametrize(("shift", "status"), [(0.0, 0), (0.01, 1)])
def test_check_compares_the_published_logits(
    tmp_path, monkeypatch, capsys, shift, status
):
    from PIL import Image

    Image.new("RGB", (20, 20), "red").save(tmp_path / "cats.png")
    monkeypatch.setattr(check, "is_openai_b32", lambda clip: True)
    found = np.array(check.LOGITS) + shift
    monkeypatch.setattr(check, "logits", lambda clip, picture, texts: found)
    arguments = [str(toy_folder()), "--image", str(tmp_path / "cats.png")]
    assert main(arguments) == status
    assert ("DIFFERENT" in capsys.readouterr().out) == bool(status)


def test_check_says_plainly_when_it_has_no_picture(monkeypatch, capsys):
    def offline(address):
        raise OSError("no network")

    monkeypatch.setattr(check, "is_openai_b32", lambda clip: True)
    monkeypatch.setattr(check, "fetch", offline)
    assert main([str(toy_folder())]) == 0
    assert "NOT CHECKED, no picture (no network)" in capsys.readouterr().out


def test_check_refuses_a_picture_that_is_none(monkeypatch, tmp_path):
    (tmp_path / "cats.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n")
    monkeypatch.setattr(check, "is_openai_b32", lambda clip: True)
    with pytest.raises(
        UserError, match="EPS is not read: save it as PNG; pass another"
    ):
        main([str(toy_folder()), "--image", str(tmp_path / "cats.jpg")])
