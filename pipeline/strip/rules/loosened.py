r"""A cheaper pattern that touches every line that a pattern matches, and mostly tells at once that it does.

RE2 counts by states: `.{3,80}` makes a search ten times as slow, and takes long to compile. Loosened, it is `(.*?)`,
and what the group took is counted afterwards: where every count is right, the pattern itself matches too. A pattern
without regard to case takes twice as long to compile as one for text in lower case, so most are made for that.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN: Final = re.compile(
    # A class that does not end, which RE2 refuses, ends with the text: nothing is looked through twice.
    r"(?P<class>\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*+(?:\]|\\?\Z))"
    r"|(?P<escape>\\(?:[pP]\{[^}]{0,80}\}|[pP].|x\{[^}]{0,80}\}|x..|[0-7]{1,3}|.))"
    r"|(?P<flags>\(\?[a-zA-Z-]*\))"
    r"|(?P<open>\((?:\?(?:P?<\w+>|[a-zA-Z-]*:))?)"
    r"|(?P<close>\))"
    r"|(?P<count>(?:[*+?]|\{\d+(?:,\d*)?\})\??)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_BOUNDS: Final = re.compile(r"\{(\d+)(,?)(\d*)\}")
# What stands for one character of many; a counted letter is cheap enough.
_CLASSES: Final = frozenset([".", "\\w", "\\W", "\\s", "\\S", "\\d", "\\D"])
_ONCE: Final = ("?", "??")
# What may stand for letters in either case, or in one: such a pattern is searched in the text as it is. Escapes that
# name a character or a property, classes by name, and flags.
_CASED: Final = re.compile(r"\\[xpPC0-7]|\[:|\(\?[a-zA-Z-]+[:)]")
# A range in a class, and those that a lower-case text matches when both their ends are in lower case.
_RANGE: Final = re.compile(r"(?:\\.|[^\\])-(?:\\.|[^\]\\])")
_PLAIN_RANGE: Final = re.compile(r"[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9]")

_PART: Final = re.compile(r"\\.|[^\\]+", re.DOTALL)

# Letters beyond ASCII whose other case is an ASCII letter: what holds one is not searched in lower case.
FOLDED: Final = ("\u017f".encode(), "\u212a".encode())


class Count(NamedTuple):
    """How many characters a group of the loosened pattern may take.

    Attributes:
        lowest: at least so many.
        highest: at most so many; None for any number.
        repeats: it may take several times, of which only the last is known.
    """

    lowest: int
    highest: int | None
    repeats: bool


class Loosened(NamedTuple):
    """A pattern for many lines at once.

    Attributes:
        pattern: with breaks between lines; its groups are those that are counted.
        counts: of each group, from the first on.
        lowered: it is for text whose ASCII letters are in lower case, and has regard to case.
    """

    pattern: str
    counts: tuple[Count, ...]
    lowered: bool

    def confirms(self, span: Callable[[int], tuple[int, int]], text: bytes) -> bool:
        """Whether a match within one line, which holds no break, shows that the pattern itself matches the line.

        Args:
            span: where a group, by its number from 1 on, starts and ends; -1 where it took no part.
            text: what was searched.
        """
        for number, (lowest, highest, repeats) in enumerate(self.counts, 1):
            start, end = span(number)
            if start < 0:
                continue
            size = len(text[start:end].decode("utf-8", "replace"))
            if repeats or size < lowest or (highest is not None and size > highest):
                return False
        return True


def loosened(pattern: str) -> Loosened:
    r"""Loosen a pattern that RE2 accepts.

    >>> loosened(r"\bSign up\b.{0,80}\bhere{2}").pattern
    '(?m)\\bsign up\\b(.*?)\\bhere{2}'
    """
    return _Loosener(lowered=_may_be_lowered(pattern)).run(pattern)


def _may_be_lowered(pattern: str) -> bool:
    r"""Whether a pattern that has no regard to case matches a text just if it matches it in lower case, itself lowered.

    >>> _may_be_lowered(r"[A-Z]\W+[^a-z\d_-]"), _may_be_lowered("[+-Z]"), _may_be_lowered("é")
    (True, False, False)
    """
    if _CASED.search(pattern) or any(not sign.isascii() and sign.lower() != sign.upper() for sign in pattern):
        return False
    classes = (token[0] for token in _TOKEN.finditer(pattern) if token.lastgroup == "class")
    ranges = (found[0] for one in classes for found in _RANGE.finditer(one[1:-1].removeprefix("^")))
    return all(_PLAIN_RANGE.fullmatch(found) for found in ranges)


class _Loosener:
    """Goes through a pattern once, token by token."""

    def __init__(self, *, lowered: bool) -> None:
        self._lowered = lowered
        self._pieces = ["(?m)"]
        self._counts: list[Count] = []
        self._open: list[int] = []  # how many counts there were when each open group began
        # How many counts there were before what a quantifier would repeat.
        self._before = 0
        self._is_class = False

    def run(self, pattern: str) -> Loosened:
        for token in _TOKEN.finditer(pattern):
            self._take(token.lastgroup or "", token[0])
        return Loosened("".join(self._pieces), tuple(self._counts), self._lowered)

    def _take(self, kind: str, text: str) -> None:
        if kind == "count":
            self._repeat(text)
            return
        if kind == "open":
            self._open.append(len(self._counts))
            text = "(?:" if text == "(" or "<" in text else _multiline(text)
        elif kind == "flags":
            text = _multiline(text)
        elif text in ("\\A", "\\z"):  # a line begins and ends where a text would
            text = "^" if text == "\\A" else "$"
        self._before = self._open.pop() if kind == "close" and self._open else len(self._counts)
        self._is_class = kind == "class" or text in _CLASSES
        self._pieces.append(_lower(text) if self._lowered and kind in ("class", "other") else text)

    def _repeat(self, text: str) -> None:
        bounds = _BOUNDS.match(text)
        if bounds and self._is_class:
            lowest, highest = int(bounds[1]), bounds[3] or (None if bounds[2] else bounds[1])
            self._pieces[-1] = f"({self._pieces[-1]}*?)"
            self._counts.append(Count(lowest, None if highest is None else int(highest), repeats=False))
        else:
            self._pieces.append(text)
            if text not in _ONCE:
                self._counts[self._before :] = [one._replace(repeats=True) for one in self._counts[self._before :]]
        self._is_class = False


def _lower(text: str) -> str:
    """A class or a letter in lower case; what is escaped stays."""
    return _PART.sub(lambda part: part[0] if part[0].startswith("\\") else part[0].lower(), text)


def _multiline(opening: str) -> str:
    """The opening of a group, or flags, without what would keep `^` and `$` from standing at the breaks."""
    on, minus, off = opening[2:-1].replace("m", "").partition("-")
    kept = on + minus + off if off else on
    if opening.endswith(")") and not kept:
        return ""
    return f"(?{kept}{opening[-1]}"
