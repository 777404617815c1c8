"""Copy a published corpus to another filesystem, so that whoever reads it there finds all of it or nothing."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.fs as pafs

from pipeline.corpus import Corpus, open_corpus
from pipeline.errors import CorpusError, UsageError, WriteError
from pipeline.read.source import without_keys
from pipeline.read.stream import filesystem
from pipeline.write import manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Files on their way at once: enough to hide what each request waits for.
_AT_ONCE: Final = 8
_PIECE: Final = 8 << 20
# Says which of the builds beside it is the corpus: the one object that a new build replaces.
POINTER: Final = "corpus.json"
# Filesystems of objects, which have no folders to make.
_FLAT: Final = ("s3", "gcs", "abfs")


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was copied.

    Attributes:
        uri: where to, without keys and options.
        files: files of the corpus there, manifest included.
        size: bytes of them all.
        sent: files that were not there yet.
    """

    uri: str
    files: int
    size: int
    sent: int


def push(folder: Path, uri: str) -> Pushed:
    """Copy a corpus to a folder of another filesystem, read every file back, and write the manifest last.

    Files that are there already and are the same are not sent again, so a push that was interrupted goes on.

    Args:
        folder: the dataset folder, such as `output/corpus`.
        uri: a folder of its own on a filesystem that Arrow speaks, such as `s3://bucket/corpora/2026-11`.

    Raises:
        CorpusError: there is no corpus, or a file of it is damaged; no manifest was written.
        UsageError: the URI cannot be understood, or another corpus lies there.
        WriteError: the other filesystem failed, or gives back other bytes than it was sent; no manifest was written.
    """
    return _push(open_corpus(folder), _target(uri))


def publish(folder: Path, uri: str) -> Pushed:
    """Publish a corpus in a folder of another filesystem: first the build in a folder of its own, then a pointer to it.

    Readers open `corpus.json` there first and then the folder that it names. It is written last and in one step, so
    they see the former build or the new one, whole; former builds are left where they are.

    Args:
        folder: the dataset folder, such as `output/corpus`.
        uri: a folder on a filesystem that Arrow speaks, such as `s3://bucket/corpora/news`.

    Returns:
        What was copied; its `uri` is that of the build.

    Raises:
        CorpusError: there is no corpus, or a file of it is damaged; the former build is still the corpus.
        UsageError: the URI cannot be understood.
        WriteError: the other filesystem failed; the former build is still the corpus.
    """
    corpus, target = open_corpus(folder), _target(uri)
    last = (corpus.folder / manifest.FILE_NAME).read_bytes()
    name = manifest.build_name(last)
    pushed = _push(corpus, _Target(target.system, target.path(name), f"{target.place}/{name}"))
    pointer = {"build": name, "manifest_sha256": hashlib.sha256(last).hexdigest()}
    with _failing(target):
        target.replace(POINTER, json.dumps(pointer, indent=1, sort_keys=True).encode() + b"\n")
    return pushed


def _target(uri: str) -> _Target:
    place = without_keys(uri).rstrip("/")
    try:
        system, root = filesystem(uri)
    except (pa.ArrowException, ValueError, ImportError) as error:
        msg = f"{place} is nowhere to push to ({_first_line(error)}); give a URI such as s3://bucket/corpora/2026-11"
        raise UsageError(msg) from None
    return _Target(system, root.rstrip("/"), place)


def _push(corpus: Corpus, target: _Target) -> Pushed:
    last = (corpus.folder / manifest.FILE_NAME).read_bytes()
    listed: dict[str, dict[str, Any]] = corpus.manifest["files"]
    with _failing(target):
        there = target.read(manifest.FILE_NAME)
        if there not in (None, last):
            own = f"{target.place}/{manifest.build_name(last)}"
            msg = f"another corpus lies in {target.place}; give each build a place of its own, such as {own}"
            raise UsageError(msg)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            sent = list(pool.map(lambda name: _push_file(corpus.folder, name, listed[name], target), listed))
        target.send(manifest.FILE_NAME, BytesIO(last))
    size = sum(entry["size"] for entry in listed.values()) + len(last)
    return Pushed(target.place, len(listed) + 1, size, sum(sent) + (there is None))


@contextmanager
def _failing(target: _Target) -> Iterator[None]:
    """Turn every failure of the other filesystem into one clear line."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        msg = f"{target.place}: {_first_line(error)}; run the command again to go on"
        raise WriteError(msg) from None


@dataclass(frozen=True, slots=True)
class _Target:
    """A folder of a filesystem."""

    system: Any
    root: str
    place: str

    def path(self, name: str) -> str:
        return f"{self.root}/{name}"

    def digest(self, name: str) -> str | None:
        """The SHA-256 of a file there; None where there is none."""
        if self.system.get_file_info(self.path(name)).type == pafs.FileType.NotFound:
            return None
        digest = hashlib.sha256()
        with self.system.open_input_stream(self.path(name)) as stream:
            while piece := stream.read(_PIECE):
                digest.update(piece)
        return digest.hexdigest()

    def read(self, name: str) -> bytes | None:
        if self.system.get_file_info(self.path(name)).type == pafs.FileType.NotFound:
            return None
        with self.system.open_input_stream(self.path(name)) as stream:
            data: bytes = stream.read()
            return data

    def send(self, name: str, data: BinaryIO) -> str:
        """Write a file there; the SHA-256 of what was sent."""
        if self.system.type_name not in _FLAT:
            self.system.create_dir(self.path(name).rpartition("/")[0], recursive=True)
        digest = hashlib.sha256()
        with self.system.open_output_stream(self.path(name)) as stream:
            while piece := data.read(_PIECE):
                digest.update(piece)
                stream.write(piece)
        return digest.hexdigest()

    def replace(self, name: str, data: bytes) -> None:
        """Write a small file in one step: objects come into being whole, files by being renamed."""
        if self.system.type_name in _FLAT:
            self.send(name, BytesIO(data))
        else:
            self.send(f".{name}.new", BytesIO(data))
            self.system.move(self.path(f".{name}.new"), self.path(name))


def _push_file(folder: Path, name: str, listed: dict[str, Any], target: _Target) -> bool:
    """Send a file and read it back; False when it was there already."""
    if target.digest(name) == listed["sha256"]:
        return False
    with (folder / name).open("rb") as file:
        sent = target.send(name, file)
    if sent != listed["sha256"]:
        msg = f"{folder / name} is damaged, so no manifest was written; see `pipeline check {folder}`, build it again"
        raise CorpusError(msg)
    if target.digest(name) != listed["sha256"]:
        msg = f"{target.place} gives back other bytes of {name} than it was sent, so no manifest was written; try again"
        raise WriteError(msg)
    return True


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
