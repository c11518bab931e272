"""What was trained is what predicts: damage, loss and mix-ups are refused in one line."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import small_shots

from apt_jax.errors import NotFinite, UserError
from apt_jax.files import write_json
from apt_jax.methods import APT
from apt_jax.methods.base import Recipe
from apt_jax.training import loop
from apt_jax.training.checkpoints import Checkpoints, digest_of

OWNER = {"configuration": {"seed": 1}, "backbone": "x"}


def state_of(epoch, seed=0):
    recipe, key = Recipe(0.05, epochs=9), jax.random.key(seed)
    start = loop.start(APT(heads=4), small_shots(), recipe, key, {})
    return start._replace(epoch=jnp.int32(epoch))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a checkpoint of epoch 3."""
    folder = tmp_path_factory.mktemp("saved")
    with Checkpoints(folder / "checkpoints", OWNER) as checkpoints:
        checkpoints.save(state_of(3))
    return folder


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "copy")


def restored(folder, like=None):
    reading = like is None
    with Checkpoints(folder / "checkpoints", OWNER, read_only=reading) as checkpoints:
        return checkpoints.restore(like)


def files_below(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flipped(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def zeroed(data):
    middle = len(data) // 2
    return data[:middle] + bytes(64) + data[middle + 64 :]


DAMAGES = {
    "one bit of it flipped": flipped,
    "64 bytes of it zero": zeroed,
    "cut short": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "garbage": lambda data: b"\xff" * len(data),
    "gone": None,
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("as_saved", [True, False])
def test_a_checkpoint_with_any_file_damaged_is_refused(copy, damage, as_saved, capfd):
    for path in files_below(copy):
        data = path.read_bytes()
        path.unlink()
        if DAMAGES[damage] is not None:
            path.write_bytes(DAMAGES[damage](data))
        if path.exists() and path.read_bytes() == data:
            continue  # nothing there to be damaged
        with pytest.raises(UserError, match=r"(damaged|another).*; restore"):
            restored(copy, None if as_saved else state_of(0))
        path.write_bytes(data)
    assert digest_of(restored(copy)) == digest_of(state_of(3))
    assert not capfd.readouterr().err  # nor does Orbax tell it, at length


def test_arrays_are_compared_even_where_files_were_not_noted(copy):
    """A run that is killed right after Orbax saved has their digest alone."""
    entry = {"epoch": 3, "sha256": digest_of(state_of(3))}
    write_json(copy / "checkpoints.json", {"saved": [], "saving": [entry]})
    assert digest_of(restored(copy)) == entry["sha256"]
    entry["sha256"] = digest_of(state_of(3, seed=1))
    write_json(copy / "checkpoints.json", {"saved": [], "saving": [entry]})
    for like in (None, state_of(0)):
        with pytest.raises(UserError, match="it is not what was saved"):
            restored(copy, like)


@pytest.mark.parametrize(
    "lost", ["checkpoints", "checkpoints/3", "checkpoints/3/state"]
)
def test_nothing_stands_in_for_a_checkpoint_that_is_lost(copy, lost):
    shutil.rmtree(copy / lost)
    with pytest.raises(UserError, match=r"damaged.*; restore .* from a copy"):
        restored(copy, state_of(0))


def test_no_older_checkpoint_stands_in(copy, tmp_path):
    with Checkpoints(tmp_path / "older/checkpoints", OWNER) as checkpoints:
        checkpoints.save(state_of(2))
    shutil.rmtree(copy / "checkpoints/3")
    shutil.copytree(tmp_path / "older/checkpoints/2", copy / "checkpoints/2")
    with pytest.raises(UserError, match="epoch 3 was saved last, and epoch 2 is there"):
        restored(copy)


def test_a_checkpoint_of_the_same_epoch_of_another_training_is_refused(copy, tmp_path):
    with Checkpoints(tmp_path / "other/checkpoints", OWNER) as checkpoints:
        checkpoints.save(state_of(3, seed=1))
    shutil.rmtree(copy / "checkpoints")
    shutil.copytree(tmp_path / "other/checkpoints", copy / "checkpoints")
    with pytest.raises(UserError, match="damaged"):
        restored(copy)


@pytest.mark.parametrize("dies_at", range(4))
def test_a_save_that_is_cut_off_anywhere_leaves_what_can_go_on(
    copy, dies_at, monkeypatch
):
    """Before the first note, before and after Orbax's save, before the last note."""

    class Died(BaseException):
        pass

    from apt_jax.training import checkpoints as module

    moments = iter(range(4))

    def until(step):
        def wrapped(*arguments, **options):
            if next(moments) == dies_at:
                raise Died
            return step(*arguments, **options)

        return wrapped

    with Checkpoints(copy / "checkpoints", OWNER) as checkpoints:
        manager = checkpoints._manager
        with monkeypatch.context() as patch:
            patch.setattr(module, "write_json", until(module.write_json))
            patch.setattr(manager, "save", until(manager.save))
            patch.setattr(module, "files_of", until(module.files_of))
            with pytest.raises(Died):
                checkpoints.save(state_of(4))
    epoch = int(restored(copy, state_of(0)).epoch)
    assert epoch == (3 if dies_at < 2 else 4)
    with Checkpoints(copy / "checkpoints", OWNER) as checkpoints:
        checkpoints.save(state_of(epoch + 1))
    assert int(restored(copy).epoch) == epoch + 1


def test_the_first_save_that_is_cut_off_leaves_nothing_to_restore(
    tmp_path, monkeypatch
):
    with Checkpoints(tmp_path / "checkpoints", OWNER) as checkpoints:
        with monkeypatch.context() as patch:
            patch.setattr(checkpoints._manager, "save", lambda *a, **o: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                checkpoints.save(state_of(1))
        assert checkpoints.restore(state_of(0)) is None


def test_what_is_not_finite_is_no_checkpoint(copy, monkeypatch):
    """Not even of a run that noted no digest."""
    from apt_jax.training import checkpoints as module

    poisoned = jax.tree.map(lambda x: x * jnp.nan, state_of(3).params)
    (copy / "checkpoints.json").unlink()
    monkeypatch.setattr(module.Checkpoints, "_verify", lambda *arguments: None)
    monkeypatch.setattr(
        module, "State", lambda **state: loop.State(**state | {"params": poisoned})
    )
    with pytest.raises(NotFinite, match=r"not finite \(params\."):
        restored(copy)


@pytest.mark.parametrize("name", ["birds[1]", "caf\udce9"])
def test_a_folder_that_orbax_cannot_keep_is_refused_untouched(tmp_path, name):
    with pytest.raises(UserError, match=r"brackets.*; choose another `checkpoints`"):
        Checkpoints(tmp_path / name / "checkpoints", OWNER)
    assert not list(tmp_path.iterdir())


def test_the_digest_sees_names_shapes_dtypes_and_values():
    state = loop.State({"a": jnp.zeros(4)}, (), jnp.int32(0))
    others = (
        {"b": jnp.zeros(4)},
        {"a": jnp.zeros((2, 2))},
        {"a": jnp.zeros(4, jnp.int32)},
        {"a": jnp.zeros(4).at[3].set(1e-30)},
    )
    found = {digest_of(state._replace(params=other)) for other in others}
    assert len(found | {digest_of(state)}) == 5
    as_numpy = state._replace(params={"a": np.zeros(4, np.float32)})
    assert digest_of(as_numpy) == digest_of(state)
