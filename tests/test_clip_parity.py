"""Live parity with `transformers`' torch CLIPModel, on full-size random checkpoints."""

import json

import pytest
from clip_outputs import outputs, relative_error

torch = pytest.importorskip(
    "torch", reason="NOT CHECKED: parity with torch needs torch==2.13.0"
)

import torch_clip  # noqa: E402

from apt_jax.clip import checkpoint  # noqa: E402
from apt_jax.clip.config import ClipConfig  # noqa: E402
from apt_jax.clip.model import CLIP  # noqa: E402
from apt_jax.clip.weights import from_tensors  # noqa: E402

BAR = 2e-5


def loaded(folder):
    """Config and parameters through the code that loads every checkpoint."""
    config = ClipConfig.from_json(json.loads((folder / "config.json").read_text()))
    tensors, _ = checkpoint.read_tensors(folder)
    return config, from_tensors(tensors, config, checkpoint.parameter_shapes(config))


def errors(sizes, folder, activation="quick_gelu", **saving):
    model = torch_clip.random_model(sizes, activation)
    model.save_pretrained(folder, **saving)
    config, params = loaded(folder)
    pixels, ids, eos = torch_clip.inputs(model)
    theirs = torch_clip.outputs(model, pixels, ids)
    del model
    ours = outputs(CLIP(config), params, pixels, ids, eos)
    assert ours.keys() == theirs.keys()
    return {name: relative_error(ours[name], theirs[name]) for name in theirs}


@pytest.mark.parametrize("name", torch_clip.FULL_SIZE)
def test_every_output_of_a_full_size_model_equals_torchs(name, tmp_path):
    found = errors(torch_clip.FULL_SIZE[name], tmp_path)
    worst = max(found, key=found.get)
    assert found[worst] <= BAR, (worst, found[worst])


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
def test_both_activations_and_odd_sizes_equal_torchs(activation, tmp_path):
    found = errors(torch_clip.SMALL, tmp_path, activation)
    worst = max(found, key=found.get)
    assert found[worst] <= BAR, (worst, found[worst])


def test_sharded_checkpoints_are_read(tmp_path):
    found = errors(torch_clip.SMALL, tmp_path, max_shard_size="10KB")
    assert len(checkpoint.weight_files(tmp_path)) > 1
    assert max(found.values()) <= BAR


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_files_give_the_numbers_they_hold(dtype, tmp_path):
    model = torch_clip.random_model(torch_clip.SMALL).to(getattr(torch, dtype))
    model.save_pretrained(tmp_path)
    config, params = loaded(tmp_path)
    pixels, ids, eos = torch_clip.inputs(model)
    theirs = torch_clip.outputs(model.float(), pixels, ids)
    params = checkpoint.stored(params, "float32")
    ours = outputs(CLIP(config), params, pixels, ids, eos)
    for name in theirs:
        assert relative_error(ours[name], theirs[name]) <= BAR, name


def test_the_goldens_are_what_torch_says_today():
    import numpy as np
    from goldens.write_clip import GOLDEN, golden_outputs

    with np.load(GOLDEN) as golden:
        for name, value in golden_outputs().items():
            np.testing.assert_allclose(value, golden[name], rtol=1e-4, atol=1e-5)
