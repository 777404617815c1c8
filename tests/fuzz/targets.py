"""The targets: each takes any bytes and raises where a promise does not hold for them.

The first byte chooses a variant (a kind of file, an encoding), the others are the file, the text, the pack. A target
that returns has kept the promise: one outcome for each record with a fixed reason, nothing lost, no error but our own.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import kernels
from pipeline.config import Config, load
from pipeline.dedupe.signatures import signatures
from pipeline.errors import ConfigError, RuleError
from pipeline.read import decode, delimited, jsonl, read_quarantine
from pipeline.records import LABELS, QUARANTINE, QUARANTINE_REASONS, QUARANTINED, RECORDS, complete
from pipeline.strip.cleaner import load_cleaner, sightings_of
from pipeline.strip.cut import Spans, cut, line_spans, merge, rebuild
from pipeline.strip.lines import Lines, count_words, split_lines
from pipeline.strip.rules import Rules
from pipeline.strip.rules.packs import read_pack
from tests.read.conftest import read_all

Row = dict[str, Any]

_BOMS = {
    "utf-8": b"\xef\xbb\xbf",
    "utf-16-le": b"\xff\xfe",
    "utf-16-be": b"\xfe\xff",
    "utf-32-le": b"\xff\xfe\0\0",
    "utf-32-be": b"\0\0\xfe\xff",
}
_ENCODINGS = (None, "cp1252", "utf-16", "shift_jis", "utf-7")
_TEXT_KINDS = ("a.txt", "a.txt.gz", "a.txt.zst", "a.jsonl.gz", "a.jsonl.zst", "a.csv.gz")
_LINE_BREAK = re.compile("\r\n|\n|\r")
_BLANK = "".join(map(chr, (*range(0x21), 0x7F, 0x85, 0xA0, *range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F, 0x2060)))
_BLANK += "\u3000\ufeff"


@lru_cache(maxsize=1)
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="pipeline-fuzz-")


def _written(name: str, data: bytes) -> Path:
    path = Path(_folder().name) / name
    path.write_bytes(data)
    return path


def _read(name: str, data: bytes, **settings: Any) -> list[Row]:
    """The rows of a file with these bytes, each with exactly one outcome."""
    rows = read_all(_written(name, data), config=Config(**settings)).to_pylist()
    for row in rows:
        _judged(row)
    places = [row["origin"]["index"] for row in rows]
    assert places == sorted(set(places)), "two records have one position"
    return rows


def _judged(row: Row) -> None:
    """A record is on its way, with a text, or set aside for a reason of the list."""
    assert (row["outcome"], row["reason"] in QUARANTINE_REASONS) in ((None, False), (QUARANTINE, True)), row["reason"]
    assert row["id"]
    assert row["origin"]["uri"]
    assert row["outcome"] or row["text"].strip()


@contextmanager
def _without_the_quick_way(reader: Any) -> Iterator[None]:
    """Read record by record, whatever the bytes are."""
    quick = reader._Reader._quick
    reader._Reader._quick = lambda *_: None
    try:
        yield
    finally:
        reader._Reader._quick = quick


def text(data: bytes) -> None:
    """A text file, bare or compressed, is one record that gives its bytes back; a cut one keeps what was there."""
    variant, data = data[0], data[1:]
    name = _TEXT_KINDS[variant % len(_TEXT_KINDS)]
    encoding = _ENCODINGS[variant // len(_TEXT_KINDS) % len(_ENCODINGS)]
    rows = _read(name, data, encoding=encoding)
    if not name.startswith("a.txt"):
        return
    (row,) = rows
    if name != "a.txt":
        return
    if row["outcome"]:
        assert row["raw"] == data
        return
    origin = row["origin"]
    assert (_BOMS[origin["encoding"]] if origin["bom"] else b"") + row["text"].encode(origin["encoding"]) == data
    assert decode(data, encoding)[0] == row["text"]


def json_lines(data: bytes) -> None:
    """One record for each line that is not blank, the same ones from the quick way and the exact way."""
    encoding, data = _ENCODINGS[data[0] % 2], data[1:]
    quick = _read("a.jsonl", data, encoding=encoding)
    with _without_the_quick_way(jsonl):
        assert _read("a.jsonl", data, encoding=encoding) == quick
    if not data.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")):
        lines = data.removeprefix(_BOMS["utf-8"]).split(b"\n")
        assert len(quick) == sum(bool(line.strip(b" \t\r")) for line in lines)


def separated(data: bytes) -> None:
    """The same records from the quick way and the exact way, and from blocks of any size."""
    variant, data = data[0], data[1:]
    name = "a.tsv" if variant % 2 else "a.csv"
    quick = _read(name, data)
    with _without_the_quick_way(delimited):
        assert _read(name, data) == quick
    block, delimited.BLOCK = delimited.BLOCK, 1 + variant // 2
    try:
        assert _read(name, data) == quick
    finally:
        delimited.BLOCK = block


def parquet(data: bytes) -> None:
    """Rows, or one row for the damage."""
    _read("a.parquet", data[1:], max_document=1 << 20)


def page(data: bytes) -> None:
    """A web page is one record."""
    (row,) = _read("a.html", data[1:], encoding=_ENCODINGS[data[0] % 2])
    assert not row["outcome"] or row["raw"] == data[1:]


def archive(data: bytes) -> None:
    """Pages, or a row for what cannot be read."""
    _read("a.warc.gz" if data[0] % 2 else "a.warc", data[1:], max_document=1 << 20)


_RETRIED = ("in/a.txt", "in/a.jsonl", "in/a.csv", "in/a.parquet", "in/a.html", "in/a.warc", "in/a.txt.gz", "in/odd", "")


def retry(data: bytes) -> None:
    """What was set aside is one record again, whatever bytes were kept of it and wherever they came from."""
    variant, data = data[0], data[1:]
    uri = _RETRIED[variant % len(_RETRIED)]
    reasons = sorted(QUARANTINE_REASONS)
    reason = reasons[variant // len(_RETRIED) % len(reasons)]
    origin = {"uri": uri, "member": None, "index": variant, "encoding": None, "bom": None, "text_sha256": None}
    row = {"id": "x", "raw": data, "outcome": QUARANTINE, "reason": reason, "detail": "x", "origin": origin}
    if variant % 2:
        row |= {"text": data.decode("utf-8", "replace"), "raw": None}
    batch = pa.RecordBatch.from_pylist([{name: row.get(name) for name in QUARANTINED.names}], QUARANTINED)
    again = read_quarantine(batch, Config(encoding=_ENCODINGS[variant % 2]))
    again.validate(full=True)
    assert (again.num_rows, again.schema) == (1, RECORDS)
    found = again.to_pylist()[0]
    assert (found["outcome"] is None) == (found["reason"] is None)
    assert found["outcome"] or found["text"].strip()


def settings_and_packs(data: bytes) -> None:
    """A file of settings or a pack of rules is taken or refused in words; a pack that is taken can be matched."""
    variant, data = data[0], data[1:]
    path = _written("a.toml", data)
    if variant % 2:
        with suppress(ConfigError):
            load(path, {})
        return
    try:
        pack = read_pack(path)
        rules = Rules((pack,))
    except RuleError as error:
        if "\n" in str(error):
            raise
        return
    examples = [line for rule in pack.rule for line in (*rule.match, *rule.no_match)]
    hits = rules.match(split_lines(pa.array(["\n".join(examples) + "Sign up here: a b c"], pa.string())))
    assert (hits.start <= hits.end).all()


def _split(data: bytes) -> tuple[bytes, list[str | None]]:
    """Choices, and texts; what cannot be UTF-8 is left out, and a text of one NUL stands for none."""
    size = data[0] % 32
    pieces = data[1 + size :].decode("utf-8", "ignore").split("\x1e")
    return data[1 : 1 + size] or b"\0", [None if piece == "\0" else piece for piece in pieces]


def _labels(choices: bytes, count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    cycle = np.frombuffer(choices, np.uint8) % (2 * len(LABELS))
    return np.where(cycle < len(LABELS), cycle, 0).astype(np.uint8)[np.arange(count) % len(cycle)]


def _parts(choices: bytes, lines: Lines) -> Spans:
    """Parts of some lines, on the edges of characters, as rules with a `cut` give them."""
    rows = []
    for place, choice in enumerate(choices):
        line = place * 3 + choice % 3
        if line >= len(lines) or choice < 128:
            continue
        content = lines.text(line).decode()
        low = choice % len(content)
        high = min(len(content), low + 1 + choice % 7)
        start = int(lines.start[line]) + len(content[:low].encode())
        rows.append((lines.document[line], start, start + len(content[low:high].encode()), 3, 0, 0.5))
    columns = list(zip(*rows, strict=True)) or [[]] * 6
    kinds = (np.int32, np.int64, np.int64, np.uint8, np.int32, np.float32)
    return Spans(*(np.array(column, kind) for column, kind in zip(columns, kinds, strict=True)))


def span_cutter(data: bytes) -> None:
    """Lines are those of a plain split; whatever is cut, spans and text rebuild the input."""
    choices, given = _split(data)
    texts = pa.array(given, pa.string())
    lines = split_lines(texts)
    plain = [line for text in given for line in (raw.strip(_BLANK) for raw in _LINE_BREAK.split(text or "")) if line]
    assert [lines.text(line).decode() for line in range(len(lines))] == plain
    assert len(count_words(texts)) == len(given)
    clean, removed = _cut(texts, lines, choices)
    _rebuilds(given, clean, removed)


def _cut(texts: pa.Array, lines: Lines, choices: bytes) -> tuple[pa.Array, pa.Array]:
    count = len(lines)
    whole = line_spans(lines, _labels(choices, count), np.zeros(count, np.int32), np.ones(count, np.float32))
    return cut(texts, merge(whole, _parts(choices, lines)), [("model",)])


def _rebuilds(given: list[str | None], clean: pa.Array, removed: pa.Array) -> None:
    clean.validate(full=True)
    removed.validate(full=True)
    assert rebuild(clean, removed).to_pylist() == given
    for text, spans in zip(given, removed.to_pylist(), strict=True):
        place, source = 0, (text or "").encode()
        for span in spans or ():
            assert place <= span["start"] < span["end"] <= len(source), "spans are out of order, or overlap"
            assert source[span["start"] : span["end"]].decode() == span["text"]
            place = span["end"]


_FIELDS = ("title", "byline", "source")


def cleaner(data: bytes) -> None:
    """The whole cleaner: text and ledger rebuild what came in, and a text without one loses nothing."""
    choices, given = _split(data)
    given = [text or "x" for text in given]
    columns = {"text": pa.array(given, pa.string())}
    if choices[0] % 2:
        columns |= {name: pa.array([choices.decode("latin-1")] * len(given), pa.string()) for name in _FIELDS}
    strictness = ("careful", "balanced", "thorough")[choices[0] % 3]
    done = load_cleaner((), strictness).strip(complete(columns, len(given)))
    done.validate(full=True)
    _rebuilds(given, done.column("text"), done.column("removed"))
    for row in done.to_pylist():
        assert row["reason"] in (None, "empty-after-strip")
        assert row["outcome"] or row["word_count"]
        assert 0 <= row["removed_ratio"] <= 1


def kernel_twins(data: bytes) -> None:
    """What the kernels in C make of a text is what NumPy makes of it."""
    choices, given = _split(data)
    batch = complete({"text": pa.array([text or "x" for text in given], pa.string())}, len(given))
    compiled, plain = _all_of(batch, choices), _without_kernels(batch, choices)
    for one, other in zip(compiled, plain, strict=True):
        assert one.equals(other), "kernel and NumPy disagree"


def _all_of(batch: pa.RecordBatch, choices: bytes) -> list[pa.RecordBatch]:
    strictness = ("careful", "balanced", "thorough")[choices[0] % 3]
    stripped = load_cleaner((), strictness).strip(batch)
    return [stripped, sightings_of(batch), signatures(batch.column("text"))]


def _without_kernels(batch: pa.RecordBatch, choices: bytes) -> list[pa.RecordBatch]:
    compiled, kernels.compiled = kernels.compiled, None
    try:
        return _all_of(batch, choices)
    finally:
        kernels.compiled = compiled


TARGETS: dict[str, Callable[[bytes], None]] = {
    "text": text,
    "json-lines": json_lines,
    "separated": separated,
    "parquet": parquet,
    "page": page,
    "archive": archive,
    "retry": retry,
    "settings-and-packs": settings_and_packs,
    "span-cutter": span_cutter,
    "cleaner": cleaner,
    "kernels": kernel_twins,
}
