"""The fields that have no column of their own, as one JSON object a record.

The objects are canonical, so that the two ways of reading a record give the same bytes: keys in order of their code
points, no white space, members that are null left out (also inside nested objects), text as it is but for what JSON
must escape. Numbers stand as Python writes them: whole numbers of any size in full, others as the shortest text that
reads back as the same double.
"""

from __future__ import annotations

import base64
import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

if TYPE_CHECKING:
    from collections.abc import Mapping

# What JSON cannot hold as it is: control characters, the quote and the backslash.
_ESCAPED: Final = np.zeros(256, dtype=bool)
_ESCAPED[:32] = True
_ESCAPED[[0x22, 0x5C]] = True
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def dump(members: Mapping[str, Any]) -> str | None:
    """The canonical JSON object of some members; None when there are none.

    >>> dump({"b": 1, "a": {"x": None, "y": ["ü"]}, "c": None})
    '{"a":{"y":["ü"]},"b":1}'
    """
    kept = {name: value for name, value in members.items() if value is not None}
    return _dumps(kept) if kept else None


def _dumps(value: Any) -> str:
    try:
        text = json.dumps(
            _without_nulls(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
        )
    except ValueError:
        text = json.dumps(
            _without_nan(_without_nulls(value)), ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )
    # Half a surrogate pair is no character, but its escape is JSON.
    return text if text.isascii() else _LONE_SURROGATE.sub(lambda half: f"\\u{ord(half.group()):04x}", text)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_without_nulls(inner) for inner in value]
    if isinstance(value, tuple):
        return [_without_nulls(inner) for inner in value]
    if isinstance(value, bytes):
        return _bytes_text(value)
    return value


def _without_nan(value: Any) -> Any:
    """Numbers that JSON does not have, as the words `NaN`, `Infinity` and `-Infinity`."""
    if isinstance(value, dict):
        return {name: _without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_nan(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _bytes_text(value: bytes) -> str:
    """Bytes as text where they are UTF-8, as Base64 elsewhere."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return base64.b64encode(value).decode()


def from_columns(columns: Mapping[str, pa.Array], rows: int) -> pa.Array:
    """The canonical JSON object of each row, null for a row without members.

    Args:
        columns: arrays of one length by field name, of any type.
        rows: that length.
    """
    members = [_members(name, columns[name]) for name in sorted(columns) if columns[name].null_count < rows]
    if not members:
        return pa.nulls(rows, pa.string())
    # Each member brings its own comma: Arrow's way of skipping nulls loses the rows that have no member at all.
    joined = pc.binary_join_element_wise(*members, "", null_handling="replace", null_replacement="")
    objects = pc.binary_join_element_wise("{", pc.ascii_ltrim(joined, ","), "}", "")
    return pc.if_else(pc.equal(pc.binary_length(joined), 0), pa.scalar(None, pa.string()), objects)


def _members(name: str, column: pa.Array) -> pa.Array:
    """`,"name":value` for each row, null where the value is."""
    return pc.binary_join_element_wise(pa.scalar(f",{_dumps(name)}:"), _values(column), "")


def _values(column: pa.Array) -> pa.Array:
    kind = column.type
    if pt.is_string(kind):
        return pc.binary_join_element_wise('"', _escape(column), '"', "")
    if pt.is_integer(kind) or pt.is_boolean(kind):
        return column.cast(pa.string())
    if _has_twins(kind):
        return _values(_named_apart(column))
    if kind != _plain_type(kind):
        return _values(column.cast(_plain_type(kind)))
    return pa.array([None if value is None else _dumps(value) for value in column.to_pylist()], pa.string())


def _plain_type(kind: pa.DataType) -> pa.DataType:  # noqa: PLR0911 - one answer for each kind of type
    """The same type with texts, moments and decimals of every kind as strings, also inside lists and structs."""
    if pt.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return _plain_type(kind.storage_type)
    if pt.is_duration(kind):
        return pa.int64()
    if pt.is_temporal(kind) or pt.is_decimal(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
        return pa.string()
    if pt.is_float16(kind):
        return pa.float32()
    if pt.is_struct(kind):
        return pa.struct([field.with_type(_plain_type(field.type)) for field in kind])
    if pt.is_large_list(kind) or pt.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain_type(kind.value_type)))
    if pt.is_fixed_size_list(kind):
        return pa.list_(kind.value_field.with_type(_plain_type(kind.value_type)))
    return kind


def _has_twins(kind: pa.DataType) -> bool:
    """Whether two fields of a struct, also one in a list, have the same name: Parquet lets them, Python does not."""
    if pt.is_struct(kind):
        fields = list(kind)
        return len({field.name for field in fields}) < len(fields) or any(_has_twins(field.type) for field in fields)
    return bool(pt.is_list(kind)) and _has_twins(kind.value_type)


def _named_apart(column: pa.Array) -> pa.Array:
    """The same with a name of its own for each field of a struct: of twins the later get underscores behind theirs."""
    kind = column.type
    if pt.is_struct(kind):
        names: list[str] = []
        for field in kind:
            name = field.name
            while name in names:
                name += "_"
            names.append(name)
        parts = [_named_apart(part) for part in column.flatten()]
        return pa.StructArray.from_arrays(parts, names=names, mask=column.is_null())
    if pt.is_list(kind) and _has_twins(kind):
        whole = pa.concat_arrays([column])  # a slice has offsets of its own
        return pa.ListArray.from_arrays(whole.offsets, _named_apart(whole.values), mask=whole.is_null())
    return column


def _escape(column: pa.Array) -> pa.Array:
    """The inside of the JSON string of each text; rows that need no escape, nearly all, are not touched."""
    offsets, data = text_buffers(column)
    hits = np.flatnonzero(_ESCAPED[data])
    if not len(hits):
        return column
    rows = np.unique(np.searchsorted(offsets, hits + offsets[0], side="right") - 1)
    mask = np.zeros(len(column), dtype=bool)
    mask[rows] = True
    if column.null_count:
        # The bytes under a null are nobody's.
        mask &= column.is_valid().to_numpy(zero_copy_only=False)
    texts = column.filter(pa.array(mask)).to_pylist()
    escaped = [json.dumps(text, ensure_ascii=False)[1:-1] for text in texts]
    return pc.replace_with_mask(column, pa.array(mask), pa.array(escaped, pa.string()))


def text_buffers(column: pa.Array) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Of a string array: offsets (int32[rows + 1], into the whole buffer), and its bytes from the first to the last."""
    _, offset_buffer, data_buffer = column.buffers()
    if offset_buffer is None or not len(column):
        return np.zeros(len(column) + 1, dtype=np.int32), np.zeros(0, dtype=np.uint8)
    offsets = np.frombuffer(offset_buffer, dtype=np.int32)[column.offset : column.offset + len(column) + 1]
    data = np.frombuffer(data_buffer, dtype=np.uint8) if data_buffer is not None else np.zeros(0, dtype=np.uint8)
    return offsets, data[offsets[0] : offsets[-1]]


def add(known: str | None, name: str, value: Any) -> str | None:
    """A canonical object with one more member.

    >>> add('{"b":1}', "a", "x")
    '{"a":"x","b":1}'
    """
    return dump({**(json.loads(known) if known else {}), name: value})
