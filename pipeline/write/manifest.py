"""The manifest: what went into a corpus, what came out, and the digests that guard every byte of it.

The first line of the file is the digest of all its other bytes, so that damage to the manifest itself shows wherever
the folder is copied to. Keys are sorted, and nothing in it depends on the machine, the clock or the number of workers.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pipeline.errors import CorpusError

FILE_NAME: Final = "manifest.json"
FORMAT: Final = 1
NAME_DIGITS: Final = 16

_FILE = re.compile(rb'\{\n"digest": "([0-9a-f]{64})",\n(.*)', re.DOTALL)
# `json.dumps` would make an encoder for each line.
_encode: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode
# Mappings and lists are broken into lines down to here: one line for each file and each input.
_LINE_DEPTH: Final = 2


def render(content: Mapping[str, Any]) -> bytes:
    """The bytes of a manifest: JSON with the digest of all the rest in front."""
    body = (
        _json({key: value for key, value in content.items() if key != "digest"}, 0)
        .removeprefix("{\n")
        .encode("utf-8", "backslashreplace")
    )
    return b'{\n"digest": "%s",\n%s' % (hashlib.sha256(body).hexdigest().encode(), body)


def parse(data: bytes) -> dict[str, Any]:
    """The content of a manifest whose digest is right, the digest included.

    Raises:
        CorpusError: it is no manifest, it is damaged, or its format is newer than this version.
    """
    found = _FILE.fullmatch(data)
    if not found or hashlib.sha256(found[2]).hexdigest().encode() != found[1]:
        msg = f"{FILE_NAME} is damaged: its digest does not fit its content"
        raise CorpusError(msg)
    content = json.loads(data)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        msg = f"{FILE_NAME} has a format that this version does not know; use the version that built the corpus"
        raise CorpusError(msg)
    return content


def build_name(data: bytes) -> str:
    """The name of the folder of a build: the first hex digits of its manifest's SHA-256."""
    return hashlib.sha256(data).hexdigest()[:NAME_DIGITS]


def _json(value: object, depth: int) -> str:
    """JSON with sorted keys, one line for each entry of the upper levels.

    json.dumps with an indent leaves its fast C encoder: 10 s for a million inputs.
    """
    if depth < _LINE_DEPTH and value and isinstance(value, Mapping):
        entries = [f"{_json(key, _LINE_DEPTH)}: {_json(value[key], depth + 1)}" for key in sorted(value)]
        return "{\n" + ",\n".join(entries) + ("\n}\n" if depth == 0 else "\n}")
    if depth < _LINE_DEPTH and value and isinstance(value, Sequence) and not isinstance(value, str):
        return "[\n" + ",\n".join(_json(entry, _LINE_DEPTH) for entry in value) + "\n]"
    # A file name that is no text (a lone surrogate) is escaped by the encoder's error handler in `render`.
    return _encode(value)
