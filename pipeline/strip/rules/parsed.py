"""What the built-in packs say, without reading their TOML and without pydantic's work on it: 60 ms less at every start.

It stands in a file by digest of the pack. A test reads and validates all packs anew, and writes the file when
`UPDATE_DERIVED` is set; a pack that was changed since is not found there, and read as a user's is.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.strip.rules.schema import Block, BlockExample, Pack, Rule, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

PARSED: Final = Path(__file__).with_name("parsed.json")


def pack_of(content: bytes) -> Pack | None:
    """The pack in a file with that content; None where it is not known to be valid."""
    data = known().get(_digest(content))
    return None if data is None else _trusted(data)


def render(packs: Mapping[bytes, dict[str, Any]]) -> str:
    """What `PARSED` is to hold.

    Args:
        packs: for the content of each file what its TOML says.
    """
    rows = [
        f"{json.dumps(_digest(content))}: {json.dumps(data, ensure_ascii=False)}" for content, data in packs.items()
    ]
    return "{\n" + ",\n".join(rows) + "\n}\n"


@lru_cache(maxsize=1)
def known() -> dict[str, dict[str, Any]]:
    """The content of `PARSED`, read once in each process."""
    stored: dict[str, dict[str, Any]] = json.loads(PARSED.read_bytes()) if PARSED.is_file() else {}
    return stored


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _trusted(data: dict[str, Any]) -> Pack:
    """The models of content that was found valid before."""
    rules = [Rule.model_construct(**entry | _place(entry)) for entry in data.get("rule", ())]
    blocks = [Block.model_construct(**entry | _place(entry) | _examples(entry)) for entry in data.get("block", ())]
    return Pack.model_construct(**data | {"rule": rules, "block": blocks})


def _place(entry: dict[str, Any]) -> dict[str, Any]:
    return {"where": Where.model_construct(**entry["where"])} if "where" in entry else {}


def _examples(entry: dict[str, Any]) -> dict[str, Any]:
    return {"example": [BlockExample.model_construct(**example) for example in entry["example"]]}
