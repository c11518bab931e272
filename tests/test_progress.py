"""Progress is told on standard error: a bar on a terminal, lines elsewhere."""

import sys

import pytest

from apt_jax import progress as module
from apt_jax.names import printable
from apt_jax.progress import progress


def test_lines_tell_rate_time_left_and_figures(capsys, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.0)
    with progress(4, "encoding", "images") as advance:
        advance(1)
        advance(3, loss=0.123456)
    out, err = capsys.readouterr()
    assert out == ""
    first, last = err.splitlines()
    assert first.startswith("encoding: 1/4")
    assert "images/s" in first
    assert last.startswith("encoding: 4/4")
    assert last.endswith("loss 0.1235")


def test_lines_are_rare_and_the_last_always_comes(capsys):
    with progress(100, "x") as advance:
        for _ in range(100):
            advance()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_terminal_gets_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress(2, "encoding") as advance:
        advance(2, loss=1.0)
    assert "encoding" in capsys.readouterr().err


NAMES = ["[red]", "photo [final].jpg", ":dog:", "x[/b]", "a\nb\x1b[31m", "{braces}"]


@pytest.mark.parametrize("is_terminal", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_under_way_is_text(monkeypatch, capsys, name, is_terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    monkeypatch.setenv("COLUMNS", "120")
    with progress(2, f"unpacking {name}") as advance:
        advance(2, loss=1.0)
    said = capsys.readouterr().err
    assert f"unpacking {printable(name)}" in said
    assert "loss 1" in said
    assert "\x1b[31m" not in said


def test_a_long_name_folds_and_no_figure_of_a_bar_vanishes(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    with progress(20, "a" * 100) as advance:
        advance(20, loss=1.25)
    said = capsys.readouterr().err
    assert "20/20" in said
    assert "loss 1.25" in said
    assert said.count("a") >= 100
