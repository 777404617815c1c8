"""The Ray engine on a cluster of two nodes, and outputs on a server that speaks S3."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline.build import build
from pipeline.cli import main
from pipeline.config import Config
from pipeline.corpus.push import POINTER, publish
from pipeline.engine import LocalEngine
from pipeline.engine.ray import RayEngine
from pipeline.errors import PipelineError, UsageError
from pipeline.read import source
from pipeline.read.stream import filesystem
from pipeline.write import manifest
from tests.conftest import ROOT
from tests.test_build import digests
from tests.test_engine import Add, Fail, Numbers
from tests.test_incremental import article, write_file


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one processor each on this machine; the driver knows their address only."""
    ray = pytest.importorskip("ray", reason="Ray is in the extra [ray]")
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patch:
        # Nodes run the code and the tests of this checkout; none of them tells anybody about it.
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        node = {"num_cpus": 1, "object_store_memory": 80 << 20}
        made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        made.add_node(**node)
        yield made
        ray.shutdown()
        made.shutdown()


@pytest.fixture
def engine(cluster: Any) -> RayEngine:
    return RayEngine(cluster.address, None, 100_000_000)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five files of five articles, a shard each; some repeat others."""
    monkeypatch.setattr(source, "SHARD_BYTES", 1_000)
    for file in range(5):
        write_file(tmp_path / "in", f"{file}", [article(7 * file + number, "More from us") for number in range(9)])
    return tmp_path / "in"


@dataclass(frozen=True)
class Once(Add):
    """A step that dies the first time it is run."""

    marker: Path

    def __call__(self, task: Numbers) -> int:
        if not self.marker.exists():
            self.marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(task)


def test_every_task_gives_its_own_result(engine: RayEngine) -> None:
    """Results carry the index of their task; both nodes answer when all are asked."""
    tasks = [Numbers((number, number)) for number in range(7)]
    assert sorted(engine.map(Add(), tasks)) == sorted(LocalEngine(1).map(Add(), tasks))
    assert len(engine.everywhere(os.getpid)) == 2


def test_a_worker_that_dies_once_is_forgiven(engine: RayEngine, tmp_path: Path) -> None:
    """Ray runs the task again, and nothing is left out."""
    assert dict(engine.map(Once(tmp_path / "died"), [Numbers((1, 2))])) == {0: 3}


def test_only_what_kills_a_worker_is_left_out(engine: RayEngine) -> None:
    """A task that dies again and again loses the guilty number, all others count."""
    tasks = [Numbers((1, 2, 3)), Numbers((10, 11, 12), frozenset({11}))]
    assert dict(engine.map(Add(), tasks)) == {0: 6, 1: 22}


def test_an_error_of_a_step_reaches_the_caller(engine: RayEngine) -> None:
    """As the one line that it is, not as a trace of the cluster."""
    with pytest.raises(PipelineError, match=r"^no way with \(1,\)$"):
        list(engine.map(Fail(), [Numbers((1,))]))


def test_a_build_on_a_cluster_has_the_bytes_of_a_local_one(cluster: Any, folder: Path, tmp_path: Path) -> None:
    """Near-duplicates included; a second build of the same on this machine finds all of it done."""
    local = build([str(folder)], tmp_path / "local", Config(workers=1, dedupe="near"))
    config = Config(engine="ray", ray_address=cluster.address, dedupe="near")
    assert digests(build([str(folder)], tmp_path / "ray", config).corpus) == digests(local.corpus)
    again = build([str(folder)], tmp_path / "ray", Config(workers=1, dedupe="near"))
    assert digests(again.corpus) == digests(local.corpus)


def test_from_s3_to_s3_on_a_cluster(cluster: Any, bucket: str, folder: Path, tmp_path: Path) -> None:
    """Inputs are read and the corpus is published by URI: there lie the bytes of a local build, and no key is shown."""
    for file in folder.iterdir():
        system, path = filesystem(bucket % f"raw/{file.name}")
        with system.open_output_stream(path) as stream:
            stream.write(file.read_bytes())
    here = build([bucket % "raw"], tmp_path / "here", Config(workers=1)).corpus
    options = ["--engine", "ray", "--ray-address", cluster.address, "--work", str(tmp_path / "work"), "--json"]
    result = CliRunner().invoke(main, ["build", bucket % "raw", "-o", bucket % "clean", *options])
    assert result.exit_code == 0, result.output
    assert "secret" not in result.output
    name = manifest.build_name((here / "manifest.json").read_bytes())
    assert json.loads(result.stdout)["published"] == f"s3://news/clean/{name}"
    system, root = filesystem(bucket % "clean")
    assert json.loads(system.open_input_stream(f"{root}/{POINTER}").read())["build"] == name
    for file in (file for file in here.rglob("*") if file.is_file()):
        assert system.open_input_stream(f"{root}/{name}/{file.relative_to(here)}").read() == file.read_bytes()


def test_a_new_build_moves_the_pointer_and_leaves_the_former_one(folder: Path, bucket: str, tmp_path: Path) -> None:
    """Readers of the former build go on; when the new one cannot be sent whole, the pointer stays."""
    system, root = filesystem(bucket % "moving")
    first = build([str(folder)], tmp_path / "out", Config(workers=1)).corpus
    former = publish(first, bucket % "moving")
    pointer = system.open_input_stream(f"{root}/{POINTER}").read()
    assert publish(first, bucket % "moving").sent == 0
    write_file(folder, "9", [article(900)])
    corpus = build([str(folder)], tmp_path / "out", Config(workers=1)).corpus
    page = corpus / "report.html"
    whole = page.read_bytes()
    page.write_bytes(whole[:-1])
    with pytest.raises(PipelineError, match="damaged"):
        publish(corpus, bucket % "moving")
    assert system.open_input_stream(f"{root}/{POINTER}").read() == pointer
    page.write_bytes(whole)
    latter = publish(corpus, bucket % "moving")
    named = json.loads(system.open_input_stream(f"{root}/{POINTER}").read())["build"]
    assert latter.uri.endswith(named)
    assert system.get_file_info(f"{root}/{former.uri.rpartition('/')[2]}/manifest.json").is_file


def test_a_node_that_does_not_see_the_work_folder_is_named(
    cluster: Any, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build says before it begins what all nodes have to share."""
    monkeypatch.setattr("pipeline.cluster._look", blind)
    with pytest.raises(UsageError, match=r"node elsewhere does not see .*share"):
        build([str(folder)], tmp_path / "out", Config(engine="ray", ray_address=cluster.address))


def blind(_: Path) -> Any:
    """What a node on which the folder is not mounted says."""
    from pipeline.cluster import _Node
    from pipeline.stages import code_digest

    return _Node("elsewhere", code_digest(), sees=False)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["build", *map(str, arguments)])


def test_where_no_cluster_is_one_clear_line(folder: Path, tmp_path: Path) -> None:
    """A wrong address, and a work folder that is not needed, are wrong usage."""
    ray = pytest.importorskip("ray", reason="Ray is in the extra [ray]")
    ray.shutdown()
    wrong = invoke(folder, "-o", tmp_path / "out", "--engine", "ray", "--ray-address", "127.0.0.1:1")
    assert wrong.exit_code == 2
    assert "no Ray cluster answers at 127.0.0.1:1" in wrong.stderr
    assert invoke(folder, "-o", tmp_path / "out", "--work", tmp_path / "work").exit_code == 2
