"""What is derived from patterns: the words they need, and their loosened form.

For the built-in patterns it is stored: deriving it anew costs more than a second at every start. A test derives it all
again, and writes the file when `UPDATE_DERIVED` is set.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pipeline.strip.rules.loosened import Count, Loosened, loosened
from pipeline.strip.rules.prefilter import Needs, needs_of

if TYPE_CHECKING:
    from collections.abc import Iterable

# By digest of the pattern.
DERIVED: Final = Path(__file__).with_name("derived.json")


class Derived(NamedTuple):
    """What is derived from one pattern."""

    needs: Needs
    loosened: Loosened


def derived_of(pattern: str) -> Derived:
    """What is derived from a pattern: looked up if it is a built-in one."""
    known = _stored().get(_digest(pattern))
    return derive(pattern) if known is None else _read(known)


def derive(pattern: str) -> Derived:
    """Derive it anew."""
    return Derived(needs_of(pattern), loosened(pattern))


def render(patterns: Iterable[str]) -> str:
    """The content of `DERIVED` for these patterns."""
    rows = [
        f"{json.dumps(digest)}: {json.dumps(_plain(derive(pattern)), separators=(',', ':'))}"
        for digest, pattern in sorted((_digest(pattern), pattern) for pattern in patterns)
    ]
    return "{\n" + ",\n".join(rows) + "\n}\n"


@lru_cache(maxsize=1)
def _stored() -> dict[str, list[Any]]:
    if not DERIVED.is_file():
        return {}
    stored: dict[str, list[Any]] = json.loads(DERIVED.read_text(encoding="utf-8"))
    return stored


def _plain(derived: Derived) -> list[Any]:
    needs, (pattern, counts, lowered) = derived
    return [[sorted(keys) for keys in needs.words], needs.signs, pattern, counts, lowered]


def _read(stored: list[Any]) -> Derived:
    words, signs, pattern, counts, lowered = stored
    needs = Needs(tuple(map(frozenset, words)), signs)
    return Derived(needs, Loosened(pattern, tuple(Count(*count) for count in counts), lowered))


def _digest(pattern: str) -> str:
    return hashlib.sha256(pattern.encode("utf-8", "surrogatepass")).hexdigest()[:20]
