"""The language of each document: told where its record does not say it, and a reason to set others aside.

Both happen only when they are asked for, so a build gives the same bytes whether the extra `[language]` is installed or
not. CLD2 (Compact Language Detector 2, Dick Sites, Google 2013; whole numbers throughout, so the same answer on every
machine) was chosen among seven libraries: docs/language.md has the figures.
"""

from __future__ import annotations

import importlib
import re
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UsageError
from pipeline.records import QUARANTINE, replace_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pipeline.config import Config

# Stands in `--language` for documents whose language nobody knows (BCP 47: undetermined).
UNDETERMINED: Final = "und"
# So much of a text is looked at: a thousand characters gave the answer of the whole text for each of the benchmark's
# 1,767 pages, at a quarter of the cost.
CHARACTERS: Final = 1_000

# Control characters and code points that stand for no character, which the library refuses.
_REFUSED: Final = re.compile(
    r"[\x00-\x08\x0B\x0E-\x1F\x7F-\x9F\uFDD0-\uFDEF"
    + "".join(f"\\U{plane << 16 | 0xFFFE:08X}\\U{plane << 16 | 0xFFFF:08X}" for plane in range(17))
    + "]"
)
# Codes of the library that are no BCP 47 tags of today, and those that stand for no language: unknown, scripts alone,
# and the library's jokes (Klingon, Pig Latin and the like).
_TODAY: Final = {"iw": "he", "jw": "jv", "in": "id", "mo": "ro"}
_NO_LANGUAGE: Final = ("un", "xx", "zz", "tlh")


def refuse_without_library(config: Config) -> None:
    """Say what to install before any work is done.

    Raises:
        UsageError: the configuration asks for languages to be told, and the library is not installed.
    """
    if not config.tells_language:
        return
    try:
        importlib.import_module("pycld2")
    except ImportError:
        msg = (
            "telling languages (--language, --detect-language) needs the extra [language]; "
            "install it with: pip install 'news-corpus-pipeline[language]'"
        )
        raise UsageError(msg) from None


def library_version(config: Config) -> dict[str, str]:
    """The library that has a hand in the bytes of a build, and its version; empty where it is not asked."""
    return {"pycld2": version("pycld2")} if config.tells_language else {}


def tell_languages(batch: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """Fill the column `language` where it is null, and set aside what is in none of the wanted languages.

    Args:
        batch: rows of `records.RECORDS` with clean texts; rows with an outcome pass unchanged.
        config: its `detect_language` and `language` count; without both the batch passes as it is.
    """
    if not config.tells_language or not len(batch):
        return batch
    is_open = np.asarray(batch.column("outcome").is_null())
    given = batch.column("language")
    language = _filled(given, batch.column("text"), is_open)
    batch = replace_columns(batch, {"language": language})
    return _set_others_aside(batch, is_open, given, config.language) if config.language else batch


def _filled(given: pa.StringArray, texts: pa.StringArray, is_open: np.ndarray) -> pa.StringArray:
    unknown = np.flatnonzero(is_open & np.asarray(given.is_null()) & np.asarray(texts.is_valid()))
    if not len(unknown):
        return given
    tell = teller()
    heads = pc.utf8_slice_codeunits(texts.take(pa.array(unknown)), 0, CHARACTERS)
    told = np.full(len(given), None, object)
    told[unknown] = [tell(head) for head in heads.to_pylist()]
    return pc.coalesce(given, pa.array(told, pa.string()))


@lru_cache(maxsize=1)
def teller() -> Callable[[str], str | None]:
    """Loads the library: a function that gives the language of a text as a BCP 47 tag, None when it is not sure."""
    import pycld2

    def tell(text: str) -> str | None:
        reliable, _, found = pycld2.detect(_REFUSED.sub(" ", text).encode(), isPlainText=True)
        code = found[0][1]
        return None if not reliable or code.startswith(_NO_LANGUAGE) else _TODAY.get(code, code)

    return tell


def _set_others_aside(
    batch: pa.RecordBatch, is_open: np.ndarray, given: pa.StringArray, wanted: Sequence[str]
) -> pa.RecordBatch:
    language = batch.column("language")
    known = np.asarray(language.is_valid())
    unknown = is_open & ~known & (UNDETERMINED not in wanted)
    other = is_open & known & ~_is_wanted(language, wanted)
    listed = ", ".join(wanted)
    details = np.full(len(batch), None, object)
    said: list[Any] = given.to_pylist()
    for row in np.flatnonzero(other).tolist():
        speaker = "its record says" if said[row] else "its text is in"
        details[row] = f"{speaker} {language[row].as_py()}, and --language asks for {listed}"
    details[unknown] = f"nobody says its language and its text does not tell; --language asks for {listed}"
    reasons = np.where(other, "other-language", "unknown-language").astype(object)
    aside = pa.array(other | unknown)
    values = {"outcome": QUARANTINE, "reason": pa.array(reasons, pa.string()), "detail": pa.array(details, pa.string())}
    return replace_columns(
        batch, {name: pc.if_else(aside, value, batch.column(name)) for name, value in values.items()}
    )


def _is_wanted(language: pa.StringArray, wanted: Sequence[str]) -> np.ndarray:
    """Whether each tag is one of `wanted` or begins with one: `en` wants `en-GB` too (RFC 4647, basic filtering)."""
    tags = pc.utf8_lower(language)
    hits = np.zeros(len(tags), dtype=bool)
    for prefix in wanted:
        low = prefix.lower()
        hits |= np.asarray(pc.fill_null(pc.or_(pc.equal(tags, low), pc.starts_with(tags, f"{low}-")), fill_value=False))
    return hits
