"""Web archives: each page that a site answered with is one record.

Records of an archive that are no pages (requests, metadata, pictures, redirects, errors of the site) are no records of
the corpus. The archive is decompressed by `Stream`, a piece at a time, and never trusted with a length.
"""

from __future__ import annotations

import io
import re
import zlib
from typing import TYPE_CHECKING, Any, Final

from pipeline.read.stream import Fault, Stream
from pipeline.read.tables import fault_row
from pipeline.read.web import Page, is_full, page_limit, read_pages, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from pipeline.config import Config
    from pipeline.read.inputs import InputFile

# HTTP headers end before this.
_HTTP_HEAD: Final = 64 << 10
_STEP: Final = 1 << 20
_OK: Final = 200
_HTML: Final = ("text/html", "application/xhtml+xml")
_LOOKS_LIKE_HTML: Final = re.compile(rb"^(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head)\b", re.IGNORECASE)
_ENCODED: Final = re.compile(r"^[a-z0-9_-]+$")
_RECORD: Final = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http; msgtype=response\r\n"


class _BadRecordError(Exception):
    """A record that cannot be read."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


class _Input(io.RawIOBase):
    """A stream as fastwarc wants one: it asks for a position, which is told, and never goes to another."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1) -> bytes:
        wanted = _STEP if size < 0 else min(size, _STEP)
        # The fault of a stream shows at its end: ask once more.
        data = self._stream.read(wanted) or self._stream.read(wanted)
        self._place += len(data)
        return data


def read(file: InputFile, config: Config) -> Iterator[pa.RecordBatch]:
    """The pages of an archive, and a row for each record, or rest of the archive, that is damaged."""
    waiting: list[Page] = []
    with Stream(file.root, file.path, file.compression) as stream:
        for entry in _entries(stream, file, config):
            if isinstance(entry, Page):
                waiting.append(entry)
                if not is_full(waiting, config):
                    continue
            if waiting:
                yield read_pages(waiting, config)
                waiting = []
            if not isinstance(entry, Page):
                yield entry
    if waiting:
        yield read_pages(waiting, config)


def _entries(stream: Stream, file: InputFile, config: Config) -> Iterator[Page | pa.RecordBatch]:
    index = -1
    try:
        for index, record in enumerate(_records(stream)):
            entry = _entry(record, index, file, stream, config)
            if entry is not None:
                yield entry
            if record.cut:
                return
        if stream.fault:
            yield fault_row(file, index + 1, stream.fault)
    except _BadRecordError as error:
        yield fault_row(file, index + 1, stream.fault or error.fault)


class _Record:
    """A record of the archive, and whether its bytes ended too early."""

    def __init__(self, record: Any) -> None:
        self.is_response = (record.headers.get("WARC-Type") or "").strip().lower() == "response"
        self.headers = {name.lower(): value for name, value in record.headers.items()}
        self.is_http = bool(record.is_http)
        self.size = int(record.content_length)
        self.cut = False
        self._left = self.size
        self._reader = record.reader

    def read(self, size: int) -> bytes:
        """The next bytes of the record's block, fewer at its end only."""
        parts = []
        want = min(size, self._left)
        while want > 0:
            data = _guarded(self._reader.read, min(want, _STEP))
            if not data:
                self.cut = True
                break
            parts.append(data)
            want -= len(data)
            self._left -= len(data)
        return b"".join(parts)

    def skip(self) -> None:
        """Pass over the rest, to know whether it is there."""
        while self._left > 0 and not self.cut:
            self.read(_STEP)


def _guarded(call: Any, *arguments: Any) -> Any:
    """The result of a call of fastwarc, whose inner errors are no Exceptions.

    Raises:
        _BadRecordError: it failed.
    """
    try:
        return call(*arguments)
    except StopIteration:
        raise
    except Exception as error:  # noqa: BLE001 (a parser of foreign data may fail in any way)
        raise _BadRecordError(Fault("invalid-warc", f"the archive is damaged: {str(error)[:300]}")) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise _BadRecordError(Fault("invalid-warc", "the archive is damaged so that its reader gave up")) from None


def _records(stream: Stream) -> Iterator[_Record]:
    """The records of an archive, each passed over to its end before the next.

    Raises:
        _BadRecordError: what stands at this place is no record.
    """
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    archive = _guarded(
        lambda: ArchiveIterator(
            _Input(stream), record_types=WarcRecordType.any_type, parse_http=False, stream_detect=False
        )
    )
    while True:
        try:
            raw = _guarded(next, archive)
        except StopIteration:
            return
        record = _Record(raw)
        if "content-length" not in record.headers:
            raise _BadRecordError(Fault("truncated", "the archive ends in the header of a record"))
        yield record


def _entry(
    record: _Record, index: int, file: InputFile, stream: Stream, config: Config
) -> Page | pa.RecordBatch | None:
    """The page of a record; a row when it cannot be read; None when it is none."""
    member = (record.headers.get("warc-record-id") or record.headers.get("warc-target-uri") or "").strip("<> ") or None
    try:
        page = _page(record, index, file, member, config)
        record.skip()
    except _BadRecordError as error:
        record.skip()
        return fault_row(file, index, error.fault, member=member)
    if not record.cut:
        return page
    fault = stream.fault or Fault("truncated", "the archive ends in the middle of a record")
    if page is None:
        return fault_row(file, index, fault, member=member)
    return Page(page.uri, index, page.data, page.charset, page.url, member, page.members, fault)


def _page(record: _Record, index: int, file: InputFile, member: str | None, config: Config) -> Page | None:
    """The page of a record, None when it is none.

    Raises:
        _BadRecordError: it is too large, or what the site sent cannot be decoded.
    """
    if not record.is_response or not record.is_http:
        return None
    head = record.read(_HTTP_HEAD)
    http = _http(head, "none")
    status = http.http_headers.status_code if http.http_headers is not None else None
    if status is None:
        if record.cut:
            return None
        raise _BadRecordError(Fault("invalid-warc", "the response has no HTTP header"))
    if status != _OK or not _is_html(http):
        return None
    limit = page_limit(config)
    if record.size > limit + _HTTP_HEAD:
        raise _BadRecordError(too_large(config))
    data = _payload(head + record.read(record.size), record, limit)
    if len(data) > limit:
        raise _BadRecordError(too_large(config))
    partial = record.headers.get("warc-truncated")
    fault = Fault("truncated", f"the archive holds a part of the page only ({partial[:40]})") if partial else None
    # Some writers put the address in angle brackets.
    url = (record.headers.get("warc-target-uri") or "").strip("<> ") or None
    date = record.headers.get("warc-date")
    members = {"warc_date": date} if date else {}
    return Page(file.uri, index, data, http.http_charset, url, member, members, fault)


def _http(block: bytes, decoding: str) -> Any:
    """A response with its HTTP header parsed.

    Raises:
        _BadRecordError: the header or the coding makes no sense.
    """
    from fastwarc.warc import WarcRecord

    whole = io.BytesIO(_RECORD + b"Content-Length: %d\r\n\r\n" % len(block) + block)
    response = _guarded(WarcRecord.from_reader, whole)
    _guarded(lambda: response.parse_http(auto_decode=decoding, quirks_mode=True))
    return response


def _is_html(http: Any) -> bool:
    """By what the site says; by its first bytes where it says nothing."""
    kind = (http.http_content_type or "").strip().lower()
    if kind:
        return kind in _HTML
    return bool(_LOOKS_LIKE_HTML.match(_guarded(http.reader.read, 256)))


def _payload(block: bytes, record: _Record, limit: int) -> bytes:
    """The bytes of the page, at most `limit` + 1 of them.

    Raises:
        _BadRecordError: they cannot be decoded.
    """
    try:
        response = _http(block, "transfer")
        data = _take(response, limit)
    except _BadRecordError:
        # Many archives keep the header of chunks that were put together before.
        response = _http(block, "none")
        data = _take(response, limit)
    codings = _header(response, "content-encoding")
    if codings in ("", "identity"):
        return data
    if codings in ("gzip", "x-gzip", "deflate"):
        return _inflate(data, codings, record, limit)
    if not _ENCODED.match(codings) or _LOOKS_LIKE_HTML.match(data):
        return data
    return _take(_http(block, "all"), limit)


def _take(response: Any, limit: int) -> bytes:
    parts = []
    left = limit + 1
    while left > 0 and (data := _guarded(response.reader.read, min(left, _STEP))):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def _header(response: Any, name: str) -> str:
    values = [value for key, value in response.http_headers.items() if key.lower() == name]
    return values[0].strip().lower() if values else ""


def _inflate(data: bytes, coding: str, record: _Record, limit: int) -> bytes:
    """What gzip or deflate stands for; bytes that were unpacked before, as many archives keep them, are as they are.

    Raises:
        _BadRecordError: the compressed data is damaged.
    """
    if coding != "deflate":
        if not data.startswith(b"\x1f\x8b"):
            return data
        modes = [zlib.MAX_WBITS | 16]
    else:
        modes = [zlib.MAX_WBITS, -zlib.MAX_WBITS]
    for mode in modes:
        unpacker = zlib.decompressobj(mode)
        try:
            found = unpacker.decompress(data, limit + 1)
        except zlib.error:
            continue
        if not unpacker.eof and len(found) <= limit and not record.cut:
            raise _BadRecordError(Fault("truncated", f"the {coding} data of the page ends too early"))
        return found
    if coding == "deflate" and _LOOKS_LIKE_HTML.match(data):
        return data
    raise _BadRecordError(Fault("invalid-warc", f"the {coding} data of the page is damaged"))
