"""Where the tests find their inputs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.fs as pafs
import pytest
from hypothesis import HealthCheck, Phase, settings

from pipeline import kernels

# Machines are shared: a slow example is no fault. `HYPOTHESIS_PROFILE=long` looks at 10,000 examples of each property.
PATIENT = [HealthCheck.too_slow]
settings.register_profile("quick", deadline=None, suppress_health_check=PATIENT)
settings.register_profile("long", deadline=None, suppress_health_check=PATIENT, max_examples=10_000)
# For `tests/mutation.py`: the same examples each time, and the first that fails is enough.
settings.register_profile("mutation", deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


def examples(count: int) -> settings:
    """So many examples in the quick run, for a property that takes long or needs many; a longer profile has its say."""
    usual = settings.get_profile("quick").max_examples
    return settings(max_examples=count if settings().max_examples <= usual else settings().max_examples)


def pytest_addoption(parser: pytest.Parser) -> None:
    """NumPy does what the kernels do, and has to do it right: `pytest --without-kernels`."""
    parser.addoption("--without-kernels", action="store_true", help="run as where there was no C compiler")


def pytest_configure(config: pytest.Config) -> None:
    """Before any test is collected, so that whatever looks at it sees the same."""
    if config.getoption("--without-kernels"):
        kernels.compiled = None


@pytest.fixture(scope="module", params=["in C", "in NumPy"])
def either_way(request: pytest.FixtureRequest) -> Iterator[None]:
    """The tests of a module with the kernels and without: everybody gets the same answers."""
    if request.param == "in C" and kernels.compiled is None:
        pytest.skip("the kernels were not built: install with a C compiler there to test them")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "in NumPy":
            patch.setattr(kernels, "compiled", None)
        yield


ROOT = Path(__file__).parent.parent
SEEDS = ROOT / "seeds"


def shared(variable: str, name: str) -> Path:
    """A folder of foreign data beside the checkout, or a skip that says how to get it."""
    folder = Path(os.environ.get(variable, ROOT.parent / "shared" / name))
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there; set {variable} to a folder that holds this data")
    return folder


EmptyFolder = Callable[[], Path]


@pytest.fixture(scope="session")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> EmptyFolder:
    """Gives each example of a property a folder of its own; the one before it goes, since ten thousand fill a disk."""
    folder = tmp_path_factory.mktemp("examples") / "example"

    def empty() -> Path:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder

    return empty


@pytest.fixture(scope="session")
def hostile() -> Path:
    """Attack files that no one here wrote."""
    return shared("PIPELINE_SUITES", "hostile")


@pytest.fixture(scope="session")
def seed_gold() -> Path:
    """The seeds' lines, labelled by hand."""
    return shared("PIPELINE_SEED_GOLD", "seeds") / "gold.jsonl"


@pytest.fixture(scope="session")
def bench() -> Path:
    """The benchmark of labelled news lines."""
    return shared("PIPELINE_BENCH", "bench")


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket of a real server that speaks S3, as a URI with a place for the path."""
    server = pytest.importorskip("moto.server", reason="moto[server] is in the extra `test`")
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    options = f"endpoint_override={host}:{port}&scheme=http&region=us-east-1"
    pafs.FileSystem.from_uri(f"s3://key:secret@news?{options}&allow_bucket_creation=true")[0].create_dir("news")
    yield f"s3://key:secret@news/%s?{options}"
    running.stop()
