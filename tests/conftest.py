"""JAX at its strictest, so that a slip is a red test and not a wrong number."""

import os
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Tests compile much and compute little. JAX after 0.10 stops at the second flag.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0"
    + " --xla_cpu_use_fusion_emitters=false" * version("jax").startswith("0.10."),
)

import jax
import pytest

jax.config.update(
    "jax_numpy_rank_promotion", "raise"
)  # [N] + [N, 1] must be spelled out
jax.config.update("jax_debug_key_reuse", True)  # sees jax.random.key, not PRNGKey
jax.config.update(
    "jax_captured_constants_warn_bytes", 1_000_000
)  # weights in a closure

# Not by JAX's own variable, which the processes that tests start would inherit: one that
# is killed, or may write little, leaves half a program there.
if compiled := os.environ.get("TESTS_COMPILE_INTO"):
    jax.config.update("jax_compilation_cache_dir", compiled)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared():
    """The folder of real data beside the checkout; its tests are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip(
            "NOT CHECKED: no ../shared beside the checkout (real data, tokenizer)"
        )
    return SHARED


@pytest.fixture(scope="module")
def small_sets():
    """Published data sets that a test makes have fewer images than were published."""
    from apt_jax.data.published import official

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(official, "differences", lambda dataset, published: ())
        yield


@pytest.fixture
def small_archives(monkeypatch, small_sets):
    """Archives that a test makes are smaller than the published ones of their names."""
    from apt_jax.data.published import downloads

    monkeypatch.setattr(downloads, "known_sizes", lambda builder: {})


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of photographs of colours."""
    from toy import photo_folder

    return photo_folder(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def finished(request, photos, tmp_path_factory):
    """The folder of a finished run of the `settings` of the tests beside it."""
    from apt_jax.runs import story

    folder = tmp_path_factory.mktemp("runs") / "run"
    story.run(request.module.settings(photos), folder)
    return folder
