"""What a user can set: one frozen model, read from TOML or from options of the command line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from pipeline.errors import ConfigError

FILE_NAME: Final = "pipeline.toml"
MAX_FILE_BYTES: Final = 1 << 20
# Fields of a table input that have a column of their own; every other field goes to `metadata`.
INPUT_FIELDS: Final = ("text", "id", "url", "source", "title", "byline", "published", "language")

# BCP 47: a language of two or three letters (or "und"), then subtags of one to eight letters or digits.
LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*")

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_size(value: object) -> object:
    """A number of bytes from text such as ``16MiB``, ``1.5 GB`` or ``4096``; other values pass unchanged.

    >>> parse_size("16MiB"), parse_size("1 kB"), parse_size(7)
    (16777216, 1000, 7)

    Raises:
        ValueError: the text is no size.
    """
    if not isinstance(value, str):
        return value
    found = _SIZE.fullmatch(value.strip())
    if not found:
        msg = f"'{value}' is no size; write a number of bytes, or one with a unit such as 16MiB or 1GB"
        raise ValueError(msg)
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()])


Size = Annotated[int, BeforeValidator(parse_size)]


class Config(BaseModel):
    """Everything that steers a build.

    The fields of `RUN_ONLY` change how the work is done and never a byte of what is published.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    columns: Mapping[str, str] = Field(default_factory=dict, description="names of input fields, by our name")
    encoding: str | None = Field(None, description="encoding of text inputs that are neither UTF-8 nor have a BOM")
    max_document: Size = Field(16 << 20, gt=0, description="largest text of one record, in bytes")
    rules: tuple[Path, ...] = Field((), description="folders of rule packs of your own")
    model: Path | None = Field(None, description="weights of your own, from pipeline train")
    strictness: Literal["careful", "balanced", "thorough"] = Field("balanced", description="how much to remove")
    dedupe: Literal["none", "exact", "near"] = Field("exact", description="which duplicates to set aside")
    detect_language: bool = Field(default=False, description="tell the language of records that do not say it")
    language: tuple[str, ...] = Field((), description="languages to keep; `und` keeps what nobody can tell")
    signals: bool = Field(default=False, description="measure signals of quality, a column each")
    against: Path | None = Field(None, description="older corpus whose documents count as having come earlier")
    strict: bool = Field(default=False, description="fail the build when a record is quarantined")

    workers: int | None = Field(None, ge=1, description="worker processes; the number of cores unless told")
    engine: Literal["local", "ray"] = Field("local", description="where the shards are worked on")
    ray_address: str | None = Field(None, description="address of the Ray cluster; the one of this machine unless told")
    memory: Size = Field(1_000_000_000, ge=64_000_000, description="memory of the whole process tree, in bytes")
    batch_rows: int = Field(2_000, ge=1, description="records worked on at once")

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, columns: Mapping[str, str]) -> Mapping[str, str]:
        for name in columns:
            if name not in INPUT_FIELDS:
                msg = f"'{name}' is no field of a record; {_instead(name, INPUT_FIELDS)}"
                raise ValueError(msg)
        return columns

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        if encoding is not None:
            try:
                "".encode(encoding)
            except LookupError:
                msg = f"'{encoding}' is no encoding that Python knows; try one such as cp1252 or latin-1"
                raise ValueError(msg) from None
        return encoding

    @field_validator("language")
    @classmethod
    def _known_language(cls, languages: tuple[str, ...]) -> tuple[str, ...]:
        for tag in languages:
            if not LANGUAGE.fullmatch(tag):
                msg = f"'{tag}' is no language tag; write codes such as en, de or pt-BR, and und for unknown"
                raise ValueError(msg)
        return tuple(sorted({tag.lower() for tag in languages}))

    @property
    def tells_language(self) -> bool:
        """The language of a record is told where nobody says it."""
        return self.detect_language or bool(self.language)

    def published_settings(self) -> dict[str, Any]:
        """The settings that decide about published bytes, as JSON values: what the manifest records."""
        return self.model_dump(mode="json", exclude=set(RUN_ONLY))


RUN_ONLY: Final = ("against", "workers", "engine", "ray_address", "memory", "batch_rows", "strict", "rules", "model")


def load(file: Path | None, options: Mapping[str, Any]) -> Config:
    """The configuration of a file with the options of a command line on top.

    Args:
        file: a TOML file; None looks for `pipeline.toml`, then for `[tool.pipeline]` in `pyproject.toml`, here.
        options: values by field name; None means not given.

    Raises:
        ConfigError: the file cannot be read, is not TOML, or holds an unknown key or a wrong value.
    """
    table, where = _read(file) if file else _find()
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    try:
        return Config.model_validate({**table, **given})
    except ValidationError as error:
        raise ConfigError(_explain(error, where, set(given))) from None


def _find() -> tuple[dict[str, Any], str]:
    if Path(FILE_NAME).is_file():
        return _read(Path(FILE_NAME))
    project = Path("pyproject.toml")
    if project.is_file():
        table = _parse(project).get("tool", {})
        own = table.get("pipeline", {}) if isinstance(table, dict) else {}
        if not isinstance(own, dict):
            msg = "pyproject.toml: [tool.pipeline] must be a table"
            raise ConfigError(msg)
        return own, "pyproject.toml [tool.pipeline]"
    return {}, "the command line"


def _read(file: Path) -> tuple[dict[str, Any], str]:
    table = _parse(file)
    # Packs and weights named in a file are looked for beside that file, not where the command happens to run.
    if isinstance(table.get("rules"), list):
        table["rules"] = [str(file.parent / entry) if isinstance(entry, str) else entry for entry in table["rules"]]
    if isinstance(table.get("model"), str):
        table["model"] = str(file.parent / table["model"])
    return table, str(file)


def _parse(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            msg = f"{file} is over {MAX_FILE_BYTES} bytes; a configuration is a short TOML file"
            raise ConfigError(msg)
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"cannot read the configuration {file}: {error.strerror}"
        raise ConfigError(msg) from None
    except UnicodeDecodeError as error:
        msg = f"{file} is not UTF-8 at byte {error.start}; TOML files are UTF-8"
        raise ConfigError(msg) from None
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        msg = f"{file} is not TOML: {error or 'nested too deeply'}"
        raise ConfigError(msg) from None


def _explain(error: ValidationError, where: str, options: set[str]) -> str:
    """One line a wrong value; an unknown key comes with the keys there are."""
    lines = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"]) or "the configuration"
        place = "the command line" if fault["loc"] and fault["loc"][0] in options else where
        if fault["type"] == "extra_forbidden":
            lines.append(f"{place}: unknown key '{key}'; {_instead(key, Config.model_fields)}")
        else:
            lines.append(f"{place}: {key}: {fault['msg'].removeprefix('Value error, ')}")
    return "\n".join(lines)


def _instead(name: str, names: Collection[str]) -> str:
    """What may have been meant, and what there is."""
    near = get_close_matches(name.replace("-", "_"), names, n=1)
    return (f"did you mean '{near[0]}'? there " if near else "there ") + f"are {', '.join(names)}"
