"""Text files: one file, one document. How bytes become text, and only such text as gives the same bytes back."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from pipeline.errors import InputError
from pipeline.read.stream import Fault, read_whole
from pipeline.read.tables import Found, assemble, fault_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipeline.config import Config
    from pipeline.read.inputs import InputFile

BATCH_BYTES: Final = 8 << 20

# The mark of UTF-32 little endian begins with that of UTF-16, so it is looked for first.
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_FIRST_BYTES: Final = frozenset(bom[0] for bom, _ in _BOMS)
# Without its mark, text in these is read as little endian on every machine.
_BARE: Final = {"utf-16": "utf-16-le", "utf-32": "utf-32-le", "utf-8-sig": "utf-8"}
# The most bytes that one byte of UTF-8 can take in another encoding: UTF-32.
_WIDEST: Final = 4


def decode(data: bytes, encoding: str | None) -> tuple[str, str, bool]:
    """The text of some bytes, the name of its encoding, and whether a byte order mark stood before it.

    The ladder is: byte order mark, UTF-8, the encoding given. Text and encoding give the same bytes back.

    Raises:
        InputError: none of them does.
    """
    found = _decode(data, encoding)
    if isinstance(found, Fault):
        msg = f"{found.detail}; name the encoding, such as cp1252 or latin-1, with the setting 'encoding'"
        raise InputError(msg)
    return found


def _decode(data: bytes, encoding: str | None) -> tuple[str, str, bool] | Fault:
    if data[:1] and data[0] in _FIRST_BYTES:
        for bom, name in _BOMS:
            if data.startswith(bom):
                text = _exact(data[len(bom) :], name)
                if text is not None:
                    return text, name, True
        if data.startswith(codecs.BOM_UTF8):
            return Fault("not-utf8", "the file begins with the byte order mark of UTF-8 but is not UTF-8")
    try:
        return data.decode(), "utf-8", False
    except UnicodeDecodeError as error:
        place = error.start
    if encoding is None:
        return Fault("not-utf8", f"byte {place} is not UTF-8")
    name = codecs.lookup(encoding).name
    name = _BARE.get(name, name)
    text = _exact(data, name)
    if text is None:
        return Fault("not-utf8", f"byte {place} is not UTF-8, and {name} does not give the same bytes back")
    return text, name, False


def _exact(data: bytes, encoding: str) -> str | None:
    """The text of some bytes when it gives the same bytes back."""
    try:
        text = data.decode(encoding)
        # Some codecs decode to what UTF-8 cannot write.
        text.encode()
        return text if text.encode(encoding) == data else None
    except (UnicodeError, ValueError):
        return None


def read(files: Iterable[InputFile], config: Config) -> Iterator[pa.RecordBatch]:
    """The documents of text files, many to a batch."""
    group = _Group(config)
    for file in files:
        data, fault = read_whole(file, config.max_document * _WIDEST + _WIDEST)
        if len(data) > config.max_document and _too_large(data, config):
            words = f"the file has more than {config.max_document} bytes, which is what --max-document allows"
            fault = Fault("too-large", words)
        if fault and not data:
            yield from group.flush()
            yield fault_row(file, 0, fault)
            continue
        if fault and fault.reason == "too-large":
            yield from group.flush()
            yield fault_row(file, 0, fault)
            continue
        group.add(file, data, fault)
        if group.size >= BATCH_BYTES or len(group.uris) >= config.batch_rows:
            yield from group.flush()
    yield from group.flush()


def read_bytes(file: InputFile, data: bytes, config: Config) -> pa.RecordBatch:
    """The document of a text file whose bytes are known."""
    group = _Group(config)
    group.add(file, data, None)
    return next(group.flush())


def _too_large(data: bytes, config: Config) -> bool:
    """Whether bytes over the limit are too many: a wide encoding may take more of them than its text does in UTF-8."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)) or config.encoding
    bom = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    return len(data) > (config.max_document * _WIDEST + _WIDEST if wide else config.max_document + bom)


class _Group:
    """Text files read and not yet made a batch."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._clear()

    def _clear(self) -> None:
        self.size = 0
        self.uris: list[str] = []
        self._sources: list[bytes] = []
        self._texts: list[str | bytes | None] = []
        self._encodings: list[str | None] = []
        self._boms: list[bool] = []
        self._faults: dict[int, Fault] = {}

    def add(self, file: InputFile, data: bytes, fault: Fault | None) -> None:
        """One more file; what could be read of a damaged one goes into quarantine with it."""
        found = _decode(data, self._config.encoding)
        text, encoding, bom = (None, None, False) if isinstance(found, Fault) else found
        if isinstance(found, Fault) or fault:
            self._faults[len(self.uris)] = fault or found  # type: ignore[assignment]
        self.size += len(data)
        self.uris.append(file.uri)
        self._sources.append(data)
        # Bytes that are their own text need not be encoded again.
        self._texts.append(data if encoding == "utf-8" and not bom else text)
        self._encodings.append(encoding)
        self._boms.append(bom)

    def flush(self) -> Iterator[pa.RecordBatch]:
        """The batch of the files so far, if any."""
        if not self.uris:
            return
        rows = len(self.uris)
        found = Found(
            rows,
            self.uris,
            [0] * rows,
            {"text": pa.array(self._texts, pa.string())},
            None,
            self._sources,
            self._encodings,
            self._boms,
            self._faults,
        )
        yield assemble(found, self._config)
        self._clear()
