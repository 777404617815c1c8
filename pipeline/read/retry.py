"""Quarantined records as an input: `pipeline build --retry` reads again what the last build set aside."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from pipeline.read import jsonl, text, web
from pipeline.read.inputs import InputFile, kind_of
from pipeline.records import QUARANTINE, RECORDS, complete

if TYPE_CHECKING:
    from pipeline.config import Config

# Reasons of the stages after this one, which will judge again; what a reader found wrong with a row is still wrong.
_SET_ASIDE_LATER: Final = (
    "empty-after-strip",
    "invalid-record",
    "other-language",
    "unknown-language",
    "duplicate-id",
    "worker-died",
)


def read_quarantine(batch: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """The records of rows of `QUARANTINED`, one each, in the same order.

    Source bytes that were kept are read again, by the configuration of now, where a record is a whole file or line.
    A row that was read well and set aside later goes on as it is. Any other stays in quarantine for the reason it had.
    """
    rows = [_again(batch.slice(row, 1), config) for row in range(batch.num_rows)]
    return pa.concat_batches(rows) if rows else pa.RecordBatch.from_pylist([], RECORDS)


def _again(row: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    given: dict[str, Any] = row.to_pylist()[0]
    raw, origin = given["raw"], given["origin"] or {}
    kind = kind_of(origin.get("uri") or "")
    index = origin.get("index") or 0
    # A damaged file's bytes end before its end: what is missing is still missing.
    if raw is not None and kind and given["reason"] != "truncated":
        file = InputFile(origin["uri"], "", len(raw), kind[0], None)
        if kind[0] == "text":
            return text.read_bytes(file, raw, config)
        if kind[0] == "jsonl":
            return jsonl.read_line(file, raw, index, config)
        if kind[0] in ("html", "warc") and importlib.util.find_spec("trafilatura"):
            return web.read_pages([_page(given, raw, index)], config)
    return _as_it_is(row, given)


def _page(given: dict[str, Any], raw: bytes, index: int) -> web.Page:
    """A page as it was read before; what its HTTP header said of its encoding is not kept."""
    members = json.loads(given["metadata"]) if given["metadata"] else {}
    known = {"warc_date": members["warc_date"]} if "warc_date" in members else {}
    origin = given["origin"]
    # Of a file the address was found in the page itself, and will be again.
    url = given["url"] if origin["member"] else None
    return web.Page(origin["uri"], index, raw, url=url, member=origin["member"], members=known)


def _as_it_is(row: pa.RecordBatch, given: dict[str, Any]) -> pa.RecordBatch:
    columns = {name: row.column(name) for name in row.schema.names}
    if given["reason"] in _SET_ASIDE_LATER and given["text"] and given["text"].strip():
        del columns["reason"], columns["detail"], columns["raw"]
        kind = kind_of((given["origin"] or {}).get("uri") or "")
        if kind and kind[0] == "text":  # a text file does not say its language: it was told, and will be again
            del columns["language"]
    else:
        columns["outcome"] = pa.array([QUARANTINE], pa.string())
    return complete(columns, 1)
