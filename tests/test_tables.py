"""Tables: names are text, what is long folds, and no figure is ever cut."""

import io
import re
import sys

import pytest
from rich.cells import cell_len

from apt_jax.names import as_part, printable, storable
from apt_jax.report import figures, grid, survey, variance
from apt_jax.report.tables import predictions_table
from apt_jax.tables import Table, code

NAMES = [
    "photo [final].jpg",
    ":dog: x.jpg",
    "x[/b].jpg",
    "[red]",
    "[link=http://a.b]x",
    "a/" * 79 + "b.jpg",
    "日本語の写真" * 12,
    "🐕‍🦺🇯🇵" * 8,
    "e\u0301" * 90,
    "tab\tand\nline\rand\x1b[31mred",
    "\u202egpj.exe",
    "caf\udce9.jpg",
    "a|b",
    "$x^$ \\alpha",
    "<b>&amp;",
    "100 % `code` *bold* _it_",
]
WIDE = "x" * 160


def on_terminal(monkeypatch, columns, encoding="utf-8"):
    """Standard output that is a terminal of this width."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", str(columns))


def rows_of(names):
    return [
        {
            "path": name,
            "predicted": name[:30],
            "confidence": 0.123,
            "predictive_entropy": 1.234,
            "mutual_information": 0.345,
            "error": None,
        }
        for name in names
    ]


def shown(rows):
    return predictions_table(rows).terminal()


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_it_is_or_escaped_and_whole(name):
    text = shown(rows_of([name]))
    assert printable(name) in text
    assert text.splitlines()[2].endswith("12.3 %    1.234               0.345")
    assert len(text.splitlines()) == 3
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("name", NAMES)
def test_on_a_narrow_terminal_a_name_folds_and_figures_stay_whole(monkeypatch, name):
    on_terminal(monkeypatch, 60)
    text = shown(rows_of([name]))
    lines = text.splitlines()
    assert max(map(cell_len, lines)) <= 60
    (row,) = (line for line in lines if "12.3 %" in line)
    assert row.split()[-3:] == ["%", "1.234", "0.345"]
    assert "confidence" in text
    assert "information" in text


def test_folded_names_lose_no_letter(monkeypatch):
    on_terminal(monkeypatch, 60)
    name = "".join(chr(0x41 + index % 26) for index in range(160))
    row = rows_of([name])[0] | {"predicted": "-"}
    lines = shown([row]).splitlines()[3:]
    assert "".join(line.split()[0] for line in lines) == name


@pytest.mark.parametrize("columns", [1, 10, 40])
def test_figures_are_whole_on_any_terminal(monkeypatch, columns):
    on_terminal(monkeypatch, columns)
    text = shown(rows_of([WIDE]))
    for figure in ("12.3 %", "1.234", "0.345", "confidence", "entropy"):
        assert figure in text


def test_elsewhere_nothing_folds_whatever_the_environment_says(monkeypatch):
    for name, value in (("COLUMNS", "20"), ("FORCE_COLOR", "1"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
    text = shown(rows_of([WIDE]))
    assert f"{WIDE}  {WIDE[:30]}" in text
    assert "\x1b" not in text


def test_what_cannot_be_read_is_told_in_the_table():
    nothing = dict.fromkeys(("predicted", "confidence"))
    text = shown(
        [*rows_of(["a.jpg"]), {"path": "b.jpg", "error": "empty file"} | nothing]
    )
    assert text.splitlines()[0].split()[:3] == ["image", "class", "unreadable"]
    assert re.search(r"b\.jpg  -      empty file +-  +-  +-$", text)
    assert "unreadable" not in shown(rows_of(["a.jpg"]))


def test_a_rule_is_of_characters_that_standard_output_has(monkeypatch):
    on_terminal(monkeypatch, 80, "ascii")
    assert Table(["a", "b"], [["x", "1"]]).terminal().isascii()
    on_terminal(monkeypatch, 80)
    assert "─" in Table(["a", "b"], [["x", "1"]]).terminal()


# -- Markdown ---------------------------------------------------------------------------


def cells_of(line):
    """The cells of a line of Markdown, unescaped."""
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", line)[1:-1]
    return [re.sub(r"\\(.)", r"\1", part.strip()) for part in parts]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_breaks_no_table_in_markdown(name):
    lines = Table(["", "a|b"], [[name, "1"]]).markdown().split("\n")
    assert len(lines) == 3
    assert cells_of(lines[2]) == [printable(name), "1"]
    assert cells_of(lines[0]) == ["", "a|b"]
    assert "**" not in lines[2].replace("\\*", "")


def test_ordinary_names_and_figures_are_not_escaped():
    text = Table(["", "− zero-shot"], [["zero_shot", "61.5 ± 0.5 (tie)"]]).markdown()
    assert "| zero_shot | 61.5 ± 0.5 (tie) |" in text


@pytest.mark.parametrize(
    ("text", "expected"), [("a b", "`a b`"), ("a`b``", "``` a`b`` ```")]
)
def test_a_command_is_code_whatever_is_in_it(text, expected):
    assert code(text) == expected


# -- pictures and pages -----------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_text_in_a_figure(name):
    curves = {name: ([1, 4], [0.5, 0.6], [0.0, 0.1]), "other": ([1], [0.5], [0.0])}
    drawn = figures.over_shots(curves, name, "Accuracy, %")
    assert figures.png_of(drawn).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_text_in_the_analysis_of_variance(name):
    found = {
        **{"data": name, "split": "test", "backbone": name, "examples": 4, "groups": 2},
        **dict.fromkeys(("pseudo_f", "r2_adjusted", "intra", "inter"), 1.0),
        **dict.fromkeys(("intra_over_inter", "fisher", "dispersion_f", "p"), 1.0),
        **{"permutations": 9, "dimensions": 2, "f_by_dimension": [1.0, 2.0]},
        **{"f_quantiles": {"0.5": 1.0}, "classes": [name, "b"]},
        **{"intra_by_group": [1.0, 2.0], "nearest_by_group": [1.0, 3.0]},
    }
    lines = variance.analysis_markdown(found).split("\n")
    assert {len(cells_of(line)) for line in lines} == {2}
    assert figures.png_of(variance.classes_figure(found)).startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_a_contact_sheet_has_any_name(name):
    from apt_jax.report import contact_sheet

    row = contact_sheet.Row(name, "1 image", [])
    page = contact_sheet.page(name, "1 image", "", [row])
    assert page.height == contact_sheet.height_of(1)


@pytest.mark.parametrize("name", NAMES)
def test_a_survey_escapes_any_name(name):
    rows = [
        {"folder": name, "name": name, "width": 9, "height": 9, "images": 2, "files": 2}
        | dict.fromkeys(("train", "val", "test"), 1)
    ]
    report = {
        **{"name": name, "source": "a folder", "layout": "drawn", "classes": rows},
        **{"imbalance": 1.0, "copies": {}, "names": [], "no_backbone": ""},
        "files": {
            "formats": {"PNG (RGB)": 2},
            "shorter_side": {"least": 9, "median": 9, "most": 9},
            **{"unreadable": {name: "empty file"}, "turned": [name], "flat": []},
        },
        **{"notes": [f"{name} is odd"], "refused": [name], "next": None},
        **{"sheets": [name], "classes_not_drawn": 0},
    }
    text = survey.text(report)
    assert text.count(printable(name)) >= 6
    assert text.replace("\n", "").replace("─", "").isprintable()


# -- names ------------------------------------------------------------------------------


def test_what_utf_8_cannot_hold_is_escaped_and_nothing_else():
    assert storable("caf\udce9 日本\n|") == r"caf\udce9 日本" + "\n|"


@pytest.mark.parametrize("name", ["../a", "a/b", ".hidden", "..", "a\\b", "/", "50%"])
def test_a_name_is_one_part_of_a_path(name):
    part = as_part(name)
    assert "/" not in part
    assert "\\" not in part
    assert not part.startswith(".")


def test_names_that_differ_are_parts_that_differ_and_ordinary_ones_stay():
    assert as_part("a/b") != as_part("a%2Fb")
    assert as_part("caltech-101 (2)") == "caltech-101 (2)"


def test_pictures_of_a_grid_are_where_the_report_says():
    assert grid.picture_of("a/b c", "nll") == "a%2Fb c-nll.png"
