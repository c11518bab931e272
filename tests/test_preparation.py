"""Before any work: class names as CLIP reads them, views by number, what is used."""

import io

import numpy as np
import pytest
from photos import write
from PIL import Image

from apt_jax import config as configuration
from apt_jax.clip.checkpoint import TINY
from apt_jax.clip.tokens import Tokenizer
from apt_jax.data.dataset import Dataset
from apt_jax.errors import UserError
from apt_jax.features.views import Views
from apt_jax.methods import make
from apt_jax.methods.readable import require_distinct_prompts
from apt_jax.runs.preparation import (
    prepare,
    usage_line,
    views_of,
)

TOKENIZER = Tokenizer(TINY, 77)


def named(*classes, descriptions=()):
    templates = ("a photo of a {}.",)
    return Dataset("things", classes, (), (), (), templates, None, descriptions)


@pytest.mark.parametrize(
    "pair",
    [
        ("T-shirt", "T - shirt"),
        ("caf\u00e9", "cafe\u0301"),
        ("Cat", "cat"),
        ("red_ant", "red  ant"),
        ("ant", "ant\u00a0"),
    ],
)
def test_names_whose_prompts_are_the_same_tokens_are_refused(pair):
    with pytest.raises(UserError, match=r"CLIP reads as equal .* = "):
        require_distinct_prompts(TOKENIZER, named("bee", *pair).texts)


@pytest.mark.parametrize(
    "pair", [("Maße", "Masse"), ("e", "é"), ("T-shirt", "T shirt")]
)
def test_names_whose_tokens_differ_are_two_classes(pair):
    require_distinct_prompts(TOKENIZER, named("bee", *pair).texts)


def test_descriptions_tell_classes_of_one_name_apart():
    described = (("small",), ("large",))
    require_distinct_prompts(
        TOKENIZER, named("Ant", "ant", descriptions=described).texts
    )


def settings(root, **fields):
    c = configuration.default(method="zero_shot", source="folder")
    c.clip.checkpoint, c.clip.dtype, c.features.cache_dir = "tiny", "float32", ""
    c.data.root = str(root)
    c.update_from_flattened_dict(fields)
    return c


@pytest.mark.parametrize(
    ("images", "views"),
    [(1, 10), (2_000, 10), (2_001, 9), (5_000, 4), (20_000, 1), (90_000, 1), (0, 10)],
)
def test_views_of_own_photographs_fall_with_their_number(images, views):
    asked = configuration.default(method="apt", source="folder")
    assert views_of(asked, make("apt"), images).count == views
    assert images * views <= 20_000 or views == 1


def test_a_number_of_views_that_is_given_is_obeyed(tmp_path):
    asked = settings(tmp_path)
    asked.augment.views = 7
    assert views_of(asked, make("apt"), 90_000).count == 7
    published = configuration.default(method="apt", source="coop")
    assert views_of(published, make("apt"), 90_000).count == 10


@pytest.mark.parametrize(
    ("method", "views"),
    [
        ("tip_adapter", Views(10, 0.5)),
        ("gda", Views(10, 0.5)),
        ("lp_plus_plus", Views(1, 0.5)),
        ("clap", Views(20, 0.08)),
        ("coop", Views(10, 0.08)),
        ("zero_shot", Views(0)),
    ],
)
def test_views_are_those_of_the_methods_paper_unless_they_are_given(method, views):
    asked, one = configuration.default(method, "coop"), make(method)
    assert views_of(asked, one, 100) == views
    asked.augment.views, asked.augment.area = 3, 0.7
    assert views_of(asked, one, 100) == Views(3, 0.7)
    asked.augment.views = None
    assert views_of(asked, one, 100) == Views(views.count, 0.7)


def pictures(count, start):
    """Pictures with structure, none like another."""
    for number in range(start, start + count):
        generator = np.random.default_rng(number)
        cells = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(cells).resize((32, 32)).save(file, "png")
        yield file.getvalue()


def five_classes(root, count=40):
    for label in range(5):
        made = enumerate(pictures(count, 1000 * label))
        write(root, {f"{'abcde'[label]}/{n}.png": data for n, data in made})


@pytest.mark.parametrize(
    ("shots", "said"),
    [
        (None, "140 of 200 labelled photographs used to train: 60 are the test"),
        (
            16,
            "80 of 200 labelled photographs used to train: 60 are the test, 60 are more "
            "than --config.shots=16",
        ),
        (
            0.5,
            "70 of 200 labelled photographs used to train: 60 are the test, 70 are more "
            "than --config.shots=0.5",
        ),
    ],
)
def test_all_own_photographs_are_used_by_default_and_it_is_said(tmp_path, shots, said):
    five_classes(tmp_path)
    asked = settings(tmp_path, **({} if shots is None else {"shots": shots}))
    assert usage_line(asked, prepare(asked)) == said


def test_a_share_for_validation_is_cut_off_only_where_it_is_read(tmp_path):
    five_classes(tmp_path, count=10)
    asked = settings(tmp_path)
    without, read = prepare(asked), prepare(asked, validation=True)
    assert [len(items) for items in without.dataset.splits.values()] == [35, 0, 15]
    assert [len(items) for items in read.dataset.splits.values()] == [25, 10, 15]
    assert without.dataset.test == read.dataset.test
    asked = configuration.default(method="gda", source="folder")
    asked.update(settings(tmp_path).to_dict() | {"method": asked.method})
    assert prepare(asked).dataset.val == ()
    asked.protocol = "as_published"  # gda searches its alpha on validation images
    assert len(prepare(asked).dataset.val) == 10


def test_fewer_views_than_usual_are_told(tmp_path, capsys, monkeypatch):
    five_classes(tmp_path, count=4)
    monkeypatch.setattr("apt_jax.features.views.MOST_VIEWS", 25)
    asked = settings(tmp_path)
    asked.method = configuration.default(method="task_res").method
    prepared = prepare(asked)
    assert prepared.views.count == 1
    said = capsys.readouterr().err
    assert "1 random view of each of 15 training images and not 10" in said
    assert "--config.augment.views=10 takes all" in said
