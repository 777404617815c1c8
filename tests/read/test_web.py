"""Web pages and web archives: what becomes of them, whatever their encoding, damage or malice."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import socket
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus import open_corpus
from pipeline.corpus.check import check
from pipeline.corpus.restore import restore
from pipeline.read import read_quarantine, web
from pipeline.records import QUARANTINE_REASONS, QUARANTINED

from .conftest import Read, read_all

pytest.importorskip("trafilatura", reason="the extra [html] is not installed")

BODY = (
    "The river rose by two metres on Monday night, and the lower town was under water before the sirens sounded.",
    "“We carried what we could,” said Anna Weiss, who has run the bakery beside the bridge for thirty years.",
    "The council will meet on Thursday to decide whether the old weir should be opened for good.",
    "Engineers had warned for a decade that the banks were too low, and that the next flood would reach the market.",
)


def page(head: str = "", body: tuple[str, ...] = BODY, start: str = "<!DOCTYPE html><html lang='en'>") -> str:
    """A page as news sites make them: menu, article, comments, footer."""
    paragraphs = "".join(f"<p>{text}</p>" for text in body)
    return (
        f"{start}<head><title>Lower town under water</title>{head}</head><body>"
        "<nav><ul><li><a href='/'>Home</a></li><li><a href='/sport'>Sport</a></li></ul></nav>"
        f"<article><h1>Lower town under water</h1>{paragraphs}</article>"
        "<section class='comments'><h2>Comments</h2><div class='comment'><p>First! What a night.</p></div></section>"
        "<footer><p>© The Example</p></footer></body></html>"
    )


def only(rows: list[dict[str, Any]]) -> dict[str, Any]:
    assert len(rows) == 1
    return rows[0]


def lines(row: dict[str, Any]) -> list[str]:
    return [line for line in (row["text"] or "").split("\n") if line]


class TestPages:
    """One HTML file, one record."""

    @pytest.mark.parametrize("name", ["a.html", "a.htm", "a.html.gz", "a.HTM.zst"])
    def test_a_page_is_its_article(self, name: str, read: Read) -> None:
        """The text is the article's; menu, comments and footer stay out, and the hash is that of the page."""
        data = page().encode()
        packed = {".gz": gzip.compress, ".zst": lambda raw: pa.Codec("zstd").compress(raw, asbytes=True)}
        row = only(read(name, packed.get(Path(name).suffix, bytes)(data)))
        assert row["outcome"] is None
        assert [line for line in lines(row) if line in BODY] == list(BODY)
        assert "First! What a night." not in row["text"]
        assert row["title"] == "Lower town under water"
        assert row["raw_sha256"] == only(read("b.html", data))["raw_sha256"]
        assert (row["origin"]["encoding"], row["origin"]["bom"], row["origin"]["index"]) == ("utf-8", False, 0)

    def test_every_page_of_a_folder_is_one_row(self, tmp_path: Path) -> None:
        """A folder of good and bad pages gives a row for each, in order, whatever the size of a batch."""
        for number in range(30):
            data = b"" if number % 7 == 3 else page(body=(*BODY, f"This is story {number}.")).encode()
            (tmp_path / f"{number:02}.html").write_bytes(data)
        whole = read_all(tmp_path)
        assert whole.equals(read_all(tmp_path, config=Config(batch_rows=4)))
        reasons = [row["reason"] for row in whole.to_pylist()]
        assert reasons == ["missing-text" if number % 7 == 3 else None for number in range(30)]

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "missing-text"),
            (b" \n\t", "missing-text"),
            (b"<html><body></body></html>", "missing-text"),
            (b"\x00\x01\x02\x03", "invalid-html"),
            (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "not-utf8"),
            (b'{"text": "a line of JSON"}', "invalid-html"),
            (b"<html><body><p>caf\xe9</p></body></html>", "not-utf8"),
            (b"\xef\xbb\xbf<html><body><p>caf\xe9</p></body></html>", "not-utf8"),
        ],
    )
    def test_what_is_no_page_is_set_aside(self, data: bytes, reason: str, read: Read) -> None:
        """Each is one row in quarantine with the bytes it came with."""
        row = only(read("a.html", data))
        assert (row["outcome"], row["reason"], row["raw"]) == ("quarantine", reason, data)

    @pytest.mark.parametrize(
        "markup",
        [
            "<" * 200_000,
            "<div>" * 50_000 + "deep",
            "<html><body>" + "&amp;" * 200_000,
            "<!--" * 100_000,
            "<title>" + "x" * 300_000,
            "<html><body>\0\0<p>\ufffe&#0;&#xD800;&#x110000;\x0b</p>" + "".join(f"<p>{text}</p>" for text in BODY),
            "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>]><html><body><p>&b;&b;</p></body>",
            "<!DOCTYPE html SYSTEM 'file:///etc/passwd'><html><body><p>text</p></body></html>",
            "<?xml version='1.0' encoding='utf-8'?>" + page(),
            "<script type='application/ld+json'>" + "[" * 100_000 + "</script>" + page(),
            page('<script type=\'application/ld+json\'>{"@type": "NewsArticle", "headline": "\\ud800"}</script>'),
            page('<script type=\'application/ld+json\'>{"@type": 7, "author": [[[]]], "url": {}}</script>'),
            page("<link rel='canonical' href='http://[::1'><meta property='og:url' content='//'>"),
        ],
    )
    def test_malice_is_one_row(self, markup: str, read: Read) -> None:
        """No page raises, and none brings more than one row."""
        row = only(read("a.html", markup.encode("utf-8", "surrogatepass")))
        assert row["reason"] in (None, *QUARANTINE_REASONS)
        assert "root:" not in (row["text"] or "")

    def test_script_of_a_page_never_reaches_the_columns(self, hostile: Path, read: Read) -> None:
        """Addresses are http(s) or nothing, whatever a page calls canonical."""
        payloads = (hostile / "xss-payloads.txt").read_text("utf-8", "replace").splitlines()
        for payload in payloads[::40]:
            quoted = payload.replace("&", "&amp;").replace("'", "&#39;")
            row = only(read("a.html", page(f"<link rel='canonical' href='{quoted}'>").encode("utf-8", "replace")))
            assert row["url"] is None or row["url"].startswith(("http://", "https://"))

    def test_limits_hold(self, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
        """A page over the cap, a bomb, and a page of too many tags are too large; a text over --max-document too."""
        long = page(body=BODY * 2_000).encode()
        assert only(read("a.html", long, max_document="100kB"))["reason"] == "too-large"
        bomb = gzip.compress(b"<p>" + b"a" * (60 << 20))
        row = only(read("a.html.gz", bomb))
        assert (row["reason"], row["raw"]) == ("too-large", None)
        monkeypatch.setattr(web, "_MAX_TAGS", 20)
        assert only(read("a.html", page().encode()))["reason"] == "too-large"

    def test_cut_pages_are_truncated(self, read: Read) -> None:
        """A compressed page cut anywhere is one row that says so."""
        data = gzip.compress(page().encode())
        for offset in range(0, len(data), 20):
            assert only(read("a.html.gz", data[:offset]))["reason"] == "truncated"

    def test_a_page_that_fails_or_hangs_is_alone(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever the extractor does with one page, the others are read."""
        import trafilatura

        known = trafilatura.extract

        def extract(tree: Any, **settings: Any) -> Any:
            text = "".join(tree.itertext())
            if "fails" in text:
                raise RecursionError("too deep")
            while "hangs" in text:
                try:
                    sum(range(1000))
                except Exception:  # noqa: BLE001 - as the extractor does it
                    continue
            return known(tree, **settings)

        monkeypatch.setattr(trafilatura, "extract", extract)
        monkeypatch.setattr(web, "_MAX_SECONDS", 0.2)
        for name in ("a", "fails", "hangs", "z"):
            (tmp_path / f"{name}.html").write_text(page(body=(*BODY, f"It {name}.")), "utf-8")
        rows = read_all(tmp_path).to_pylist()
        assert [row["reason"] for row in rows] == [None, "invalid-html", "invalid-html", None]
        assert "too deep" in rows[1]["detail"]
        assert "seconds" in rows[2]["detail"]

    def test_nothing_is_fetched(self, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
        """No socket is opened, whatever a page points to."""

        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("a connection was tried")

        for name in ("connect", "connect_ex"):
            monkeypatch.setattr(socket.socket, name, refuse)
        for name in ("getaddrinfo", "create_connection"):
            monkeypatch.setattr(socket, name, refuse)
        start = "<!DOCTYPE html SYSTEM 'http://dtd.example/x.dtd'><html lang='en'>"
        head = (
            "<base href='http://a.example/'><link rel='stylesheet' href='x.css'><meta http-equiv='refresh' content='0'>"
        )
        body = (*BODY, "<img src='http://a.example/x.png'><iframe src='http://a.example/y'></iframe>")
        assert only(read("a.html", page(head, body, start).encode()))["outcome"] is None

    def test_the_same_rows_in_every_process(self, tmp_path: Path) -> None:
        """Neither hash seed nor time zone nor locale changes a row."""
        for number in range(3):
            (tmp_path / f"{number}.html").write_text(page(body=BODY[number:] * 3), "utf-8")
        code = (
            "import sys, hashlib; from tests.read.conftest import read_all;"
            "print(hashlib.sha256(repr(read_all(sys.argv[1]).to_pylist()).encode()).hexdigest())"
        )
        found = set()
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
            surroundings = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": "C"}
            done = subprocess.run(
                [sys.executable, "-c", code, tmp_path],
                env=surroundings,
                cwd=Path(__file__).parents[2],
                capture_output=True,
                text=True,
                check=True,
            )
            found.add(done.stdout)
        assert len(found) == 1

    def test_a_build_of_pages_is_sound(self, tmp_path: Path) -> None:
        """A corpus of pages passes every check, and each input text is given back."""
        inputs = tmp_path / "in"
        inputs.mkdir()
        (inputs / "a.html").write_text(page(), "utf-8")
        (inputs / "b.html").write_bytes(b"<html><p>caf\xe9</p></html>")
        build([str(inputs)], tmp_path / "out", Config(workers=1))
        corpus = tmp_path / "out" / "corpus"
        assert check(corpus).ok
        given = {entry.origin["uri"]: entry.data for entry in restore(corpus)}
        assert given["in/a.html"] == only(read_all(inputs / "a.html").to_pylist())["text"].encode()
        assert given["in/b.html"] == b"<html><p>caf\xe9</p></html>"

    def test_quarantined_pages_are_read_again(self, read: Read) -> None:
        """A page that was not UTF-8 is a document once its encoding is named."""
        data = page(body=(*BODY, "The café is shut.")).encode("cp1252")
        row = only(read("a.html", data))
        assert row["reason"] == "not-utf8"
        kept = pa.RecordBatch.from_pylist([{name: row[name] for name in QUARANTINED.names}], QUARANTINED)
        again = only(read_quarantine(kept, Config(encoding="cp1252")).to_pylist())
        assert (again["outcome"], again["origin"]["encoding"]) == (None, "cp1252")
        assert "The café is shut." in again["text"]
        assert again["id"] == row["id"]


META = "<meta charset='{}'>"
QUOTED = (*BODY, "Der Fluß stieg — “sehr schnell”.")


@pytest.mark.parametrize(
    ("declared", "written", "bom", "setting", "found"),
    [
        (None, "utf-8", b"", None, "utf-8"),
        (None, "utf-8", b"\xef\xbb\xbf", "cp1252", "utf-8"),
        ("iso-8859-2", "utf-16-le", b"\xff\xfe", None, "utf-16-le"),
        (None, "utf-16-be", b"\xfe\xff", None, "utf-16-be"),
        ("utf-8", "utf-8", b"", "cp1252", "utf-8"),
        ("iso-8859-1", "cp1252", b"", None, "cp1252"),
        ("Windows-1252", "cp1252", b"", "utf-8", "cp1252"),
        ("utf-16", "utf-8", b"", None, "utf-8"),
        ("no-such-thing", "utf-8", b"", None, "utf-8"),
        ("unicode_escape", "utf-8", b"", None, "utf-8"),
        ("utf-8", "cp1252", b"", "cp1252", "cp1252"),
        (None, "cp1252", b"", "cp1252", "cp1252"),
    ],
)
def test_encodings(declared: str | None, written: str, bom: bytes, setting: str | None, found: str, read: Read) -> None:
    """Byte order mark, then what the page declares, then UTF-8, then the setting."""
    markup = page(META.format(declared) if declared else "", QUOTED)
    row = only(read("a.html", bom + markup.encode(written), encoding=setting))
    assert row["outcome"] is None, row["detail"]
    assert (row["origin"]["encoding"], row["origin"]["bom"]) == (found, bool(bom))
    assert QUOTED[-1] in lines(row)


@pytest.mark.parametrize(
    "declaration",
    [
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
        "<META CHARSET=windows-1251>",
        "<meta   content='text/html;charset=windows-1251' http-equiv=content-type />",
    ],
)
def test_declarations_in_all_their_forms(declaration: str, read: Read) -> None:
    """Each form in which pages name their encoding is understood."""
    text = "Река поднялась в ночь на понедельник, и нижний город оказался под водой."
    row = only(read("a.html", page(declaration, (text, *[text] * 3)).encode("cp1251", "replace")))
    assert (row["origin"]["encoding"], text in row["text"]) == ("cp1251", True)


class TestHead:
    """What pages declare goes to the columns."""

    def test_json_ld(self, read: Read) -> None:
        """An article described in JSON-LD fills every column."""
        item = {
            "@context": "https://schema.org",
            "@graph": [
                {"@type": "WebSite", "name": "Not this"},
                {
                    "@type": ["NewsArticle", "Thing"],
                    "headline": "River &amp; town",
                    "author": [{"@type": "Person", "name": "Ada Brook"}, "Ben Field"],
                    "datePublished": "2024-05-21T10:00:00+02:00",
                    "inLanguage": "en_GB",
                    "publisher": {"@type": "Organization", "name": "The Example"},
                    "mainEntityOfPage": {"@id": "https://news.example/river"},
                },
            ],
        }
        head = f"<script type='application/ld+json'>{json.dumps(item)}</script>"
        row = only(read("a.html", page(head, start="<!DOCTYPE html><html>").encode()))
        assert (row["title"], row["byline"]) == ("River & town", "Ada Brook, Ben Field")
        assert row["published"].isoformat() == "2024-05-21T08:00:00+00:00"
        assert (row["language"], row["source"], row["url"]) == ("en-GB", "The Example", "https://news.example/river")

    def test_meta_elements(self, read: Read) -> None:
        """Meta elements do the same, and the site's name behind the headline goes."""
        head = (
            "<meta property='og:title' content='River rises | The Example'>"
            "<meta property='og:site_name' content='The Example'><meta name='author' content='By Ada  Brook'>"
            "<meta property='article:published_time' content='2024-05-21'>"
            "<meta name='description' content='A flood.'><link rel='canonical' href='https://news.example/a?b=1'>"
        )
        row = only(read("a.html", page(head).encode()))
        assert (row["title"], row["byline"], row["source"]) == ("River rises", "Ada Brook", "The Example")
        assert (row["url"], row["language"]) == ("https://news.example/a?b=1", "en")
        assert row["published"].isoformat() == "2024-05-21T00:00:00+00:00"
        assert json.loads(row["metadata"]) == {"description": "A flood."}

    def test_what_is_not_declared_is_null(self, read: Read) -> None:
        """Nothing is guessed, and nothing is an empty string."""
        head = "<meta name='author' content=' '><meta property='og:url' content='javascript:alert(1)'>"
        row = only(read("a.html", page(head, start="<html lang='x'>").encode()))
        fields = ("byline", "published", "language", "url", "source", "metadata")
        assert [row[name] for name in fields] == [None] * len(fields)

    def test_a_date_nobody_understands_is_kept_and_flagged(self, read: Read) -> None:
        """It stays as it is written in the metadata."""
        row = only(read("a.html", page("<meta name='date' content='last Tuesday'>").encode()))
        assert (row["published"], row["flags"]) == (None, ["unparsed-published"])
        assert json.loads(row["metadata"]) == {"published": "last Tuesday"}


def http(body: bytes, *headers: str, status: str = "200 OK", kind: str | None = "text/html") -> bytes:
    """An HTTP response."""
    lines = [f"HTTP/1.1 {status}", *([f"Content-Type: {kind}"] if kind else []), *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def record(block: bytes, number: int = 0, kind: str = "response", *headers: str, size: int | None = None) -> bytes:
    """A record of an archive."""
    content = "application/http; msgtype=" + kind if kind in ("response", "request") else "application/warc-fields"
    lines = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:uuid:{number}>",
        f"WARC-Target-URI: https://news.example/{number}",
        "WARC-Date: 2024-05-21T10:00:00Z",
        f"Content-Type: {content}",
        *headers,
        f"Content-Length: {len(block) if size is None else size}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


HTML = page(body=QUOTED).encode()


@pytest.fixture
def warc(read: Read) -> Read:
    """Read records as one archive."""
    pytest.importorskip("fastwarc", reason="the extra [warc] is not installed")

    def run(*records: bytes, **settings: Any) -> list[dict[str, Any]]:
        return read("a.warc", b"".join(records), **settings)

    return run


class TestArchives:
    """One HTML response, one record."""

    def test_pages_are_records_and_nothing_else_is(self, warc: Read) -> None:
        """Requests, pictures, redirects, errors and metadata of the crawl are no documents."""
        rows = warc(
            record(b"software: x\r\n", 0, "warcinfo"),
            record(http(HTML), 1),
            record(b"GET / HTTP/1.1\r\n\r\n", 2, "request"),
            record(http(b"\x89PNG", kind="image/png"), 3),
            record(http(HTML, status="404 Not Found"), 4),
            record(http(HTML, "Location: /", status="301 Moved"), 5),
            record(http(HTML, kind="TEXT/HTML; Charset=UTF-8"), 6),
            record(http(HTML, kind=None), 7),
            record(http(b"plain", kind=None), 8),
        )
        assert [row["origin"]["index"] for row in rows] == [1, 6, 7]
        assert [row["origin"]["member"] for row in rows] == ["urn:uuid:1", "urn:uuid:6", "urn:uuid:7"]
        assert [row["url"] for row in rows] == [f"https://news.example/{number}" for number in (1, 6, 7)]
        assert {row["outcome"] for row in rows} == {None}
        assert {row["source"] for row in rows} == {"news.example"}
        assert json.loads(rows[0]["metadata"]) == {"warc_date": "2024-05-21T10:00:00Z"}

    @pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
    def test_compressed_archives(self, suffix: str, warc: Read, read: Read) -> None:
        """Archives of one gzip member or Zstandard frame a record are read as plain ones."""
        pack = {"": bytes, ".gz": gzip.compress, ".zst": lambda raw: pa.Codec("zstd").compress(raw, asbytes=True)}
        records = [record(http(HTML), number) for number in range(3)]
        rows = read(f"b.warc{suffix}", b"".join(map(pack[suffix], records)))
        assert [row["text"] for row in rows] == [row["text"] for row in warc(*records)]
        assert len({row["id"] for row in rows}) == 3

    @pytest.mark.parametrize(
        ("block", "reason"),
        [
            (http(gzip.compress(HTML), "Content-Encoding: gzip"), None),
            (http(zlib.compress(HTML), "Content-Encoding: deflate"), None),
            (http(pa.Codec("brotli").compress(HTML, asbytes=True), "Content-Encoding: br"), None),
            (http(pa.Codec("zstd").compress(HTML, asbytes=True), "Content-Encoding: zstd"), None),
            (http(pa.Codec("brotli").compress(b"a" * (60 << 20), asbytes=True), "Content-Encoding: br"), "too-large"),
            (http(HTML, "Content-Encoding: br"), None),
            (http(HTML, "Content-Encoding: gzip"), None),
            (http(b"%x\r\n%s\r\n0\r\n\r\n" % (len(HTML), HTML), "Transfer-Encoding: chunked"), None),
            (http(HTML, "Transfer-Encoding: chunked"), None),
            (http(HTML).replace(b"\r\n", b"\n"), None),
            (http(gzip.compress(HTML)[:-30], "Content-Encoding: gzip"), "truncated"),
            (http(b"\x1f\x8b" + b"x" * 50, "Content-Encoding: gzip"), "invalid-warc"),
            (http(b"xxxx", "Content-Encoding: br"), "invalid-warc"),
            (http(gzip.compress(b"a" * (60 << 20)), "Content-Encoding: gzip"), "too-large"),
            (http(b"a" * (52 << 20)), "too-large"),
            (http(b""), "missing-text"),
            (http(b"<p>caf\xe9</p>"), "not-utf8"),
            (b"no header at all", "invalid-warc"),
        ],
    )
    def test_what_a_site_sent(self, block: bytes, reason: str | None, warc: Read) -> None:
        """A page in any coding is decoded, one that cannot be is one row, and the next record is read."""
        rows = warc(record(block, 1), record(http(HTML), 2))
        assert [row["reason"] for row in rows] == [reason, None]
        assert [row["origin"]["member"] for row in rows] == ["urn:uuid:1", "urn:uuid:2"]
        if reason is None:
            assert rows[0]["text"] == rows[1]["text"]
            assert rows[0]["raw_sha256"] == rows[1]["raw_sha256"]

    def test_the_http_header_names_the_encoding(self, warc: Read) -> None:
        """What the site says goes before what the page says."""
        data = page(META.format("utf-8"), QUOTED).encode("cp1252")
        row = only(warc(record(http(data, kind="text/html; charset=ISO-8859-1"))))
        assert (row["origin"]["encoding"], QUOTED[-1] in row["text"]) == ("cp1252", True)

    def test_a_page_of_which_the_crawler_kept_a_part(self, warc: Read) -> None:
        """It is truncated, not a short document."""
        row = only(warc(record(http(HTML), 1, "response", "WARC-Truncated: length")))
        assert (row["reason"], row["url"]) == ("truncated", "https://news.example/1")

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            (b"garbage between records\r\n\r\n", "invalid-warc"),
            (record(http(HTML), size=-5), "invalid-warc"),
            (record(http(HTML), size=10), "invalid-warc"),
            (record(http(HTML)).replace(b"Content-Length", b"X-Length"), "truncated"),
            (b"WARC/1.0\r\nX: " + b"a" * 3_000_000, "invalid-warc"),
            (b"\xff" * 1000, "invalid-warc"),
        ],
    )
    def test_damage_ends_an_archive_with_a_row(self, damage: bytes, reason: str, warc: Read) -> None:
        """Pages before it are documents, and the rest of the archive is set aside as one row."""
        rows = warc(record(http(HTML), 1), damage, record(http(HTML), 2))
        assert rows[0]["reason"] is None
        assert rows[-1]["reason"] == reason
        assert len(rows) <= 3

    @pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
    def test_archives_cut_anywhere(self, suffix: str, read: Read) -> None:
        """Whole pages before the cut are documents; a cut that is not between two records is one more row."""
        pytest.importorskip("fastwarc", reason="the extra [warc] is not installed")
        pack = {"": bytes, ".gz": gzip.compress, ".zst": lambda raw: pa.Codec("zstd").compress(raw, asbytes=True)}
        picture = record(http(b"\x89PNG" * 300, kind="image/png"), 1)
        packed = [pack[suffix](one) for one in (record(http(HTML), 0), picture, record(http(HTML), 2))]
        ends = [len(b"".join(packed[: count + 1])) for count in range(3)]
        data = b"".join(packed)
        for offset in range(1, len(data), max(1, len(data) // 100)):
            rows = read(f"a.warc{suffix}", data[:offset])
            reasons = [row["reason"] for row in rows]
            pages = (offset >= ends[0]) + (offset >= ends[2])
            assert reasons[:pages] == [None] * pages
            # The blank lines that end a record may be cut without harm.
            assert set(reasons[pages:]) <= {"truncated", "invalid-warc", None}
            if any(end - 4 <= offset <= end for end in ends):
                continue
            assert reasons[-1] in ("truncated", "invalid-warc"), offset

    def test_flipped_bytes_never_raise(self, read: Read) -> None:
        """A byte flipped anywhere gives rows and no exception."""
        pytest.importorskip("fastwarc", reason="the extra [warc] is not installed")
        for name, data in {
            "a.warc": record(http(HTML), 1) + record(http(HTML), 2),
            "a.warc.gz": gzip.compress(record(http(HTML), 1)) + gzip.compress(record(http(HTML), 2)),
        }.items():
            for offset in range(0, len(data), max(1, len(data) // 80)):
                damaged = bytearray(data)
                damaged[offset] ^= 0xFF
                for row in read(name, bytes(damaged)):
                    assert row["reason"] in (None, *QUARANTINE_REASONS)

    def test_a_length_that_lies_allocates_nothing(self, warc: Read) -> None:
        """A record that claims a petabyte is one row."""
        row = only(warc(record(http(HTML), 1, size=10**15)))
        assert row["reason"] in ("too-large", "truncated")

    def test_an_empty_archive_has_no_records(self, read: Read, warc: Read) -> None:
        """Nothing in, nothing out; but compressed it must be a stream of its kind."""
        assert warc(b"") == []
        assert only(read("a.warc.gz", b""))["reason"] == "truncated"

    def test_quarantined_pages_are_read_again(self, warc: Read) -> None:
        """A page of an archive keeps its address and its place when it is read again."""
        row = only(warc(record(http(page(body=(*BODY, "The café is shut.")).encode("cp1252")), 4)))
        assert row["reason"] == "not-utf8"
        kept = pa.RecordBatch.from_pylist([{name: row[name] for name in QUARANTINED.names}], QUARANTINED)
        again = only(read_quarantine(kept, Config(encoding="cp1252")).to_pylist())
        for name in ("id", "url", "metadata"):
            assert again[name] == row[name]
        assert (again["outcome"], again["origin"]["member"]) == (None, "urn:uuid:4")

    def test_a_build_of_an_archive_is_sound(self, tmp_path: Path) -> None:
        """A corpus of an archive passes every check, with one row for each page."""
        pytest.importorskip("fastwarc", reason="the extra [warc] is not installed")
        (tmp_path / "a.warc.gz").write_bytes(
            gzip.compress(record(http(HTML), 0)) + gzip.compress(record(http(b"<p>\xe9"), 1)) + gzip.compress(b"x")
        )
        build([str(tmp_path / "a.warc.gz")], tmp_path / "out", Config(workers=1))
        assert check(tmp_path / "out" / "corpus").ok
        accounting = open_corpus(tmp_path / "out" / "corpus").manifest["accounting"]
        assert (accounting["records"], accounting["documents"]) == (3, 1)


def test_foreign_archives(hostile: Path, read: Read) -> None:
    """Every archive of the suite gives one row for each page, and one for what is damaged."""
    pytest.importorskip("fastwarc", reason="the extra [warc] is not installed")
    expected = {
        "example-bad-non-chunked.warc.gz": [None],
        "example-bad.warc.gz.bad": [None],
        "example-digest.warc": [],
        "example-iana.org-chunked.warc": [None],
        "example-resource.warc.gz": [],
        "example-space-in-target-uri.warc.gz": [],
        "example-trunc.warc": ["truncated", "invalid-warc"],
        "example-wget-bad-target-uri.warc.gz": [None],
        "example-wrong-chunks.warc.gz": [None],
        "example.warc": [None],
        "example.warc.gz": [None],
        "post-test.warc.gz": [],
    }
    for file in sorted((hostile / "warc").iterdir()):
        data = file.read_bytes()
        name = "a.warc.gz" if data.startswith(b"\x1f\x8b") else "a.warc"
        # The older format of archives is another one, and no page of it is read as if it were this one.
        assert [row["reason"] for row in read(name, data)] == expected.get(file.name, ["invalid-warc"]), file.name
        row = only(read("a.html", data))
        assert row["reason"] in (None, *QUARANTINE_REASONS)


def test_without_the_extra_inputs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read is said before the work begins, with the extra to install."""
    from pipeline.errors import UsageError

    (tmp_path / "a.warc").write_bytes(b"")
    (tmp_path / "a.html").write_bytes(HTML)
    monkeypatch.setitem(sys.modules, "fastwarc", None)
    with pytest.raises(UsageError, match=r"\[warc\]"):
        read_all(tmp_path / "a.warc")
    assert len(read_all(tmp_path / "a.html")) == 1
    broken = tmp_path / "trafilatura.py"
    broken.write_text("raise ImportError('a part of it is missing')")
    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "trafilatura")
        patch.syspath_prepend(tmp_path)
        with pytest.raises(UsageError, match=r"\[html\].*a part of it is missing"):
            read_all(tmp_path / "a.html")
    monkeypatch.setitem(sys.modules, "trafilatura", None)
    with pytest.raises(UsageError, match=r"\[html\]"):
        read_all(tmp_path / "a.html")


WORD = re.compile(r"[^\W_]+")


@pytest.mark.long
def test_articles_of_real_pages(bench: Path) -> None:
    """On modern English news pages, after the cleaner, token F1 against the published bodies is 97.5 % or more."""
    from pipeline.strip.cleaner import load_cleaner

    with io.TextIOWrapper(gzip.open(bench / "pages_dev.jsonl.gz"), "utf-8") as file:
        every = map(json.loads, file)
        pages = [one for one in every if (one["tier"], one["era"], one["lang"]) == ("core", "modern", "en")]
    neutral: dict[str, set[str]] = {one["page_id"]: {" ".join(one["title"].split())} for one in pages}
    with io.TextIOWrapper(gzip.open(bench / "dev.jsonl.gz"), "utf-8") as file:
        for document in map(json.loads, file):
            marked = (line["text"] for line in document["lines"] if line["label"] in ("title", "neutral"))
            neutral.get(document.get("page_id") or document["doc_id"], set()).update(
                " ".join(text.split()) for text in marked
            )
    given = [web.Page("a.html", row, one["html"].encode("utf-8", "ignore")) for row, one in enumerate(pages)]
    clean = load_cleaner((), "balanced").strip(web.read_pages(given, Config()))
    scores = []
    for one, text in zip(pages, clean.column("text").to_pylist(), strict=True):
        kept = [line for line in (text or "").split("\n") if " ".join(line.split()) not in neutral[one["page_id"]]]
        found, gold = (Counter(WORD.findall(part.lower())) for part in ("\n".join(kept), one["gold_text"]))
        scores.append(2 * (found & gold).total() / max(found.total() + gold.total(), 1))
    assert sum(scores) / len(scores) >= 0.975
