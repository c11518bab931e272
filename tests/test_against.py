"""Two commits' results side by side: what the comparison sees, and what it lets pass."""

import csv
import json
import shutil
import subprocess

import pytest

from benchmarks import against
from benchmarks.cases import CASES
from benchmarks.compared import compare

PREDICTIONS = [
    {"path": "a.png", "label": "red", "predicted": "red", "p:red": 0.75, "p:10": 0.25},
    {"path": "b.png", "label": "10", "predicted": "red", "p:red": 0.6, "p:10": 0.4},
]
RESULTS = {
    "evaluations": [
        {"name": "zero_shot", "nll": 0.5, "samples": None},
        {"name": "deterministic", "nll": 0.25, "seconds_per_image": 0.1},
    ],
    "protocol": {
        "data": {"split_sha256": "ab", "name": "x"},
        "method": {"heads": 4},
        "commit": "c1",
    },
    "cost": {"trainable_parameters": 12, "train_seconds": 3.5},
}


def written(folder, predictions=PREDICTIONS, results=RESULTS):
    """A folder with what a run leaves."""
    run = folder / "run"
    run.mkdir(parents=True)
    with open(run / "predictions.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, list(predictions[0]))
        writer.writeheader()
        writer.writerows(predictions)
    (run / "results.json").write_text(json.dumps(results))
    return folder


def compared(tmp_path, **changed):
    return compare(written(tmp_path / "a"), written(tmp_path / "b", **changed))


def with_row(**fields):
    return [PREDICTIONS[0] | fields, PREDICTIONS[1]]


def with_results(**fields):
    return json.loads(json.dumps(RESULTS)) | fields


def test_equal_results_are_equal_to_the_bit(tmp_path):
    found = compared(tmp_path)
    assert (found.files, found.values, found.unequal) == (2, 18, 0)
    assert (found.faults, found.added, found.gone) == ([], set(), set())
    assert against.row("x", found)[3:] == ["equal to the bit"] * 2 + ["the same", "ok"]


def test_a_changed_probability_is_a_fault_beyond_what_rounding_does(tmp_path):
    near = compared(tmp_path / "near", predictions=with_row(**{"p:red": 0.75 + 5e-7}))
    assert near.probability == pytest.approx(5e-7)
    assert (near.unequal, near.faults) == (1, [])
    far = compared(tmp_path / "far", predictions=with_row(**{"p:red": 0.75 + 2e-6}))
    assert far.faults == ["run/predictions.csv: a.png / p:red: 0.75 -> 0.750002"]


def test_a_changed_label_is_a_fault_though_it_looks_like_a_number(tmp_path):
    found = compared(tmp_path, predictions=with_row(predicted="10"))
    assert found.labels == 1
    assert found.faults == ["run/predictions.csv: a.png / predicted: 'red' -> '10'"]
    other = compare(tmp_path / "b", written(tmp_path / "c", with_row(predicted="10.0")))
    assert other.labels == 1


def test_a_changed_figure_and_a_changed_hash_are_faults(tmp_path):
    rows = [RESULTS["evaluations"][0] | {"nll": 0.5001}, RESULTS["evaluations"][1]]
    found = compared(tmp_path / "figure", results=with_results(evaluations=rows))
    assert found.figure == pytest.approx(1e-4)
    assert found.faults == [
        "run/results.json: evaluations / zero_shot / nll: 0.5 -> 0.5001"
    ]
    card = {"data": {"split_sha256": "cd"}, "method": {"heads": 4}}
    found = compared(tmp_path / "hash", results=with_results(protocol=card))
    assert found.faults == [
        "run/results.json: protocol / data / split_sha256: 'ab' -> 'cd'"
    ]


def test_seconds_commits_and_the_wording_of_cards_are_left_out(tmp_path):
    card = RESULTS["protocol"] | {
        "data": {"split_sha256": "ab", "name": "y"},
        "commit": "c2",
    }
    cost = {"trainable_parameters": 12, "train_seconds": 9.0}
    found = compared(tmp_path, results=with_results(protocol=card, cost=cost))
    assert (found.unequal, found.faults, found.added, found.gone) == (
        0,
        [],
        set(),
        set(),
    )


def test_a_missing_file_and_a_missing_row_are_faults(tmp_path):
    found = compared(tmp_path / "row", predictions=PREDICTIONS[:1])
    assert found.faults == ["run/predictions.csv: b.png is gone"]
    one, other = written(tmp_path / "a"), written(tmp_path / "b")
    (other / "run/predictions.csv").unlink()
    assert compare(one, other).faults == ["run/predictions.csv is gone"]
    assert compare(other, one).added == {"run/predictions.csv"}
    assert not compare(other, one).faults


def test_fields_that_came_or_went_are_told_and_no_faults(tmp_path):
    rows = [PREDICTIONS[0] | {"set": "[]"}, PREDICTIONS[1] | {"set": "[]"}]
    evaluations = [
        {"name": "out_of_fold", "nll": 1.0},
        *({"name": row["name"], "nll": row["nll"]} for row in RESULTS["evaluations"]),
    ]
    found = compared(
        tmp_path, predictions=rows, results=with_results(evaluations=evaluations)
    )
    assert found.added == {
        "run/predictions.csv set",
        "run/results.json: evaluations / out_of_fold",
    }
    assert found.gone == {"run/results.json evaluations.samples"}
    assert (found.unequal, found.faults) == (0, [])


def test_a_command_that_fails_at_one_commit_is_a_fault_with_its_last_line(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(CASES, "made up", ("train OUT/results.json", "train no/where"))
    writes = "import sys; open(sys.argv[1], 'w').write('{}')"
    sides = {"before": writes, "after": "import sys; sys.exit('bar\\rerror: not here')"}
    for side, program in sides.items():
        (tmp_path / f"code of {side}").mkdir()
        (tmp_path / f"code of {side}/train.py").write_text(program)
    checkouts = {side: tmp_path / f"code of {side}" for side in sides}
    found = against.run_case("made up", checkouts, tmp_path)
    assert found.faults == [
        "after: `train` ended with status 1: error: not here",
        "results.json is gone",
    ]
    assert (tmp_path / "before/made up/results.json").exists()


@pytest.mark.skipif(not shutil.which("git"), reason="NOT CHECKED: no git")
def test_the_checkout_of_a_commit_is_gone_after_an_interrupt(tmp_path, monkeypatch):
    def git(*arguments):
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.check_output(["git", *who, *arguments], cwd=tmp_path)

    git("init", "--quiet")
    (tmp_path / "train.py").write_text("old")
    git("add", "train.py")
    git("commit", "--quiet", "--message", "one")
    (tmp_path / "train.py").write_text("new")
    monkeypatch.setattr(against, "ROOT", tmp_path)
    seen = []

    def interrupted():
        with against.worktree("HEAD") as checkout:
            seen.extend([checkout, (checkout / "train.py").read_text()])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    checkout, code = seen
    assert code == "old"
    assert not checkout.exists()
    assert git("worktree", "list").count(b"\n") == 1


def test_every_case_is_of_known_commands_and_keeps_to_its_folders():
    for commands in CASES.values():
        for command in commands:
            assert command.split()[0] in {*against.COMMANDS, "copy"}
            assert "OUT/" in command
            trained = command.startswith(("train", "grid", "study"))
            assert ("--config.features.cache_dir= " in command) == trained
            assert ("--config.clip.dtype=float32 " in command) == trained
