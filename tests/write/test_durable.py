"""Files that are whole or absent: what is flushed when, and what becomes of what stands in the way."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import WriteError
from pipeline.write import durable
from pipeline.write.durable import file_digest, new_file, new_folder, remove, sync_folder, sync_tree, writing
from tests.finished import Article, publish


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """The inodes that were flushed to the disk, and of how many bytes they were then."""
    real, done = os.fsync, {}

    def fsync(handle: int) -> None:
        real(handle)
        done[os.fstat(handle).st_ino] = os.fstat(handle).st_size

    monkeypatch.setattr(os, "fsync", fsync)
    return done


def test_a_build_is_on_the_disk_before_it_is_published(
    tmp_path: Path, flushed: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the link moves, every file and folder of the build is flushed; afterwards the folder of the link is."""
    publish(tmp_path, [Article("old")])
    flushed.clear()
    real, waiting = os.rename, []

    def rename(source: Path, target: Path) -> None:
        if Path(target).name == "corpus":
            build = (tmp_path / Path(source).readlink()).resolve()
            places = [build, build.parent, *build.rglob("*")]
            waiting.extend(place for place in places if place.stat().st_ino not in flushed)
            flushed.clear()
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    publish(tmp_path, [Article("new")])
    assert waiting == []
    assert tmp_path.stat().st_ino in flushed


def test_a_file_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, flushed: dict[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new file is written aside, flushed, and only then put in the place of the old one."""
    target = tmp_path / "file"
    target.write_text("old")
    real = os.replace

    def replace(source: Path, place: Path) -> None:
        assert Path(source).read_text() == "new"
        assert flushed[Path(source).stat().st_ino] == 3
        assert target.read_text() == "old"
        real(source, place)

    monkeypatch.setattr(os, "replace", replace)
    with new_file(target) as file:
        file.write(b"new")
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


@pytest.fixture
def _private() -> Iterator[None]:
    """A umask that takes everything from others."""
    former = os.umask(0o077)
    yield
    os.umask(former)


@pytest.mark.usefixtures("_private")
def test_what_is_published_can_be_read_by_all(tmp_path: Path) -> None:
    """Modes are those of a published corpus whatever the umask: 755 for folders, 644 for files, the lock among them."""
    publish(tmp_path / "output", [Article("one")])
    for place in (tmp_path / "output").rglob("*"):
        assert place.stat().st_mode & 0o777 == (0o755 if place.is_dir() else 0o644), place


def test_a_leftover_in_the_way_is_written_over(tmp_path: Path) -> None:
    """A longer temporary file of a killed build leaves no byte in the new file."""
    (tmp_path / ".file.tmp").write_bytes(b"longer than the new one")
    with new_file(tmp_path / "file") as file:
        file.write(b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    """Who plants a link under the name of the temporary file or of the lock gets an error, not our bytes."""
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / ".file.tmp").symlink_to("mine")
    with pytest.raises(OSError, match="symbolic links"), new_file(tmp_path / "file") as file:
        file.write(b"new")
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / ".lock").symlink_to(tmp_path / "mine")
    with pytest.raises(WriteError, match="symbolic links"):
        publish(tmp_path / "output", [Article("one")])
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    """An error inside the block leaves neither the file nor its temporary."""
    with contextlib.suppress(KeyError), new_file(tmp_path / "file") as file:
        file.write(b"half")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


ADVICE = {
    errno.ENOSPC: "No space left on device; free some space",
    errno.EDQUOT: "free some space",
    errno.EROFS: "Read-only file system; choose an output folder on a disk that can be written",
    errno.EACCES: "Permission denied; choose an output folder that you may write",
    errno.EPERM: "choose an output folder that you may write",
    errno.EIO: "check the disk, then build again",
    errno.ENOTDIR: "choose another output folder or try again",
}


@pytest.mark.parametrize("number", ADVICE, ids=errno.errorcode.get)
def test_each_failure_says_what_to_do(number: int) -> None:
    """One line with the place, the system's words, and what helps; the words of a library do not hide the system's."""
    for said in (os.strerror(number), "Error writing bytes to file."):
        with pytest.raises(WriteError) as caught, writing(Path("out/put")):
            raise OSError(number, said)
        assert str(caught.value).startswith(f"cannot write out/put: {os.strerror(number)}; ")
        assert ADVICE[number] in str(caught.value)


def test_a_failure_without_a_number_says_what_it_can() -> None:
    """Its own words, or at least its kind."""
    for error, words in ((OSError("no such thing"), "no such thing"), (FileExistsError(), "FileExistsError")):
        with pytest.raises(WriteError, match=f"cannot write place: {words}; choose another"), writing(Path("place")):
            raise error


def test_folders_are_made_with_those_above_unless_they_are_there(tmp_path: Path) -> None:
    """A folder that is there keeps what is in it and its mode."""
    new_folder(tmp_path / "a/b/c")
    (tmp_path / "a/b/c").chmod(0o700)
    new_folder(tmp_path / "a/b/c")
    new_folder(tmp_path / "a/b/d")
    assert (tmp_path / "a/b/c").stat().st_mode & 0o777 == 0o700


def open_handles() -> int:
    """How many files this process has open, where the system tells."""
    handles = Path("/proc/self/fd")
    return len(list(handles.iterdir())) if handles.is_dir() else 0


def test_only_a_folder_that_cannot_be_flushed_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network file systems refuse to flush a folder, which is no fault; a failing disk is one. No handle stays open."""
    before = open_handles()

    def fail(number: int) -> None:
        def fsync(_: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "fsync", fsync)

    fail(errno.EINVAL)
    sync_folder(tmp_path)
    fail(errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        sync_folder(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Input/output"):
        sync_tree(tmp_path)
    assert open_handles() == before


def test_a_whole_tree_is_flushed(tmp_path: Path, flushed: dict[int, int]) -> None:
    """Every file and folder, the one that is given included."""
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("one", "a/two", "a/b/three"):
        (tmp_path / name).write_text(name)
    sync_tree(tmp_path)
    assert flushed.keys() == {place.stat().st_ino for place in (tmp_path, *tmp_path.rglob("*"))}


def test_removing_goes_on_after_what_cannot_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One file that stays keeps its folder and nothing else."""
    real = os.unlink

    def unlink(path: str, *given: object, **more: Any) -> None:
        if Path(path).name == "b":
            raise PermissionError
        real(path, *given, **more)  # type: ignore[arg-type]

    (tmp_path / "folder").mkdir()
    for name in "abc":
        (tmp_path / "folder" / name).touch()
    monkeypatch.setattr(os, "unlink", unlink)
    remove(tmp_path / "folder")
    assert [place.name for place in (tmp_path / "folder").iterdir()] == ["b"]


def test_what_cannot_be_walked_is_an_error(tmp_path: Path) -> None:
    """A tree of which a part cannot be listed is not taken for flushed."""
    with pytest.raises(FileNotFoundError):
        sync_tree(tmp_path / "missing")


def test_removing_takes_what_is_there_and_no_more(tmp_path: Path) -> None:
    """Files, links and folders go; what a link points to stays; what is not there is no error."""
    (tmp_path / "folder/inner").mkdir(parents=True)
    (tmp_path / "folder/inner/file").touch()
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "broken").symlink_to("nowhere")
    for name in ("folder", "link", "broken", "missing", "kept/file/inside"):
        remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    assert (tmp_path / "kept/file").exists()


@pytest.mark.parametrize("size", [0, 1, durable.HASH_BLOCK - 1, durable.HASH_BLOCK, 2 * durable.HASH_BLOCK + 1])
def test_a_digest_is_of_every_byte(tmp_path: Path, size: int) -> None:
    """Size and SHA-256 of the whole file, however many blocks it has."""
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    assert file_digest(tmp_path / "file") == (size, hashlib.sha256(data).hexdigest())
