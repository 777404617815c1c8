"""Croissant 1.0 metadata: the tables and their columns for machines (https://docs.mlcommons.org/croissant/docs)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from pipeline.records import TABLES, tables
from pipeline.write.card import ABOUT, TITLE, about

if TYPE_CHECKING:
    from collections.abc import Mapping

# The context that the Croissant 1.0 specification prints, key by key.
_CONTEXT: Final = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
PARQUET: Final = "application/x-parquet"


def render(content: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The metadata of the build that a manifest's content describes.

    Args:
        content: the manifest without its files.
        files: size and digest of every Parquet file, by name.
    """
    schemas = tables(signals=content["configuration"].get("signals", False))
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "news-corpus",
        "description": f"{TITLE}: {ABOUT['documents']}; with {ABOUT['removed']}; {ABOUT['duplicates']};"
        f" and {ABOUT['quarantine']}. Records: {content['accounting']['records']}.",
        "distribution": [
            *(_file(name, entry) for name, entry in files.items()),
            *(_file_set(table) for table in TABLES),
        ],
        "recordSet": [_record_set(table, schema) for table, schema in schemas.items()],
    }
    return (json.dumps(described, indent=1, sort_keys=True) + "\n").encode()


def _file(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{entry['size']} B",
        "encodingFormat": PARQUET,
        "sha256": entry["sha256"],
    }


def _file_set(table: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{table}-files",
        "name": f"{table}-files",
        "description": f"All parts of {table}.",
        "encodingFormat": PARQUET,
        "includes": f"{table}/*.parquet",
    }


def _record_set(table: str, schema: pa.Schema) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": f"{ABOUT[table][0].upper()}{ABOUT[table][1:]}.",
        "field": [_field(table, field) for field in schema],
    }


def _field(table: str, field: pa.Field) -> dict[str, Any]:
    described: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{table}/{field.name}",
        "name": field.name,
        "description": about(field),
    }
    if pa.types.is_struct(field.type):
        return described | {"subField": [_member(table, field.name, member) for member in field.type]}
    if pa.types.is_list(field.type):
        described |= {"repeated": True}
    return described | {"dataType": _data_type(field.type), "source": _source(table, field.name)}


def _member(table: str, column: str, member: pa.Field) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{table}/{column}/{member.name}",
        "name": member.name,
        "dataType": _data_type(member.type),
        "source": _source(table, column) | {"transform": {"jsonPath": member.name}},
    }


def _source(table: str, column: str) -> dict[str, Any]:
    return {"fileSet": {"@id": f"{table}-files"}, "extract": {"column": column}}


def _data_type(kind: pa.DataType) -> str:
    """The schema.org type of a column; of a list, that of its elements."""
    if pa.types.is_list(kind):
        return _data_type(kind.value_type)
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    if pa.types.is_floating(kind):
        return "sc:Float"
    return "sc:DateTime" if pa.types.is_timestamp(kind) else "sc:Text"
