"""A `UserError` is a ValueError, and no handler of ValueErrors takes it for another's."""

import pytest
from photos import write

from apt_jax.data.published.vtab import arrays, drives, retinopathy, scenes
from apt_jax.errors import UserError


@pytest.mark.parametrize(
    "read",
    [
        lambda root: drives._drives(root),
        lambda root: scenes._vehicles(root / "labels.txt"),
        lambda root: retinopathy._rows(root / "labels.csv", None),
    ],
)
def test_a_list_that_is_missing_is_told_once_and_not_as_damaged(tmp_path, read):
    write(tmp_path, {"mapping/train_mapping.txt": b"a b\n"})
    with pytest.raises(UserError, match="No such file") as told:
        read(tmp_path)
    assert "damaged" not in str(told.value)


def test_a_matrix_that_ends_too_early_is_told_once(tmp_path):
    head = [0x1E3D4C55, 3, 2, 2, 2]
    data = b"".join(number.to_bytes(4, "little") for number in head)
    write(tmp_path, {"matrix": data})
    with pytest.raises(UserError, match="is damaged") as told:
        arrays._matrix(tmp_path / "matrix")
    assert str(told.value).count("is damaged") == 1
