"""Push: what arrives is the corpus, and without its last byte there is no manifest; on a real S3 server too."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.dataset
import pyarrow.fs as pafs
import pytest
from click.testing import CliRunner, Result

from pipeline.build import build
from pipeline.cli import main
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.read.stream import filesystem
from tests.conftest import SEEDS


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of the seeds."""
    return build([str(SEEDS)], tmp_path_factory.mktemp("push"), Config(workers=1)).corpus


def push(corpus: Path, uri: object, code: int = 0) -> Result:
    """Run the command."""
    result = CliRunner().invoke(main, ["push", str(corpus), str(uri), "--json"])
    assert result.exit_code == code, result.output
    return result


def names(uri: str) -> set[str]:
    """The files that lie there."""
    system, root = filesystem(uri)
    found = system.get_file_info(pafs.FileSelector(root, recursive=True, allow_not_found=True))
    return {info.path[len(root) :].strip("/") for info in found if info.type == pafs.FileType.File}


def test_a_pushed_corpus_is_a_corpus(corpus: Path, tmp_path: Path) -> None:
    """In a folder of this disk it passes its own check, and what was said of it is true."""
    summary = json.loads(push(corpus, f"file://{tmp_path}/a/copy").stdout)
    assert check(tmp_path / "a" / "copy").ok
    there = [file for file in (tmp_path / "a" / "copy").rglob("*") if file.is_file()]
    assert summary["files"] == summary["sent"] == len(there)
    assert summary["bytes"] == sum(file.stat().st_size for file in there)


def test_a_bucket_gets_the_same_bytes(corpus: Path, bucket: str) -> None:
    """On S3 each file has its bytes, a dataset reader finds the documents, and no key is shown."""
    result = push(corpus, bucket % "first")
    assert json.loads(result.stdout)["uri"] == "s3://news/first"
    assert "secret" not in result.output
    system, root = filesystem(bucket % "first")
    files = {str(file.relative_to(corpus)): file for file in corpus.rglob("*") if file.is_file()}
    assert names(bucket % "first") == set(files)
    for name, file in files.items():
        assert system.open_input_stream(f"{root}/{name}").read() == file.read_bytes()
    assert pyarrow.dataset.dataset(f"{root}/documents", filesystem=system).count_rows() == 4


def test_a_push_that_was_interrupted_goes_on(corpus: Path, bucket: str) -> None:
    """Only what is missing or not whole is sent; a second push of the same sends nothing."""
    push(corpus, bucket % "again")
    assert json.loads(push(corpus, bucket % "again").stdout)["sent"] == 0
    system, root = filesystem(bucket % "again")
    system.delete_file(f"{root}/manifest.json")
    with system.open_output_stream(f"{root}/report.html") as half:
        half.write(b"<!doctype")
    assert json.loads(push(corpus, bucket % "again").stdout)["sent"] == 2
    assert system.open_input_stream(f"{root}/report.html").read() == (corpus / "report.html").read_bytes()


def test_another_corpus_is_never_overwritten(corpus: Path, bucket: str, tmp_path: Path) -> None:
    """Where another build lies the push is wrong usage, changes nothing and proposes a place."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("Ferries were late on Monday, and nobody knew why.")
    other = build([str(tmp_path / "in")], tmp_path / "out", Config(workers=1)).corpus
    push(corpus, bucket % "taken")
    before = names(bucket % "taken")
    assert "s3://news/taken/" in push(other, bucket % "taken", code=2).stderr
    assert names(bucket % "taken") == before


def test_a_damaged_corpus_never_gets_its_manifest(corpus: Path, bucket: str, tmp_path: Path) -> None:
    """A flipped byte stops the push; what lies there has no manifest and so is no corpus."""
    damaged = tmp_path / "damaged"
    shutil.copytree(corpus, damaged)
    [part] = (damaged / "documents").iterdir()
    part.chmod(0o644)
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    assert "is damaged" in push(damaged, bucket % "damaged", code=1).stderr
    assert "manifest.json" not in names(bucket % "damaged")


@pytest.mark.parametrize(
    ("uri", "code", "says"),
    [
        ("nowhere", 2, "nowhere to push"),
        ("ftp://host/x", 2, "nowhere to push"),
        ("file:///dev/null/x", 1, "/dev/null/x"),
    ],
)
def test_a_place_that_is_none_is_one_clear_line(corpus: Path, uri: str, code: int, says: str) -> None:
    """What is no URI is wrong usage, what cannot be written a failure."""
    error = push(corpus, uri, code).stderr
    assert says in error
    assert error.count("\n") == 1


def test_a_filesystem_of_fsspec(corpus: Path) -> None:
    """Whatever fsspec reaches can be pushed to, with `fsspec+` before its scheme."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec comes with `datasets`")
    push(corpus, "fsspec+memory:///news/corpus")
    assert "/news/corpus/manifest.json" in fsspec.filesystem("memory").find("/news/corpus")
