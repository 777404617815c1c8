"""The pages of `docs/reference/`, written from the code: settings, tables, codes, Python API.

`UPDATE_DOCS=1 python -m pytest tests/test_docs.py` writes them; the same test says when one has grown old.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from pathlib import PurePath
from typing import Any

import pyarrow as pa
from pydantic_core import PydanticUndefined

import pipeline
from pipeline import config, records

MADE = "<!-- generated: UPDATE_DOCS=1 python -m pytest tests/test_docs.py -->"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars in cells are escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines) + "\n"


def configuration() -> str:
    """Every key of `pipeline.toml`."""
    rows = []
    for name, field in config.Config.model_fields.items():
        default = field.default if field.default is not PydanticUndefined else field.default_factory()  # type: ignore[misc,call-arg]
        shown = "" if default in (None, (), {}) else f"`{toml(default)}`"
        published = "" if name in config.RUN_ONLY else "yes"
        rows.append([f"`{name}`", kind(field.annotation), shown, published, field.description or ""])
    fields = ", ".join(f"`{name}`" for name in config.INPUT_FIELDS)
    return f"""# Configuration

{MADE}

`pipeline.toml` in the folder where a command runs, or the table `[tool.pipeline]` of its `pyproject.toml`; `--config`
names another file, and an option of the command line wins over all. An unknown key is an error that says what was
meant.

{table(["key", "type", "default", "decides about bytes", "what it is"], rows)}
Keys that decide about published bytes are recorded in the manifest; the others change how the work is done, or are
recorded in another way (rule packs and older corpora by their digests).

A size is a number of bytes, or text with a unit: `"16MiB"`, `"1GB"`. The keys of `[columns]` are
{fields}; its values are the names that your input gives these fields.

```toml
strictness = "careful"
dedupe = "near"
rules = ["my-rules"]
max_document = "4MiB"

[columns]
text = "body"
published = "date"
```
"""


def toml(value: Any) -> str:
    """A default as it would stand in the file."""
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:_}"


def kind(annotation: Any) -> str:
    """A type in words."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return ", ".join(f'`"{value}"`' for value in inner)
    if origin is tuple:
        return f"list of {kind(inner[0])}s"
    if origin is not None and issubclass(origin if isinstance(origin, type) else type(None), typing.Mapping):  # type: ignore[arg-type]
        return "table"
    named = [part for part in inner if part is not type(None)]
    if origin is not None and named:
        return kind(named[0])
    names = {str: "text", int: "number", bool: "true or false"}
    return "path" if isinstance(annotation, type) and issubclass(annotation, PurePath) else names[annotation]


def tables() -> str:
    """Every column of every published table."""
    parts = [f"# Tables\n\n{MADE}\n\nThe four tables of a corpus. A column is null where a fact is unknown.\n"]
    for name, schema in records.TABLES.items():
        rows = [[f"`{field.name}`", f"`{arrow(field.type)}`", described(field)] for field in schema]
        parts.append(f"## {name}\n\n{table(['column', 'type', 'what it is'], rows)}")
    rows = [[f"`{field.name}`", f"`{field.type}`"] for field in records.ORIGIN]
    parts.append(f"## origin\n\nWhere a record came from: a struct of\n\n{table(['field', 'type'], rows)}")
    return "\n".join(parts)


def arrow(kind: pa.DataType) -> str:
    """An Arrow type, structs by their name alone."""
    if pa.types.is_list(kind):
        return f"list<{arrow(kind.value_type)}>"
    return "struct" if pa.types.is_struct(kind) else str(kind)


def described(field: pa.Field) -> str:
    """A column's description, as it stands in the files too."""
    return (field.metadata or {}).get(b"description", b"").decode().replace("<", "&lt;")


def codes() -> str:
    """Labels, reasons, flags and kinds of evidence."""
    moved = ", ".join(f"`{label}`" for label in records.MOVED_LABELS)
    evidence = ", ".join(f"`{word}`" for word in records.EVIDENCE)
    coded = [
        (
            "Labels",
            "label",
            records.LABEL_MEANINGS,
            f"The column `label` of `removed`. What is labelled {moved} moves to a column of its own.",
        ),
        ("Reasons of quarantine", "reason", records.QUARANTINE_REASONS, "The column `reason` of `quarantine`."),
        ("Reasons of duplicates", "reason", records.DUPLICATE_REASONS, "The column `reason` of `duplicates`."),
        (
            "Flags",
            "flag",
            records.FLAGS,
            "The column `flags` of `documents`: worth a look, no reason to set a document aside.",
        ),
    ]
    parts = [f"# Codes\n\n{MADE}\n\nFixed words: a program may rely on them.\n"]
    for title, head, meanings, about in coded:
        rows = [[f"`{code}`", meaning] for code, meaning in meanings.items()]
        parts.append(f"## {title}\n\n{about}\n\n{table([head, 'what it means'], rows)}")
    parts.append(
        "## Evidence\n\nThe column `evidence` of `removed` is a list of what spoke for a cut: "
        f"`{records.RULE_EVIDENCE}` and the id of a rule, {evidence}. "
        "`pipeline rules list` names the rules.\n"
    )
    return "\n".join(parts)


def api() -> str:
    """Every name of `pipeline.__all__`."""
    about = "The names of `import pipeline`. They are stable. [Python](../python.md) shows them at work."
    parts = [f"# Python API\n\n{MADE}\n\n{about}\n"]
    for name in pipeline.__all__:
        thing = getattr(import_module(pipeline._HOMES[name]), name)  # not the module of that name
        parts.append(f"## {name}\n\n{signature(name, thing)}{docstring(thing)}")
    return "\n".join(parts)


def signature(name: str, thing: Any) -> str:
    """How a function is called, or what an object of a class holds; errors are raised, not made, so they have none."""
    if isinstance(thing, type) and issubclass(thing, Exception):
        return ""
    if name == "Config":
        return "The keys of the [configuration](configuration.md) as arguments.\n\n"
    called = inspect.signature(thing)
    words = list(arguments(called))
    back = "" if isinstance(thing, type) else f" -> {annotated(called.return_annotation)}"
    shown = f"pipeline.{name}({', '.join(words)}){back}"
    if len(shown) > 100:
        shown = f"pipeline.{name}(\n" + "".join(f"    {word},\n" for word in words) + f"){back}"
    return f"```text\n{shown}\n```\n\n"


def arguments(called: inspect.Signature) -> Iterator[str]:
    """Each argument with its type and default."""
    named = False
    for argument in called.parameters.values():
        if argument.kind is argument.KEYWORD_ONLY and not named:
            named = True
            yield "*"
        default = "" if argument.default is argument.empty else f" = {argument.default!r}"
        yield f"{argument.name}: {annotated(argument.annotation)}{default}"


def annotated(annotation: Any) -> str:
    """A type as it is written in the code."""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def docstring(thing: Any) -> str:
    """A docstring in Google's style as Markdown: examples as Python, sections as lists."""
    text = inspect.getdoc(thing) or ""
    out: list[str] = []
    section = ""
    for paragraph in re.split(r"\n\n+", text):
        head, _, rest = paragraph.partition("\n")
        if head in ("Args:", "Returns:", "Yields:", "Raises:", "Attributes:"):
            section = head.rstrip(":")
            entries = re.split(r"\n(?=\S)", inspect.cleandoc(rest))
            out.append(
                f"**{section}**\n\n"
                + "\n".join(map(entry if section not in ("Returns", "Yields") else joined, entries))
            )
        elif paragraph.startswith(">>>"):
            out.append(f"```python\n{paragraph}\n```")
        else:
            out.append(paragraph)
    return "\n\n".join(out) + "\n"


def entry(text: str) -> str:
    """`name: what it is` as an item of a list."""
    name, _, rest = joined(text).partition(": ")
    return f"- `{name}`: {rest}"


def joined(text: str) -> str:
    """Lines of one entry as one."""
    return " ".join(text.split())


PAGES: dict[str, Callable[[], str]] = {
    "configuration.md": configuration,
    "tables.md": tables,
    "codes.md": codes,
    "api.md": api,
}
