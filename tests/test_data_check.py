"""Each thing that can be wrong with a whole data set has its own message."""

import pytest

from apt_jax.data import check
from apt_jax.data.dataset import Dataset, Item
from apt_jax.errors import UserError


def dataset(classes=("ant", "bee"), train=(2, 2), test=(1, 1)):
    def items(split, counts):
        return tuple(
            Item(f"{split}/{label}/{number}", label)
            for label, count in enumerate(counts)
            for number in range(count)
        )

    made = items("train", train), (), items("test", test)
    return Dataset("insects", tuple(classes), *made, ("a {}",), None)


def test_a_sound_data_set_has_no_notes():
    assert check(dataset(), 2) == []
    assert check(dataset(), 0) == []


@pytest.mark.parametrize(
    ("faulty", "message"),
    [
        (dataset(train=(2, 0)), r"no training images of 'bee'; add some"),
        (dataset(test=(0, 0)), r"no test images; add some"),
        (dataset(("ant",), (2,), (1,)), r"1 class \('ant'\); a classifier needs two"),
        (dataset((), (), ()), r"0 classes"),
        (dataset(("ant", "ant")), r"there twice \('ant', 'ant'\), or"),
        (dataset(("caf\u00e9", "cafe\u0301")), r"there twice .*or in two spellings"),
        (dataset(("\u1112\u1161\u11ab", "\ud55c")), r"there twice"),
        (dataset(("ant", "_")), r"no words \('_'\); rename"),
        (dataset(("ant", "b\nee")), r"no words \('b\\nee'\)"),
        (dataset(("ant", "b\udce9e")), r"no words \('b\\udce9e'\)"),
    ],
)
def test_each_fault_has_its_message(faulty, message):
    with pytest.raises(UserError, match=message) as caught:
        check(faulty, 1)
    assert "\n" not in str(caught.value)


def test_a_class_without_test_images_is_a_note_that_names_it():
    (note,) = check(dataset(test=(0, 1)), 0)
    assert note.startswith("no test images of 'ant': they are trained")


@pytest.mark.parametrize("pair", [("Maße", "Masse"), ("Cat", "cat"), ("o", "ö")])
def test_names_that_differ_as_text_are_left_to_the_tokenizer(pair):
    assert check(dataset(pair), 0) == []


def test_all_faults_are_said_at_once():
    with pytest.raises(UserError) as caught:
        check(dataset(("ant", "ant"), (1, 0), (0, 0)), 1)
    message = str(caught.value)
    assert message.startswith("data set 'insects': ")
    for part in (
        "there twice",
        "no training images of 'ant'",
        "no test images; add some",
    ):
        assert part in message


def test_fewer_images_than_shots_is_a_note_that_names_class_and_count():
    (note,) = check(dataset(train=(3, 9)), 4)
    assert note == "fewer than 4 training images of 'ant' (3): all of them are used"


def test_many_names_are_cut_at_ten():
    classes = [f"c{label:02d}" for label in range(14)]
    with pytest.raises(UserError, match=r"'c09' and 4 more; add"):
        check(dataset(classes, [0] * 14, [1] * 14), 1)
