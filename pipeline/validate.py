"""Validate: does each record fit the published schema? Columns first, pydantic for the rows that fail."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipeline import config
from pipeline.records import DOCUMENTS, FLAGS, QUARANTINE, replace_columns

# Room for every id, address or name a real site uses; a longer one is a page that ended up in the wrong field.
MAX_ID: Final = 1_024
MAX_NAME: Final = 10_000
LANGUAGE: Final = f"^{config.LANGUAGE.pattern}$"
SHA256: Final = r"^[0-9a-f]{64}$"

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]


class Origin(BaseModel):
    """Where a record came from."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    uri: str = Field(min_length=1)
    member: str | None = None
    index: int = Field(ge=0)
    encoding: str | None = None
    bom: bool | None = None
    text_sha256: str = Field(pattern=SHA256)


class Document(BaseModel):
    """One published document; the same fields as `records.DOCUMENTS`."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    id: Annotated[str, Field(min_length=1, max_length=MAX_ID)]
    source: Name | None = None
    url: Name | None = None
    title: Name | None = None
    byline: Name | None = None
    published: AwareDatetime | None = None
    language: Annotated[str, Field(pattern=LANGUAGE)] | None = None
    text: Annotated[str, Field(min_length=1)]
    captions: list[Annotated[str, Field(min_length=1)]]
    word_count: int = Field(ge=1)
    removed_ratio: float = Field(ge=0, le=1)
    flags: list[Literal[tuple(FLAGS)]]  # type: ignore[valid-type]  # the codes are data, listed once in records.py
    metadata: str | None = None
    raw_sha256: Annotated[str, Field(pattern=SHA256)]
    origin: Origin

    @field_validator("metadata")
    @classmethod
    def _json_object(cls, metadata: str | None) -> str | None:
        if metadata is not None and not _is_json_object(metadata):
            msg = "metadata must be one JSON object"
            raise ValueError(msg)
        return metadata


def validate(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Set aside the rows that do not fit the schema, with the pydantic error as `detail`.

    Args:
        batch: rows of `records.RECORDS` after strip; rows with an outcome pass unchanged.
    """
    suspects = np.flatnonzero(~_fits(batch))
    if not len(suspects):
        return batch
    faults = {int(row): fault for row in suspects if (fault := explain(batch, int(row)))}
    if not faults:
        return batch
    return quarantine(batch, faults, "invalid-record")


def quarantine(batch: pa.RecordBatch, faults: dict[int, str], reason: str) -> pa.RecordBatch:
    """Set some rows aside with one reason; `faults` is the detail by row."""
    columns: dict[str, list[Any]] = {name: batch.column(name).to_pylist() for name in ("outcome", "reason", "detail")}
    for row, detail in faults.items():
        columns["outcome"][row], columns["reason"][row], columns["detail"][row] = QUARANTINE, reason, detail
    return replace_columns(batch, {name: pa.array(values, pa.string()) for name, values in columns.items()})


def explain(batch: pa.RecordBatch, row: int) -> str | None:
    """The pydantic error of one row in words, or None when the row is valid."""
    values = batch.slice(row, 1).select(DOCUMENTS.names).to_pylist()[0]
    values["captions"], values["flags"] = values["captions"] or [], values["flags"] or []
    values["published"] = _published(values["published"])
    try:
        Document.model_validate(values)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
    return None


def _published(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _fits(batch: pa.RecordBatch) -> np.ndarray:
    """bool[rows]: whether the columns say that a row is valid; rows with an outcome count as valid."""
    origin = batch.column("origin")
    ratio = batch.column("removed_ratio")
    checks = [
        _length(batch.column("id"), MAX_ID, required=True),
        *(_length(batch.column(name), MAX_NAME) for name in ("source", "url", "title", "byline")),
        _matches(batch.column("language"), LANGUAGE),
        _length(batch.column("text"), None, required=True),
        _no_empty_item(batch.column("captions")),
        _known_flags(batch.column("flags")),
        _true(pc.greater_equal(batch.column("word_count"), 1)),
        _true(pc.and_(pc.greater_equal(ratio, 0.0), pc.less_equal(ratio, 1.0))),
        _json_objects(batch.column("metadata")),
        _hex(batch.column("raw_sha256")),
        _length(origin.field("uri"), None, required=True),
        _true(pc.greater_equal(origin.field("index"), 0)),
        _hex(origin.field("text_sha256")),
    ]
    fits = np.logical_and.reduce(checks)
    return fits | np.asarray(batch.column("outcome").is_valid())


def _true(mask: pa.BooleanArray, *, null: bool = False) -> np.ndarray:
    return np.asarray(pc.fill_null(mask, null))


def _length(column: pa.StringArray, most: int | None, *, required: bool = False) -> np.ndarray:
    """Between one and `most` characters; bytes are counted first, since they bound the characters."""
    size = pc.binary_length(column)
    fits = pc.greater(size, 0)
    if most is not None:
        fits = pc.and_(fits, pc.less_equal(size, most))
    return _true(fits, null=not required)


def _matches(column: pa.StringArray, pattern: str) -> np.ndarray:
    if column.null_count == len(column):
        return np.ones(len(column), dtype=bool)
    return _true(pc.match_substring_regex(column, pattern), null=True)


def _hex(column: pa.StringArray) -> np.ndarray:
    return _true(pc.match_substring_regex(column, SHA256))


def _no_empty_item(column: pa.ListArray) -> np.ndarray:
    fits = np.ones(len(column), dtype=bool)
    flat, parents = pc.list_flatten(column), pc.list_parent_indices(column)
    empty = np.asarray(pc.fill_null(pc.equal(pc.binary_length(flat), 0), fill_value=True))
    fits[np.asarray(parents)[empty]] = False
    return fits


def _known_flags(column: pa.ListArray) -> np.ndarray:
    fits = np.ones(len(column), dtype=bool)
    flat, parents = pc.list_flatten(column), pc.list_parent_indices(column)
    unknown = ~np.asarray(pc.is_in(flat, pa.array(list(FLAGS))))
    fits[np.asarray(parents)[unknown]] = False
    return fits


# An object of plain members without escapes, as nearly all metadata is: a column of them is checked at once.
_STRING: Final = r'"[^"\\\x00-\x1f]*"'
_MEMBER: Final = rf"{_STRING}:(?:{_STRING}|-?(?:0|[1-9][0-9]{{0,15}})|true|false)"
_PLAIN_OBJECT: Final = rf"^\{{(?:{_MEMBER}(?:,{_MEMBER})*)?\}}$"


def _json_objects(column: pa.StringArray) -> np.ndarray:
    """Whether each text is one JSON object, or null; those that are not plain are parsed one by one."""
    fits = _matches(column, _PLAIN_OBJECT)
    others = np.flatnonzero(~fits)
    fits[others] = [_is_json_object(text) for text in column.take(pa.array(others)).to_pylist()]
    return fits


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
