"""The quickstart: nothing but the repository, and adaptation pays."""

import json

import pytest

from apt_jax import config
from apt_jax.runs import story


@pytest.mark.slow
def test_the_quickstart_beats_zero_shot_and_says_what_comes_next(
    request, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    quickstart = config.load(str(request.config.rootpath / "configs/quickstart.py"))
    quickstart.features.cache_dir = ""
    story.run(quickstart, tmp_path / "run")
    rows = json.loads((tmp_path / "run/results.json").read_text())["evaluations"]
    accuracy = {row["name"]: row["accuracy"] for row in rows}
    nll = {row["name"]: row["nll"] for row in rows}
    for adapted in ("deterministic", "mc_dropout"):
        assert accuracy[adapted] > accuracy["zero_shot"] + 0.02
        assert nll[adapted] < nll["zero_shot"] - 0.05
    printed = capsys.readouterr().out
    assert "zero-shot CLIP" in printed
    assert "--config configs/folder.py" in printed
