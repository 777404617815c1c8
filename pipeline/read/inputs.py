"""What a build reads, as values: files, slices of them, shards of slices; and how a file's name says how to read it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["text", "jsonl", "csv", "tsv", "parquet", "html", "warc"]
KINDS: Final[Mapping[str, Kind]] = {
    ".txt": "text",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".html": "html",
    ".htm": "html",
    ".warc": "warc",
}
# A file of these kinds is one record.
ONE_RECORD: Final = ("text", "html")
COMPRESSIONS: Final = {".gz": "gzip", ".zst": "zstd"}

# Short suffixes that tell all, of files that are not compressed.
_PLAIN_SUFFIX: Final = 4
_PLAIN: Final = {suffix: (kind, None) for suffix, kind in KINDS.items() if len(suffix) == _PLAIN_SUFFIX}

_ODD: Final = re.compile("[\x00-\x1f\x7f\udc80-\udcff]|%(?=[0-9A-Fa-f]{2})")


class InputFile(NamedTuple):
    """A file of the input.

    Attributes:
        uri: name of the input that was given and the path inside it, "/" between folders; never an absolute path.
            Bytes that are not UTF-8 and control characters stand percent-escaped.
        path: its path on the local disk, or on the filesystem of `root`.
        size: bytes, as they are stored; 0 until it has been read once.
        kind: how to read it.
        compression: "gzip", "zstd" or None.
        sha256: of its bytes as they are stored; empty when it cannot be read.
        root: URI of the input whose filesystem holds the path; None for the local disk.
        data: its bytes, where they are still known from hashing them: a small file need not be opened twice.
    """

    uri: str
    path: str
    size: int
    kind: Kind
    compression: str | None
    sha256: str = ""
    root: str | None = None
    data: bytes | None = None

    def hashed(self, sha256: str, size: int, data: bytes | None = None) -> InputFile:
        """The file with the digest of its bytes, how many there were, and the bytes themselves if they are kept."""
        return InputFile(self.uri, self.path, size, self.kind, self.compression, sha256, self.root, data)


class Slice(NamedTuple):
    """A part of a file: a range of bytes of JSON Lines, of row groups of Parquet, and 0 to 1 for a whole file.

    Attributes:
        file: the file.
        start: first byte or row group.
        stop: the one after the last.
        first_index: position in the file of the first record of the slice.
        deadly: reading it kills the process; a row that says so takes its place.
    """

    file: InputFile
    start: int = 0
    stop: int = 1
    first_index: int = 0
    deadly: bool = False


@dataclass(frozen=True, slots=True)
class Shard:
    """A piece of work.

    Attributes:
        key: SHA-256 over names, contents and ranges: equal keys mean equal records.
        slices: the parts of files it consists of, in input order.
        cost: how much work it is, as bytes of input.
    """

    key: str
    slices: tuple[Slice, ...]
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Discovery:
    """What the inputs hold.

    Attributes:
        files: all files that can be read, sorted by uri.
        skipped: how many files were passed over, by suffix; "(hidden)" for names that begin with a dot,
            "(link)" for links out of the folder, "(special)" for what is no regular file.
        skipped_names: the uris of those files, sorted.
        cuts: of large JSON Lines files, by path: where a line begins, and its number, near each multiple of
            `SHARD_BYTES`.
    """

    files: tuple[InputFile, ...]
    skipped: dict[str, int]
    skipped_names: tuple[str, ...]
    cuts: dict[str, tuple[tuple[int, int], ...]]


def kind_of(name: str) -> tuple[Kind, str | None] | None:
    """How to read a file of that name, and how it is compressed; None when its suffix says nothing.

    >>> kind_of("a.JSONL.gz"), kind_of("notes.md")
    (('jsonl', 'gzip'), None)
    """
    known = _PLAIN.get(name[-_PLAIN_SUFFIX:])
    if known and name[-_PLAIN_SUFFIX - 1 : -_PLAIN_SUFFIX].isalnum():  # most files
        return known
    stem, suffix = _split(name.lower())
    compression = COMPRESSIONS.get(suffix)
    if compression:
        suffix = _split(stem)[1]
    kind = KINDS.get(suffix)
    return (kind, compression) if kind else None


def _split(name: str) -> tuple[str, str]:
    """As `os.path.splitext` does for a name without folders, in a third of the time."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if stem.strip(".") else (name, "")


def escape(name: str) -> str:
    r"""A file name as text: control characters and bytes that are not UTF-8 percent-escaped.

    >>> escape("caf\udce9 100%.txt"), escape("a%20b")
    ('caf%E9 100%.txt', 'a%2520b')
    """
    if name.isascii() and name.isprintable() and "%" not in name:
        return name
    return _ODD.sub(lambda odd: "".join(f"%{byte:02X}" for byte in os.fsencode(odd.group())), name)
