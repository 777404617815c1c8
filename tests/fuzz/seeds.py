"""What the fuzzer starts from: small inputs of every kind, all made here."""

from __future__ import annotations

import gzip
import io
import json
import random
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.strip.rules.packs import BUILT_IN, read_packs
from tests.finished import ordinary

_EXAMPLE = Path(__file__).parents[2] / "docs" / "example.txt"

_RECORDS: list[dict[str, Any]] = [
    {"text": "The river rose on Monday.", "id": "1", "published": "2017-02-28", "n": 1, "tags": ["a", None]},
    {"text": "Grüße aus Zürich,\nsagte sie.", "id": 7, "meta": {"a": 1.5, "b": [True]}, "title": "漢字 🙂"},
    {"text": "", "title": None, "n": 1.0},
    {"text": "\u2028 \ufeff \u0000 \\ \" '", "published": "soon", "extra": {"deep": [[[]]]}},
]

_PAGE = (
    "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>Lower town under water | Gazette</title>"
    "<meta property='og:title' content='Lower town'><meta name='author' content='Anna Weiss'>"
    "<link rel='canonical' href='https://www.example.com/a?b=1#c'>"
    '<script type="application/ld+json">{"@graph": [{"@type": "NewsArticle", "headline": "x", '
    '"author": [{"name": "A"}], "datePublished": "2017-02-28T10:00:00Z"}]}</script></head>'
    "<body><nav><a href='/'>Home</a></nav><article><h1>Lower town</h1><p>The river rose by two metres on Monday night, "
    "and the lower town was under water before the sirens sounded.</p><p>“We carried what we could,” said Anna Weiss."
    "</p><!-- a --><ul><li>one<li>two</ul><table><tr><td>x</table></article><footer>© Example</footer></body></html>"
)

_SETTINGS = """
encoding = "cp1252"
max_document = "1MiB"
strictness = "careful"
dedupe = "near"
rules = ["mine"]
workers = 2
[columns]
text = "body"
"""

_PACK = """
label = "newsletter"
[define]
now = '(?:now|today)'
[[rule]]
id = "mine.one"
pattern = ['\\bsign up {{now}}', '^(?P<cut>Read on)$']
match = ["sign up now", "Sign up today"]
no_match = ["signal", "up"]
span = true
strength = "weak"
where = { max_length = 90, head = 2, tail = 3, unquoted = true }
[[block]]
id = "mine.block"
starts = '^Sign up'
ends = '^Continue$'
max_lines = 9
[[block.example]]
lines = ["Sign up", "Continue", "The river rose."]
removed = [0, 1]
[[block.example]]
lines = ["The river rose.", "It fell."]
removed = []
"""


def _variants(*bodies: bytes, count: int) -> list[bytes]:
    """Each body under each of the first variants."""
    return [bytes([variant]) + body for body in bodies for variant in range(count)]


def _zstd(data: bytes) -> bytes:
    packed: bytes = pa.Codec("zstd").compress(data, asbytes=True)
    return packed


def _lines(ensure_ascii: bool = False) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=ensure_ascii) + "\n" for record in _RECORDS).encode()


_CSV = b'text,id,title,extra\r\nThe river rose,1,,"a, ""b"""\r\n"two\nlines",2,x,\r\n\r\nshort\n'


def _texts() -> list[bytes]:
    example = _EXAMPLE.read_bytes()[:900]
    odd = "\ufeffcr\rlf\ncrlf\r\n\u2028\u2029\u0085\u202e\u200b\0é".encode()
    wide = ["Grüße\r\n".encode(name) for name in ("utf-16", "utf-16-be", "utf-32", "cp1252")]
    packed = [gzip.compress(_lines()), gzip.compress(example) * 2, _zstd(_lines()), _zstd(example), gzip.compress(_CSV)]
    return [*_variants(example, odd, *wide, count=1), *_variants(*packed, count=6)]


def _parquets() -> list[bytes]:
    tables = [
        pa.table({"text": ["The river rose.", "again", "again", None], "id": [1, 2, 3, 4]}),
        pa.table({"text": pa.array([b"fine", b"\xff"]), "n": [[1, None], []], "s": [{"x": 1.5}, None]}),
        pa.table({"text": pa.array(["x"] * 50).dictionary_encode(), "published": pa.array([0] * 50, pa.date32())}),
    ]
    found = []
    for number, table in enumerate(tables):
        for compression in ("none", "zstd", "snappy", "gzip"):
            sink = io.BytesIO()
            pq.write_table(table, sink, compression=compression, row_group_size=20, use_dictionary=number != 1)
            found.append(b"\0" + sink.getvalue())
    return found


def _archives() -> list[bytes]:
    body = _PAGE.encode()
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + body,
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(body),
        b"HTTP/1.1 301 Moved\r\nLocation: /\r\n\r\n",
    ]
    records = [
        b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: <https://example.com/%d>\r\n"
        b"WARC-Record-ID: <urn:x:%d>\r\n"
        b"WARC-Date: 2017-02-28T10:00:00Z\r\nContent-Type: application/http; msgtype=response\r\n"
        b"Content-Length: %d\r\n\r\n%s\r\n\r\n" % (number, number, len(answer), answer)
        for number, answer in enumerate(answers)
    ]
    whole = b"".join(records)
    return [
        *(b"\0" + record for record in records),
        b"\0" + whole,
        b"\1" + b"".join(map(gzip.compress, records)),
        b"\0" + whole[: len(whole) // 2],
    ]


def _packs() -> list[bytes]:
    small = sorted(BUILT_IN.glob("*.toml"), key=lambda path: path.stat().st_size)[:4]
    return [b"\0" + _PACK.encode(), b"\1" + _SETTINGS.encode(), *(b"\0" + path.read_bytes() for path in small)]


def _articles() -> list[bytes]:
    examples = [line for pack in read_packs().values() for rule in pack.rule for line in rule.match[:2]]
    random.Random(3).shuffle(examples)
    texts = [article.text or "" for article in ordinary(12)]
    texts += ["\n".join(examples[place : place + 8]) for place in range(0, len(examples), 8)]
    texts += [_EXAMPLE.read_text(encoding="utf-8"), "a\r\n\r\nb\rc\n\n\u2028\u00a0d", "\0\x1e\0\x1ex"]
    return [bytes([3, 0, 0x81 + number % 90, number % 40]) + text.encode() for number, text in enumerate(texts)]


@lru_cache
def seeds_of(target: str) -> list[bytes]:
    """The seed corpus of a target."""
    made = {
        "text": _texts,
        "json-lines": lambda: _variants(_lines(), _lines(ensure_ascii=True), count=2),
        "separated": lambda: _variants(_CSV, _CSV.replace(b",", b"\t"), count=8),
        "parquet": _parquets,
        "page": lambda: _variants(_PAGE.encode(), _PAGE.encode("utf-16"), count=2),
        "archive": _archives,
        "retry": lambda: _variants(_lines(), b"caf\xe9", _PAGE.encode(), b"story", count=90),
        "settings-and-packs": _packs,
        "span-cutter": _articles,
        "cleaner": _articles,
        "kernels": _articles,
    }
    return made[target]()
