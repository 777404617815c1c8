"""Publishing: one build at a time, one switch, nothing half."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.corpus.check import check
from pipeline.errors import LockedError, PipelineError, UsageError, WriteError
from pipeline.write import check_output, lock, staging, switch
from pipeline.write.publish import BUILDS
from tests.finished import Article, publish, write

ROOT = Path(__file__).parents[2]
OLD, NEW = [Article("old")], [Article("new")]
needs_permissions = pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")


def texts(corpus: Path) -> list[str]:
    """The texts of the published documents."""
    read: list[str] = pq.read_table(corpus / "documents")["text"].to_pylist()
    return read


def builds(output: Path) -> set[str]:
    """Names of the builds that are kept."""
    return {build.name for build in (output / BUILDS).iterdir()}


def test_the_switch_is_one_link(tmp_path: Path) -> None:
    """`corpus` is a relative link to the build, so that the output folder can be moved."""
    corpus = publish(tmp_path / "output", OLD)
    assert corpus.readlink().parent == Path(".builds")
    assert sorted(path.name for path in (tmp_path / "output").iterdir()) == [".builds", ".lock", "corpus"]
    (tmp_path / "output").rename(tmp_path / "moved")
    assert texts(tmp_path / "moved/corpus") == ["old"]


def test_output_is_made_where_it_is_missing(tmp_path: Path) -> None:
    """An output folder that does not exist yet is made, with those above it."""
    assert texts(publish(tmp_path / "a/b/c", OLD)) == ["old"]


def test_a_reader_keeps_the_build_it_is_on(tmp_path: Path) -> None:
    """Who resolved the folder before a switch reads the former build to its end."""
    folder = publish(tmp_path, OLD).resolve()
    assert texts(publish(tmp_path, NEW)) == ["new"]
    assert texts(folder) == ["old"]
    assert check(folder).ok


def test_only_the_former_build_is_kept(tmp_path: Path) -> None:
    """After a third build the first is gone."""
    names = [publish(tmp_path, [Article(text)]).resolve().name for text in ("one", "two", "three")]
    assert builds(tmp_path) == set(names[1:])


def test_the_same_build_again_changes_nothing(tmp_path: Path) -> None:
    """Publishing equal bytes keeps the build, the one before it, and no copy."""
    publish(tmp_path, OLD)
    first = publish(tmp_path, NEW).resolve()
    before = builds(tmp_path)
    assert publish(tmp_path, NEW, rows=1).resolve() == first
    assert builds(tmp_path) == before


def test_a_damaged_build_is_replaced_by_the_same_build(tmp_path: Path) -> None:
    """Building again after damage publishes a whole corpus; the damaged files are not touched while it is made."""
    corpus = publish(tmp_path, OLD)
    damaged = corpus.resolve()
    (corpus / "README.md").write_text("changed by hand")
    publish(tmp_path, OLD)
    assert check(corpus).ok
    assert corpus.resolve().name == f"{damaged.name}.1"
    assert (damaged / "README.md").read_text() == "changed by hand"


def test_going_back_to_the_former_build(tmp_path: Path) -> None:
    """A build that equals the one before the last is published again."""
    publish(tmp_path, OLD)
    publish(tmp_path, NEW)
    assert texts(publish(tmp_path, OLD)) == ["old"]
    assert len(builds(tmp_path)) == 2


def test_an_error_in_the_build_leaves_the_former_corpus(tmp_path: Path) -> None:
    """When a build fails, its staging folder goes and the former corpus stays."""
    corpus = publish(tmp_path, OLD)
    with contextlib.suppress(RuntimeError), lock(tmp_path), staging(tmp_path) as folder:
        write(folder, NEW)
        raise RuntimeError
    assert texts(corpus) == ["old"]
    assert builds(tmp_path) == {corpus.resolve().name}


def test_leftovers_of_killed_builds_are_removed(tmp_path: Path) -> None:
    """Staging folders, links and builds that never were published go with the next build."""
    publish(tmp_path, OLD)
    (tmp_path / BUILDS / ".staging-1/documents").mkdir(parents=True)
    (tmp_path / BUILDS / ".staging-1/documents/part").write_bytes(b"half")
    (tmp_path / BUILDS / "0123456789abcdef").mkdir()
    (tmp_path / ".corpus-1").symlink_to("nowhere")
    publish(tmp_path, NEW)
    assert len(builds(tmp_path)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [BUILDS, ".lock", "corpus"]


def test_leftovers_are_removed_by_a_build_that_changes_nothing_too(tmp_path: Path) -> None:
    """Room that a killed build took is given back before the next one needs it."""
    publish(tmp_path, OLD)
    (tmp_path / BUILDS / ".staging-1/documents").mkdir(parents=True)
    (tmp_path / ".corpus-1").symlink_to("nowhere")
    with lock(tmp_path), staging(tmp_path) as folder:
        assert builds(tmp_path) == {folder.name, (tmp_path / "corpus").resolve().name}
        assert sorted(path.name for path in tmp_path.iterdir()) == [BUILDS, ".lock", "corpus"]
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL], ids=errno.errorcode.get)
def test_without_links_a_build_fails_at_its_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A file system that has no symbolic links is found out before hours of work."""

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(WriteError, match="has no symbolic links; choose"), lock(tmp_path), staging(tmp_path):
        pytest.fail("the build began")


def test_a_failing_disk_is_not_taken_for_one_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other refusal of a link says what it is."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(WriteError, match="check the disk"), lock(tmp_path), staging(tmp_path):
        pytest.fail("the build began")


@pytest.mark.parametrize("kind", ["folder", "file", "foreign link", "dangling link"])
def test_a_corpus_that_is_not_ours_is_not_replaced(tmp_path: Path, kind: str) -> None:
    """`corpus` that no build made is the user's: refused, untouched."""
    corpus = tmp_path / "corpus"
    if kind == "folder":
        corpus.mkdir()
    elif kind == "file":
        corpus.write_text("mine")
    else:
        corpus.symlink_to(tmp_path if kind == "foreign link" else "nowhere")
    before = corpus.lstat()
    with pytest.raises(UsageError, match="was not made by a build"):
        publish(tmp_path, NEW)
    with pytest.raises(UsageError, match="was not made by a build"):
        check_output(tmp_path, [])
    assert corpus.lstat() == before


def test_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A file in the place of the output folder is a clear error."""
    (tmp_path / "output").write_text("mine")
    with pytest.raises(UsageError, match="not a folder"):
        check_output(tmp_path / "output", [])
    with pytest.raises(WriteError, match="File exists"):
        publish(tmp_path / "output", NEW)


def test_output_in_an_input_is_refused(tmp_path: Path) -> None:
    """The output may not be an input or lie inside one, by whatever name; beside, above and URIs are fine."""
    source = tmp_path / "articles"
    source.mkdir()
    (tmp_path / "link").symlink_to(source)
    (source / "a/inner").mkdir(parents=True)
    for output in (source, source / "output", tmp_path / "link/deep/output", tmp_path / "x/../articles"):
        with pytest.raises(UsageError, match="choose another folder with -o"):
            check_output(output, [source])
    for name in (tmp_path / "link", f"{tmp_path}/art*", f"{tmp_path}/**"):
        with pytest.raises(UsageError, match="choose another folder with -o"):
            check_output(source / "output", [name])
    with pytest.raises(UsageError, match="choose another folder with -o"):
        check_output(source / "a/inner/output", [f"{tmp_path}/**/inner"])
    for output in (tmp_path / "output", tmp_path, tmp_path / "articles2"):
        check_output(output, [source, "s3://bucket/articles", tmp_path / "missing", "a\0b"])


def test_a_second_build_is_refused_and_told_who_is_first(tmp_path: Path) -> None:
    """Two builds on one output: the second fails with the process of the first, which is not disturbed."""
    (tmp_path / ".lock").write_text("9" * 1000)  # of a build with a longer name
    with lock(tmp_path):
        with pytest.raises(LockedError, match=f"process {os.getpid()} on "), lock(tmp_path):
            pytest.fail("two builds hold one output")
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert texts(publish(tmp_path, NEW)) == ["new"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"pid": {}, "host": 1}', b"9" * 10_000])
def test_a_lock_file_with_anything_in_it_is_a_lock_file(tmp_path: Path, content: bytes) -> None:
    """What stands in the lock file decides about the message alone."""
    with lock(tmp_path):
        (tmp_path / ".lock").write_bytes(content)
        with pytest.raises(LockedError, match="in use by another build"), lock(tmp_path):
            pass


def test_the_lock_of_a_killed_build_is_gone(tmp_path: Path) -> None:
    """After kill -9 the output is free at once."""
    code = "import sys, time; from pathlib import Path; from pipeline.write import lock\n"
    code += "with lock(Path(sys.argv[1])):\n print('held', flush=True); time.sleep(60)"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, env=environment) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockedError, match=f"process {holder.pid} on "), lock(tmp_path):
            pass
        holder.send_signal(signal.SIGKILL)
    assert texts(publish(tmp_path, NEW)) == ["new"]


def test_readers_never_see_a_mix(tmp_path: Path) -> None:
    """While builds are switched, whoever resolves the folder reads one whole build."""
    corpus = publish(tmp_path, [Article(f"0-{row}") for row in range(20)])
    stop, seen = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            folder = corpus.resolve()
            read = texts(folder)
            seen.append({text.partition("-")[0] for text in read})
            assert len(read) == 20

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for build in range(1, 8):
        # One build at a time keeps its forerunner; a reader that is slower than two builds would lose its files.
        publish(tmp_path, [Article(f"{build}-{row}") for row in range(20)])
        before = len(seen)
        while len(seen) < before + 4:
            pass
    stop.set()
    for reader in readers:
        reader.join()
    assert all(len(builds) == 1 for builds in seen)
    assert {"0", "7"} <= set().union(*seen)


@pytest.mark.parametrize("place", ["", BUILDS])
@needs_permissions
def test_a_read_only_output_is_one_clear_line(tmp_path: Path, place: str) -> None:
    """An output that may not be written fails with the place and what to do; the former corpus stays."""
    corpus = publish(tmp_path, OLD)
    (tmp_path / place).chmod(0o555)
    try:
        with pytest.raises(WriteError, match="Permission denied; choose an output folder that you may write"):
            publish(tmp_path, NEW)
    finally:
        (tmp_path / place).chmod(0o755)
    assert texts(corpus) == ["old"]


def mount(folder: Path, options: str) -> None:
    """A small file system of its own, for as long as the test runs."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if sys.platform != "linux" or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system needs Linux and root")


def unmount(folder: Path) -> None:
    """Let it go."""
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_read_only_disk_is_one_clear_line(tmp_path: Path) -> None:
    """On a disk that is mounted read-only a build fails at its start, and readers go on reading."""
    mount(tmp_path / "disk", "size=4m")
    try:
        corpus = publish(tmp_path / "disk/output", OLD)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        with pytest.raises(WriteError, match="Read-only file system; choose an output folder on a disk") as caught:
            publish(tmp_path / "disk/output", NEW)
        assert "\n" not in str(caught.value)
        assert check(corpus).ok
    finally:
        unmount(tmp_path / "disk")


def test_every_publishing_error_has_an_exit_code() -> None:
    """A failed write exits with 1, a wrong output or a held lock with 2."""
    assert (WriteError.exit_code, UsageError.exit_code, LockedError.exit_code) == (1, 2, 2)
    assert issubclass(WriteError, PipelineError)


def test_switch_needs_a_finished_folder(tmp_path: Path) -> None:
    """A staging folder without a manifest is not published."""
    corpus = publish(tmp_path, OLD)
    with pytest.raises(WriteError, match="No such file"), lock(tmp_path), staging(tmp_path) as folder:
        switch(tmp_path, folder)
    assert texts(corpus) == ["old"]
