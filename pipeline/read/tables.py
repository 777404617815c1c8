"""From the columns a reader found to a batch of `RECORDS`: ids, hashes, origin, dates, and what is wrong with a row.

Every reader ends here, the quick ways and the exact ones alike, so that a record gets the same row from either.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.config import INPUT_FIELDS
from pipeline.read import dates, metadata
from pipeline.read.stream import Fault
from pipeline.records import ORIGIN, QUARANTINE, complete

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.config import Config
    from pipeline.read.inputs import InputFile

# Source bytes of a bad record are kept up to this size.
MAX_RAW: Final = 1 << 20

Bytes = bytes | bytearray | memoryview


@dataclass(slots=True)
class Found:
    """The records that a reader found, a column a field.

    Attributes:
        rows: how many there are.
        uri: the file they come from, one for all or one each.
        index: int64[rows], position of each in its file.
        fields: string arrays by our name for the field; `published` may be timestamps.
        metadata: canonical JSON objects, None when there are none.
        sources: the source bytes of each record; None where they are the text's own.
        encoding: how they were decoded, one for all or one each.
        bom: whether a byte order mark stood before the text of each.
        faults: what is wrong with the row of that number.
        raw: source bytes to keep of a bad row, where they are not `sources`.
        member: the name of each inside an archive; None where there is none.
    """

    rows: int
    uri: str | Sequence[str]
    index: Sequence[int] | range
    fields: dict[str, pa.Array] = field(default_factory=dict)
    metadata: pa.Array | None = None
    sources: Sequence[Bytes] | None = None
    encoding: str | Sequence[str | None] = "utf-8"
    bom: Sequence[bool] | None = None
    faults: dict[int, Fault] = field(default_factory=dict)
    raw: dict[int, Bytes] = field(default_factory=dict)
    member: Sequence[str | None] | None = None


def names(config: Config) -> dict[str, str]:
    """Our field by the name it has in the input."""
    return {config.columns.get(ours, ours): ours for ours in INPUT_FIELDS}


def assemble(found: Found, config: Config) -> pa.RecordBatch:
    """One row of `RECORDS` for each record found."""
    rows = found.rows
    columns = {name: _some(array) for name, array in found.fields.items() if name != "text"}
    text = found.fields.get("text", pa.nulls(rows, pa.string()))
    raw_sha, text_sha, made_ids = _hash(found, text, columns.get("id"))
    text, faults = _judge(found, text, config)
    columns["text"] = text
    columns["id"] = pc.coalesce(columns["id"], made_ids) if "id" in columns else made_ids
    _date(found, columns, config)
    columns["raw_sha256"] = raw_sha
    columns["origin"] = _origin(found, pc.if_else(text.is_null(), pa.scalar(None, pa.string()), text_sha))
    if faults:
        columns |= _outcomes(found, faults)
    return complete(columns, rows)


def fault_row(
    file: InputFile,
    index: int,
    fault: Fault,
    digest: str | None = None,
    raw: bytes | None = None,
    member: str | None = None,
) -> pa.RecordBatch:
    """The row of what cannot be read: a whole file, the rest of one, or a record too large to hold.

    Args:
        file: where it is.
        index: its position in the file.
        fault: what is wrong.
        digest: SHA-256 of its source bytes; that of the whole file when they are not known.
        raw: its source bytes, where they are known.
        member: its name inside an archive.
    """
    if raw is not None:
        digest = hashlib.sha256(raw).hexdigest()
    found = Found(1, file.uri, [index], encoding=[None], raw={} if raw is None else {0: raw}, member=[member])
    digest = digest or file.sha256 or None
    name = hashlib.sha256(f"{digest}\0{index}".encode()).hexdigest()[:16]
    columns = {
        "id": pa.array([name], pa.string()),
        "raw_sha256": pa.array([digest], pa.string()),
        "origin": _origin(found, pa.nulls(1, pa.string())),
    }
    return complete(columns | _outcomes(found, {0: fault}), 1)


def _some(array: pa.Array) -> pa.Array:
    """The same texts, with null in place of those that are empty or white space only."""
    if not pa.types.is_string(array.type) or array.null_count == len(array):
        return array
    blank = pc.or_(pc.equal(pc.binary_length(array), 0), pc.utf8_is_space(array))
    return pc.if_else(blank, pa.scalar(None, pa.string()), array) if pc.any(blank).as_py() else array


def slices(array: pa.Array) -> list[memoryview]:
    """The UTF-8 bytes of each text of a string array, no bytes for null."""
    offsets, data = metadata.text_buffers(array)
    view = data.data if len(data) else memoryview(b"")
    bounds = (offsets - offsets[0]).tolist() if len(array) else [0]
    pieces = [view[start:stop] for start, stop in pairwise(bounds)]
    if array.null_count:
        pieces = [
            piece if valid else view[:0] for piece, valid in zip(pieces, array.is_valid().to_pylist(), strict=True)
        ]
    return pieces


def _hash(found: Found, text: pa.Array, ids: pa.Array | None) -> tuple[pa.Array, pa.Array, pa.Array]:
    """SHA-256 of source bytes and of texts, and an id for each record that has none."""
    texts = slices(text)
    missing = np.ones(found.rows, dtype=bool) if ids is None else ids.is_null().to_numpy(zero_copy_only=False)
    made: list[str | None] = [None] * found.rows
    raw_sha = []
    sha256 = hashlib.sha256
    sources = texts if found.sources is None else found.sources
    for row, (source, index, nameless) in enumerate(zip(sources, found.index, missing.tolist(), strict=True)):
        digest = sha256(source)
        raw_sha.append(digest.hexdigest())
        if nameless:
            digest.update(b"\0%d" % index)
            made[row] = digest.hexdigest()[:16]
    if found.sources is None:
        text_sha = raw_sha
    else:
        # A text file that is UTF-8 is its own text: one hash is both.
        text_sha = [
            known if len(piece) == len(source) and bytes(piece) == source else sha256(piece).hexdigest()
            for known, piece, source in zip(raw_sha, texts, sources, strict=True)
        ]
    return pa.array(raw_sha, pa.string()), pa.array(text_sha, pa.string()), pa.array(made, pa.string())


def _judge(found: Found, text: pa.Array, config: Config) -> tuple[pa.Array, dict[int, Fault]]:
    """The texts without those that are empty or over the limit, and what is wrong with which row."""
    faults = dict(found.faults)
    size = pc.fill_null(pc.binary_length(text), 0).to_numpy(zero_copy_only=False)
    large = size > config.max_document
    blank = pc.fill_null(pc.utf8_is_space(text), fill_value=False).to_numpy(zero_copy_only=False)
    empty = "the record has no text, or an empty one; of a table, [columns] names the field that holds it"
    for row in np.flatnonzero((size == 0) | blank).tolist():
        words = "the text is white space only" if size[row] else empty
        faults.setdefault(row, Fault("missing-text", words))
    for row in np.flatnonzero(large).tolist():
        words = f"the text has {size[row]} bytes; --max-document allows {config.max_document}"
        faults[row] = Fault("too-large", words)
    if (size == 0).any() or large.any():
        text = pc.if_else(pa.array((size == 0) | large), pa.scalar(None, pa.string()), text)
    return text, faults


def _date(found: Found, columns: dict[str, pa.Array], config: Config) -> None:
    """`published` as timestamps; a text that names no moment goes to the metadata, under its name in the input."""
    given = columns.get("published")
    columns["metadata"] = found.metadata if found.metadata is not None else pa.nulls(found.rows, pa.string())
    if given is None or not pa.types.is_string(given.type):
        return
    moments = dates.parse_all(given)
    columns["published"] = moments
    lost = pc.and_(moments.is_null(), given.is_valid())
    if not pc.any(lost).as_py():
        return
    name = config.columns.get("published", "published")
    texts = pc.if_else(lost, given, pa.scalar(None, pa.string()))
    columns["metadata"] = pa.array(
        [
            known if text is None else metadata.add(known, name, text)
            for known, text in zip(columns["metadata"].to_pylist(), texts.to_pylist(), strict=True)
        ],
        pa.string(),
    )
    columns["flags"] = pa.array(
        [["unparsed-published"] if bad else None for bad in lost.to_pylist()], pa.list_(pa.string())
    )


def _origin(found: Found, text_sha: pa.Array) -> pa.Array:
    def each(value: Any, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), found.rows) if isinstance(value, str) else pa.array(value, kind)

    bom = pa.repeat(pa.scalar(value=False), found.rows) if found.bom is None else pa.array(found.bom, pa.bool_())
    return pa.StructArray.from_arrays(
        [
            each(found.uri, pa.string()),
            pa.nulls(found.rows, pa.string()) if found.member is None else pa.array(found.member, pa.string()),
            pa.array(found.index, pa.int64()),
            each(found.encoding, pa.string()),
            bom,
            text_sha,
        ],
        fields=list(ORIGIN),
    )


def _outcomes(found: Found, faults: dict[int, Fault]) -> dict[str, pa.Array]:
    rows = found.rows
    outcome: list[str | None] = [None] * rows
    reason: list[str | None] = [None] * rows
    detail: list[str | None] = [None] * rows
    raw: list[bytes | None] = [None] * rows
    for row, fault in faults.items():
        outcome[row], reason[row], detail[row] = QUARANTINE, fault.reason, fault.detail
        source = found.raw.get(row, None if found.sources is None else found.sources[row])
        if source is not None and len(source) <= MAX_RAW:
            raw[row] = bytes(source)
    return {
        "outcome": pa.array(outcome, pa.string()),
        "reason": pa.array(reason, pa.string()),
        "detail": pa.array(detail, pa.string()),
        "raw": pa.array(raw, pa.binary()),
    }
