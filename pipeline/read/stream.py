"""Open and decompress a file: bytes come out piece by piece, damage ends the stream and is told, never raised.

No header is trusted: the caller says how many bytes it wants, and no more than that is ever decompressed.
"""

from __future__ import annotations

import codecs
import io
import os
import zlib
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Self

import pyarrow as pa
import pyarrow.fs as pafs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from pipeline.read.inputs import InputFile

# Compressed bytes fed, and decompressed bytes taken, in one step.
_STEP: Final = 1 << 18
_GZIP: Final = zlib.MAX_WBITS | 16


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a file or a record cannot be read.

    Attributes:
        reason: a code of `pipeline.records.QUARANTINE_REASONS`.
        detail: the error in words.
    """

    reason: str
    detail: str


class _DamagedError(Exception):
    """The stream ends here, before its end or at bytes that make no sense."""

    def __init__(self, detail: str, reason: str = "truncated") -> None:
        super().__init__(detail)
        self.fault = Fault(reason, detail)


# Marks of encodings in which a line break is more than one byte; that of UTF-32 begins with that of UTF-16.
_WIDE_BOMS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@lru_cache(maxsize=16)
def filesystem(root: str) -> tuple[Any, str]:
    """The Arrow filesystem of a URI, and the path of that URI inside it."""
    found: tuple[Any, str] = pafs.FileSystem.from_uri(root)
    return found


def open_raw(root: str | None, path: str) -> Any:
    """The bytes of a file as a binary file object with `read`, `seek` and `close`.

    Args:
        root: URI whose filesystem holds the path; None for the local disk.
        path: path on that filesystem.

    Raises:
        OSError: it cannot be opened.
    """
    if root is None:
        return io.FileIO(path)
    return filesystem(root)[0].open_input_file(path)


class Stream:
    """The decompressed bytes of a file, or of a range of it.

    Attributes:
        fault: what is wrong with the file, once all bytes that could be read were given; None when it is sound.
    """

    def __init__(
        self, root: str | None, path: str, compression: str | None, start: int = 0, stop: int | None = None
    ) -> None:
        """Open the file; a file that cannot be opened is an empty stream with a fault.

        Args:
            root: URI whose filesystem holds the path; None for the local disk.
            path: path on that filesystem.
            compression: "gzip", "zstd" or None.
            start: first byte of the range; of files that are not compressed only.
            stop: byte after the range; None for the end of the file.
        """
        self.fault: Fault | None = None
        self._raw: Any = None
        self._left = None if stop is None else stop - start
        self._rest = b""
        self._wanted = 0
        self._pieces: Iterator[bytes] = iter(())
        try:
            self._raw = open_raw(root, path)
            if start:
                self._raw.seek(start)
        except (OSError, ValueError) as error:
            self._fail("unreadable", error)
            return
        if compression == "gzip":
            self._pieces = _gunzip(self._raw)
        elif compression == "zstd":
            self._pieces = _unzstd(self._raw)
        else:
            self._pieces = self._plain()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        if self._raw is not None:
            self._raw.close()

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end of the stream only, which a look at `fault` explains."""
        parts = [self._rest] if self._rest else []
        have = len(self._rest)
        while have < size:
            self._wanted = size - have
            piece = self._next()
            if not piece:
                break
            parts.append(piece)
            have += len(piece)
        data = b"".join(parts)
        self._rest = data[size:]
        return data[:size] if self._rest else data

    def to_utf8(self) -> None:
        """Pass over a byte order mark; from here on, what is UTF-16 or UTF-32 by its mark comes out as UTF-8.

        Call it at the start of the file.
        """
        head = self.read(4)
        for bom, encoding in _WIDE_BOMS:
            if head.startswith(bom):
                self._pieces = _to_utf8(chain([head[len(bom) :] + self._rest], self._pieces), encoding)
                self._rest = b""
                return
        self._rest = head.removeprefix(codecs.BOM_UTF8) + self._rest

    def _next(self) -> bytes:
        try:
            return next(self._pieces, b"")
        except _DamagedError as damage:
            self.fault = damage.fault
        except (OSError, ValueError) as error:
            self._fail("unreadable", error)
        return b""

    def _fail(self, reason: str, error: Exception) -> None:
        words = getattr(error, "strerror", None) or str(error).splitlines()[0]
        self.fault = Fault(reason, f"the file cannot be read: {words}")

    def _plain(self) -> Iterator[bytes]:
        while self._left is None or self._left > 0:
            size = max(self._wanted, _STEP * 4)  # all at once: nothing has to be put together
            piece = self._raw.read(size if self._left is None else min(size, self._left))
            if not piece:
                if self._left is not None:
                    msg = "the file is shorter than it was when the build began"
                    raise _DamagedError(msg)
                return
            if self._left is not None:
                self._left -= len(piece)
            yield piece


def _gunzip(raw: Any) -> Iterator[bytes]:
    """The data of all members of a gzip file.

    Raises:
        _DamagedError: cut off, damaged, or followed by something that is no gzip.
    """
    data = raw.read(_STEP)
    if not data:
        msg = "the file is empty and so no gzip file"
        raise _DamagedError(msg)
    while data:
        member = zlib.decompressobj(_GZIP)
        while not member.eof:
            if not data:
                msg = "the gzip data ends too early"
                raise _DamagedError(msg)
            try:
                piece = member.decompress(data, _STEP)
            except zlib.error as error:
                msg = f"the gzip data is damaged: {error}"
                raise _DamagedError(msg) from None
            data = member.unconsumed_tail or (b"" if member.eof else raw.read(_STEP))
            if piece:
                yield piece
        # Tapes and disks pad with zero bytes; gzip itself allows that.
        data = (member.unused_data or raw.read(_STEP)).lstrip(b"\0")
        while not data:
            more = raw.read(_STEP)
            if not more:
                return
            data = more.lstrip(b"\0")


def _unzstd(raw: Any) -> Iterator[bytes]:
    """The data of all frames of a Zstandard file.

    Raises:
        _DamagedError: cut off, damaged, or followed by something that is no Zstandard frame.
    """
    if not raw.read(1):
        msg = "the file is empty and so no Zstandard file"
        raise _DamagedError(msg)
    raw.seek(0)
    stream = pa.CompressedInputStream(pa.PythonFile(_Unclosed(raw), mode="r"), "zstd")
    given = 0
    while True:
        try:
            piece = stream.read(_STEP)
        except (OSError, pa.ArrowException) as error:
            words = str(error).splitlines()[0]
            break
        if not piece:
            return
        given += len(piece)
        yield piece
    yield _before_damage(raw, given)
    msg = f"the Zstandard data is cut off or damaged: {words}"
    raise _DamagedError(msg)


def _before_damage(raw: Any, given: int) -> bytes:
    """What stands between byte `given` and the damage: a read that fails gives nothing, so this goes byte by byte."""
    raw.seek(0)
    stream = pa.CompressedInputStream(pa.PythonFile(_Unclosed(raw), mode="r"), "zstd")
    found = bytearray()
    try:
        while given:
            given -= len(stream.read(min(given, _STEP)))
        while len(found) < _STEP:
            byte = stream.read(1)
            if not byte:
                break
            found += byte
    except (OSError, pa.ArrowException):
        pass
    return bytes(found)


def _to_utf8(pieces: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for piece in pieces:
            text = decoder.decode(piece)
            if text:
                yield text.encode()
        decoder.decode(b"", final=True)
    except UnicodeError:
        msg = f"the file is not {encoding.upper()} all through, as its byte order mark says"
        raise _DamagedError(msg, "not-utf8") from None


class _Unclosed(io.RawIOBase):
    """A file that Arrow may close without closing the one it stands for."""

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self._raw = raw

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._raw.read(size)
        return data


def read_whole(file: InputFile, limit: int) -> tuple[bytes, Fault | None]:
    """The decompressed bytes of a small file, at most `limit` + 1 of them, and what is wrong with it."""
    if file.data is not None:
        return file.data[: limit + 1], None
    if file.root is None and file.compression is None:
        return read_stored(file, limit)
    with Stream(file.root, file.path, file.compression) as stream:
        data = stream.read(limit + 1)
        # The fault of a stream shows at its end: ask once more.
        if len(data) <= limit and stream.fault is None:
            stream.read(1)
        return data, stream.fault


def read_stored(file: InputFile, limit: int) -> tuple[bytes, Fault | None]:
    """The bytes of a small file of the local disk as they are stored, at most `limit` + 1, and what is wrong with it.

    As few system calls as can be: folders of 100,000 small files are common.
    """
    left = limit + 1
    try:
        handle = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts = [data := os.read(handle, min(left, 1 << 20))]
            # A file as long as it was when it was hashed has been read when so much has come.
            while data and len(data) != file.size and (left := left - len(data)) > 0:
                parts.append(data := os.read(handle, min(left, 1 << 20)))
            return b"".join(parts), None
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        return b"", Fault("unreadable", f"the file cannot be read: {words}")
