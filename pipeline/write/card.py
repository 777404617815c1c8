"""The dataset card: a README.md with the front matter of the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

from pipeline.config import LANGUAGE
from pipeline.records import DUPLICATE_REASONS, QUARANTINE_REASONS, TABLES, tables
from pipeline.write.groups import Group

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

TITLE: Final = "News corpus"
ABOUT: Final = {
    "documents": "the clean corpus, one row for each article",
    "removed": "the ledger, one row for each span that was removed from a document",
    "duplicates": "records that repeat another one, with their input text",
    "quarantine": "records that could not become documents, each with the reason, enough to try them again",
}
LANGUAGES: Final = 30  # are listed at most
# The Hub knows languages by ISO 639 codes; only the first subtag of a BCP 47 tag is one.
_ISO_639 = re.compile(r"[a-z]{2,3}(?=-|$)")
_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
    (1_000_000_000, "100M<n<1B"),
    (10_000_000_000, "1B<n<10B"),
    (100_000_000_000, "10B<n<100B"),
    (1_000_000_000_000, "100B<n<1T"),
)


def render(content: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The card of the build that a manifest's content describes; nothing in it comes from a document.

    Args:
        content: the manifest without its files.
        files: size and digest of every Parquet file, by name.
    """
    parts = [_front_matter(content, files), *_body(content)]
    return "\n".join(parts).encode()


def size_category(rows: int) -> str:
    """The Hub's word for a number of rows.

    >>> size_category(4), size_category(12_000)
    ('n<1K', '10K<n<100K')
    """
    return next((name for limit, name in _SIZES if rows < limit), "n>1T")


def _front_matter(content: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]]) -> str:
    """YAML, each value written as JSON, which YAML contains; no YAML library is needed."""
    matter: dict[str, Any] = {
        "pretty_name": TITLE,
        "language": _languages(content["counts"]["languages"]),
        "license": "other",
        "license_name": "rights-of-the-publishers",
        "task_categories": ["text-generation"],
        "tags": ["news", "parquet", "croissant"],
        "size_categories": [size_category(content["accounting"]["documents"])],
    }
    lines = [f"{key}: {json.dumps(value)}" for key, value in matter.items() if value]
    configs = [line for table in TABLES for line in _config(table, files)]
    return "\n".join(["---", *lines, "configs:", *configs, "---", ""])


def _config(table: str, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How `datasets` loads a table.

    It keeps what it loaded from a local folder under the folder's name and this front matter, whatever the files hold;
    without their digest here it would go on serving the rows of an older build.
    """
    digest = hashlib.sha256("".join(files[name]["sha256"] for name in files if name.startswith(f"{table}/")).encode())
    return [
        f"- config_name: {table}",
        *(["  default: true"] if table == "documents" else []),
        f'  data_files: "{table}/*.parquet"',
        f'  description: "{ABOUT[table]}; {digest.hexdigest()[:16]}"',
    ]


def _languages(counted: Mapping[str, int]) -> list[str]:
    return sorted({found[0] for tag in counted if (found := _ISO_639.match(tag.lower()))})


def _body(content: Mapping[str, Any]) -> list[str]:
    counts, rows = content["counts"], content["accounting"]
    account = "{records:,} records = {documents:,} documents + {duplicates:,} duplicates + {quarantine:,} in quarantine"
    removed = sum(counts["removed_bytes"].values())
    share = removed / (removed + counts["text_bytes"]) if removed else 0
    return [
        f"# {TITLE}",
        "",
        "News articles without the boilerplate that scraping brought along. Every input record is in exactly one of",
        f"`documents`, `duplicates` and `quarantine`: {account.format(**rows)}.",
        f"Of the documents' input text, {share:.1%} was removed; each removed span is a row of `removed`, and kept",
        "text plus removed spans give the input text again, byte for byte: `pipeline restore`.",
        "",
        "The rights in the articles stay with their publishers.",
        "",
        *_tables(content),
        *_loading(),
        *_counted("What was removed, by label", "label", ("spans", "removed_bytes"), counts),
        *_languages_counted(content["groups"]["language"]),
        *_reasons("duplicates", DUPLICATE_REASONS, counts),
        *_reasons("quarantine", QUARANTINE_REASONS, counts),
        f"Made by news-corpus-pipeline {content['versions'].get('pipeline', '')}. `manifest.json` has the inputs, the",
        "configuration and the digest of every file; `pipeline check` reads them all again.",
        "",
    ]


def _tables(content: Mapping[str, Any]) -> list[str]:
    lines = ["## Tables", ""]
    for table, schema in tables(signals=content["configuration"].get("signals", False)).items():
        rows = content["counts"]["rows"][table]
        lines += [f"### {table}", "", f"{ABOUT[table][0].upper()}{ABOUT[table][1:]}. Rows: {rows:,}.", ""]
        lines += _table(
            ("column", "type", "meaning"), ((f"`{f.name}`", f"`{_kind(f.type)}`", about(f)) for f in schema)
        )
    return lines


def about(field: pa.Field) -> str:
    """What a column holds, from the description in its schema."""
    described: bytes = (field.metadata or {}).get(b"description", b"")
    return described.decode()


def _kind(kind: pa.DataType) -> str:
    name = str(kind)
    return "struct" if name.startswith("struct") else re.sub("element: |item: ", "", name)


def _loading() -> list[str]:
    return [
        "## Load it",
        "",
        "```python",
        "import pandas, polars, duckdb, datasets",
        "",
        'pandas.read_parquet("documents")',
        'polars.read_parquet("documents/*.parquet")',
        "duckdb.sql(\"SELECT label, count(*) FROM 'removed/*.parquet' GROUP BY label\")",
        'datasets.load_dataset(".", "documents", split="train")',
        "```",
        "",
    ]


def _counted(title: str, key: str, columns: tuple[str, ...], counts: Mapping[str, Any]) -> list[str]:
    names = sorted(counts[columns[0]], key=lambda name: (-counts[columns[0]][name], name))
    if not names:
        return []
    header = (key, *(column.replace("_", " ") for column in columns))
    return [
        f"## {title}",
        "",
        *_table(header, ((f"`{name}`", *(f"{counts[column].get(name, 0):,}" for column in columns)) for name in names)),
    ]


def _languages_counted(groups: Mapping[str, Any]) -> list[str]:
    """The languages with most records; a tag that is none came with a record and has no place here."""
    counted = [Group(*values) for values in groups["largest"]]
    valid = [group for group in counted if group.name is None or LANGUAGE.fullmatch(group.name)]
    if not any(group.name for group in valid):
        return []
    header = ("language", "documents", "words", "removed", "duplicates", "quarantine")
    rows = (
        (
            f"`{group.name}`" if group.name else "unknown",
            f"{group.documents:,}",
            f"{group.words:,}",
            f"{group.removed_ratio:.1%}",
            f"{group.duplicates:,}",
            f"{group.quarantine:,}",
        )
        for group in valid[:LANGUAGES]
    )
    return ["## Languages", "", *_table(header, rows)]


def _reasons(table: str, meaning: Mapping[str, str], counts: Mapping[str, Any]) -> list[str]:
    if not counts[table]:
        return []
    rows = ((f"`{name}`", f"{counts[table][name]:,}", meaning.get(name, "")) for name in sorted(counts[table]))
    return [f"## Why records are in {table}", "", *_table(("reason", "records", "meaning"), rows)]


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = [header, tuple("---" for _ in header), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]
