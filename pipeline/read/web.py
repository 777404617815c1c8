"""Web pages: one page, one document. How bytes become text, and of that text the article.

The article is found by trafilatura, without comments and tables: of what was tried that gave the best text after this
package's own cleaner (docs/web.md). Nothing here opens a connection: a page's bytes are all there is.
"""

from __future__ import annotations

import codecs
import contextlib
import logging
import re
import signal
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from pipeline.read import metadata
from pipeline.read.head import facts
from pipeline.read.stream import Fault, read_whole
from pipeline.read.tables import Found, assemble, fault_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipeline.config import Config
    from pipeline.read.inputs import InputFile

BATCH_BYTES: Final = 8 << 20
# A page is mark-up for the most part: three times the largest text, and room for a small limit.
_PAGE_FACTOR: Final = 3
_PAGE_ROOM: Final = 1 << 20
# Real pages have some thousand tags. What a page takes grows with them: 25 to 100 µs and 1.5 kB for each.
_MAX_TAGS: Final = 200_000
# The parser adds an attribute by walking over those the tag has: 20,000 take half a second, ten times as many a minute.
_MAX_ATTRIBUTES: Final = 20_000
# Shorter pages cannot hold that many.
_SHORT_PAGE: Final = 2 * _MAX_ATTRIBUTES
# What may be a tag is looked at from each `<` on, whatever stands around it; pages that make this long are attacks.
_MOST_LOOKS: Final = 30
# Several times what the worst page that is allowed took: nothing ordinary comes near, on any machine.
_MAX_SECONDS: Final = 120.0
# Where HTML looks for the encoding of a page is its first 1,024 bytes; some sites begin with long comments.
_HEAD: Final = 4_096

_META: Final = re.compile(rb"<meta\s[^>]{0,500}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{2,40})", re.IGNORECASE)
_XML: Final = re.compile(rb"^\s*<\?xml\s[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9_:.-]{2,40})[\"']", re.IGNORECASE)
# To their end, or that of the page: lxml looks for an encoding in one that is left, in quadratic time.
_XML_DECLARATIONS: Final = re.compile(r"^(?:\s*<\?xml[^>]*>?)+")
_TAG: Final = re.compile(r"<(?=[A-Za-z])")
_NAME: Final = re.compile(r"[^\s/>]*+")
_ATTRIBUTE: Final = re.compile(
    r"[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^\s>]*+))?+"
)
_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The encodings of the web, as browsers read them: a page that says Latin-1 or GB2312 means the larger set.
_ENCODINGS: Final = {
    **{name: name for name in ("utf-8", "big5hkscs", "cp1006", "euc_jp", "gb18030", "iso2022_jp", "koi8-r", "koi8-u")},
    **{name: name for name in ("mac-roman", "mac-cyrillic", "cp866", "cp874", "cp932", "cp949")},
    **{f"cp{number}": f"cp{number}" for number in range(1250, 1259)},
    **{f"iso8859-{number}": f"iso8859-{number}" for number in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)},
    **dict.fromkeys(("ascii", "iso8859-1"), "cp1252"),
    **dict.fromkeys(("iso8859-11", "tis-620"), "cp874"),
    **dict.fromkeys(("gb2312", "gbk"), "gb18030"),
    "iso8859-9": "cp1254",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    # Mark-up that could be read byte by byte to find this is not UTF-16.
    **dict.fromkeys(("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"), "utf-8"),
}


class _OvertimeError(BaseException):
    """A page takes too long; no Exception, for the extractor catches these."""


@dataclass(frozen=True, slots=True)
class Page:
    """The bytes of a page and what is known of it from elsewhere.

    Attributes:
        uri: the file it is, or comes from.
        index: its position in that file.
        data: its bytes, decompressed.
        charset: its encoding by the HTTP header.
        url: where it was fetched from.
        member: its name inside an archive.
        members: more fields for the metadata.
        fault: what is wrong with it already.
    """

    uri: str
    index: int
    data: bytes
    charset: str | None = None
    url: str | None = None
    member: str | None = None
    members: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class _Article:
    """What was found in a page."""

    text: str | None = None
    encoding: str | None = None
    bom: bool = False
    fields: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None


def page_limit(config: Config) -> int:
    """The most bytes that a page may have."""
    return config.max_document * _PAGE_FACTOR + _PAGE_ROOM


def too_large(config: Config) -> Fault:
    """A page that has more bytes than that."""
    return Fault("too-large", f"the page has more than {page_limit(config)} bytes, what --max-document allows for one")


def read(files: Iterable[InputFile], config: Config) -> Iterator[pa.RecordBatch]:
    """The documents of HTML files, many to a batch."""
    waiting: list[Page] = []
    for file in files:
        data, fault = read_whole(file, page_limit(config))
        if len(data) > page_limit(config):
            fault = too_large(config)
        if fault and (not data or fault.reason == "too-large"):
            if waiting:
                yield read_pages(waiting, config)
                waiting = []
            yield fault_row(file, 0, fault)
            continue
        waiting.append(Page(file.uri, 0, data, fault=fault))
        if is_full(waiting, config):
            yield read_pages(waiting, config)
            waiting = []
    if waiting:
        yield read_pages(waiting, config)


def is_full(waiting: Sequence[Page], config: Config) -> bool:
    """Whether pages are enough for a batch."""
    return len(waiting) >= config.batch_rows or sum(len(page.data) for page in waiting) >= BATCH_BYTES


def read_pages(pages: Sequence[Page], config: Config) -> pa.RecordBatch:
    """One row of `RECORDS` for each page."""
    found = [_article(page, config) for page in pages]
    own = ("url", "source", "title", "byline", "published", "language")
    fields = {name: pa.array([article.fields.get(name) for article in found], pa.string()) for name in own}
    fields["text"] = pa.array([article.text for article in found], pa.string())
    others = [
        metadata.dump({**{name: value for name, value in article.fields.items() if name not in own}, **page.members})
        for page, article in zip(pages, found, strict=True)
    ]
    return assemble(
        Found(
            rows=len(pages),
            uri=[page.uri for page in pages],
            index=[page.index for page in pages],
            fields=fields,
            metadata=pa.array(others, pa.string()),
            sources=[page.data for page in pages],
            encoding=[article.encoding for article in found],
            bom=[article.bom for article in found],
            faults={row: article.fault for row, article in enumerate(found) if article.fault},
            member=[page.member for page in pages],
        ),
        config,
    )


def _article(page: Page, config: Config) -> _Article:
    known = {"url": page.url} if page.url else {}
    if page.fault:
        return _Article(fields=known, fault=page.fault)
    decoded = decode_page(page.data, page.charset, config.encoding)
    if isinstance(decoded, Fault):
        return _Article(fields=known, fault=decoded)
    markup, encoding, bom = decoded
    if not markup.strip():
        return _Article(None, encoding, bom, known)
    tags = markup.count("<")
    if tags > _MAX_TAGS:
        words = f"the page has {tags} tags; {_MAX_TAGS} are the most that are looked at"
        return _Article(None, encoding, bom, known, Fault("too-large", words))
    if len(markup) > _SHORT_PAGE and _has_wide_tag(markup):
        words = f"a tag of the page has more than {_MAX_ATTRIBUTES} attributes, or nobody can tell where its tags end"
        return _Article(None, encoding, bom, known, Fault("too-large", words))
    text, fields, fault = _extract(markup, page.url)
    return _Article(text, encoding, bom, known | fields, fault)


def _has_wide_tag(markup: str) -> bool:
    """Whether a tag has too many attributes, wherever a parser may take tags to begin."""
    left = _MOST_LOOKS * len(markup)
    for tag in _TAG.finditer(markup):
        place = _NAME.match(markup, tag.end()).end()  # type: ignore[union-attr]  # matches nothing too
        count = 0
        while found := _ATTRIBUTE.match(markup, place):
            place = found.end()
            count += 1
            if count > _MAX_ATTRIBUTES:
                return True
        left -= place - tag.start()
        if left < 0:
            return True
    return False


def decode_page(data: bytes, charset: str | None, encoding: str | None) -> tuple[str, str, bool] | Fault:
    """The text of a page, the name of its encoding, and whether a byte order mark stood before it.

    The ladder is: byte order mark, the encoding that the HTTP header or the page declares, UTF-8, the encoding given.

    Args:
        data: the bytes of the page.
        charset: what the HTTP header says, None for nothing.
        encoding: what is tried last.
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            try:
                return data[len(bom) :].decode(name), name, True
            except UnicodeDecodeError:
                return Fault("not-utf8", f"the page begins with the byte order mark of {name} but is not {name}")
    declared = [label for label in (charset, _declared(data)) if label]
    names = [known for label in declared if (known := _codec(label))][:1]
    given = [codecs.lookup(encoding).name] if encoding else []
    for name in dict.fromkeys([*names, "utf-8", *given]):
        try:
            text = data.decode(name)
            text.encode()
        except (UnicodeError, ValueError):
            continue
        return text, name, False
    tried = ", ".join(dict.fromkeys([*names, "utf-8", *given]))
    return Fault("not-utf8", f"the page is not {tried}; the setting 'encoding' names another to try")


def _declared(data: bytes) -> str | None:
    head = data[:_HEAD]
    found = _META.search(head) or _XML.search(head)
    return found[1].decode("ascii") if found else None


@lru_cache(maxsize=256)
def _codec(label: str) -> str | None:
    """Python's name for an encoding that pages may have."""
    try:
        return _ENCODINGS.get(codecs.lookup(label.strip()).name)
    except (LookupError, ValueError):
        return None


def _extract(markup: str, url: str | None) -> tuple[str | None, dict[str, str], Fault | None]:
    """The article's text, the page's fields, and what went wrong; one bad page is one bad row, whatever it does."""
    trafilatura = _trafilatura()
    try:
        with _limited(_MAX_SECONDS):
            tree = trafilatura.load_html(_XML_DECLARATIONS.sub("", markup), len(markup) * 4)
            if tree is None:
                return None, {}, Fault("invalid-html", "there is no HTML in the file")
            fields = facts(tree, url)
            text = trafilatura.extract(tree, include_comments=False, include_tables=False, config=_settings())
    except _OvertimeError:
        return None, {}, Fault("invalid-html", f"the page takes more than {_MAX_SECONDS:.0f} seconds of processor time")
    except Exception as error:  # noqa: BLE001 (a parser of foreign pages may fail in any way)
        words = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        return None, {}, Fault("invalid-html", f"the page cannot be parsed: {words}")
    return (text or "").encode("utf-8", "ignore").decode() or None, fields, None


@lru_cache(maxsize=1)
def _trafilatura() -> Any:
    """The library, loaded when the first page comes; it tells what it thinks of pages to nobody who did not ask."""
    import trafilatura

    logging.getLogger("trafilatura").addHandler(logging.NullHandler())
    return trafilatura


@lru_cache(maxsize=1)
def _settings() -> Any:
    """Its own settings, but for the size of a page, which is judged here."""
    from trafilatura.settings import use_config

    settings = use_config()
    settings.set("DEFAULT", "MAX_FILE_SIZE", str(1 << 40))
    settings.set("DEFAULT", "MIN_FILE_SIZE", "0")
    return settings


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Stops what runs inside once it has had so much processor time; only a process's main thread can be stopped."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise _OvertimeError

    before = signal.signal(signal.SIGVTALRM, stop)
    # Once more each second: the first may come where Python cannot raise.
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before or signal.SIG_DFL)
