"""One line of JSON Lines by the standard library: strict, and alike in every version of Python."""

from __future__ import annotations

import json
from typing import Any, Final

from pipeline.read.stream import Fault

# Deeper JSON is refused: how deep the standard library can go differs between Python versions.
_DEEPEST: Final = 200


def load_object(line: bytes, encoding: str | None) -> tuple[dict[str, Any] | Fault, str]:
    """The object of a line and the encoding it was in, or why there is none."""
    used = "utf-8"
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        if encoding is None:
            return Fault("not-utf8", f"byte {error.start} of the line is not UTF-8"), used
        try:
            text, used = line.decode(encoding), encoding
        except (UnicodeError, ValueError):
            return Fault("not-utf8", f"the line is neither UTF-8 nor {encoding}"), used
    try:
        value = _parse(text)
    except (ValueError, RecursionError) as error:
        words = "it is nested too deeply" if isinstance(error, RecursionError) else _words(error)
        return Fault("invalid-json", f"the line is not JSON: {words}"), used
    if not isinstance(value, dict):
        return Fault("invalid-json", "the line is JSON, but not an object in braces"), used
    return value, used


def _words(error: ValueError) -> str:
    """What is wrong with a JSON text, in the same words in every version of Python."""
    if isinstance(error, json.JSONDecodeError) and error.msg.startswith("Illegal trailing comma"):
        # So from Python 3.13 on; before, what stood behind the comma was wrong.
        msg = "Expecting property name enclosed in double quotes" if "object" in error.msg else "Expecting value"
        rest = error.doc[error.pos + 1 :]
        return str(json.JSONDecodeError(msg, error.doc, len(error.doc) - len(rest.lstrip(" \t\n\r"))))
    return str(error)


def _parse(text: str) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, or nested deeper than `_DEEPEST`.
        RecursionError: it is nested far deeper.
    """
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:
        value = _LENIENT.decode(text)
    if text.count("[") + text.count("{") > _DEEPEST and _deeper(value, _DEEPEST):
        raise RecursionError
    return value


def _deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _no_constant(word: str) -> Any:
    msg = f"{word} is no JSON number"
    raise json.JSONDecodeError(msg, word, 0)


def _whole_number(digits: str) -> int | str:
    """An integer; one too long for Python's own limit keeps its digits as a string."""
    try:
        return int(digits)
    except ValueError:
        return digits


def _wide_number(digits: str) -> float | str:
    """A double; a number that no double can hold keeps its digits as a string."""
    value = float(digits)
    return digits if value in (float("inf"), float("-inf")) else value


_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant, parse_float=_wide_number)
_LENIENT: Final = json.JSONDecoder(parse_constant=_no_constant, parse_float=_wide_number, parse_int=_whole_number)


def wrong_text(name: str, value: Any) -> Fault | None:
    """What is wrong with the value of a field that must be a text, if anything."""
    if not isinstance(value, str):
        words = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
        return Fault("wrong-type", f"'{name}' is {words[type(value)]}, not a string")
    return None if is_text(value) else Fault("invalid-json", f"'{name}' holds half of a surrogate pair")


def is_text(value: str) -> bool:
    """Whether a string can be written as UTF-8: JSON escapes can spell half of a surrogate pair."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
