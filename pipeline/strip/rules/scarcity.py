"""How rare a word is, and which words of an approximated pattern a line can be searched for.

An approximated pattern is a set of strings over this alphabet: ASCII letters; a few signs that are rare in prose (`0`
for any digit, `@`, `|`, `©`, `¤` for any currency); a blank (other bytes that are no letters, or the zero-width edge
of a word); `?` (anything at all); `^` and `$`.
"""

from __future__ import annotations

from functools import lru_cache
from math import fsum
from typing import Final

from pipeline.strip.rules.wordkeys import KEY_LETTERS

ANY, BLANK, START, END = "?", " ", "^", "$"
# Added to the key of a word that must be the first or the last of its line.
FIRST: Final = 1 << 62
LAST: Final = 1 << 61

# Word keys on 8 % and more, and on 2 to 8 %, of 60 000 paragraphs of English articles.
_VERY_COMMON_WORDS: Final = (
    "the and to a of in for that is s with it on you this as are or can your be from but at an have by more t "
    "i they not was if one their we has like will all when also time up"
)
_COMMON_WORDS: Final = (
    "about said what which out so there some who he into its than how these other new most just use re includ "
    "them while get people make do his had been my busine over were no even first need many best work compan "
    "our produc provid throug would after only where don may experi two data develo well featur way want help "
    "differ design year such becaus servic now any before suppor could much should take manage then person "
    "platfo system custom those each market years ll based ve withou every comple projec good requir home day "
    "create here high us know me both team option go see great proces organi using around still genera world "
    "find she very her back direct long down betwee top change right made commun free import off think tools "
    "making being used perfor last often health though access might users small keep report better look same "
    "start few set going own increa"
)
_VERY_COMMON: Final = frozenset(_VERY_COMMON_WORDS.split())
_COMMON: Final = frozenset(_COMMON_WORDS.split())
_SHARE_VERY_COMMON, _SHARE_COMMON, _SHARE_RARE = 0.3, 0.04, 0.004
# Two words side by side are rarer than either by about this much.
_PAIR_FACTOR: Final = 0.05
# One word in so many is the first, or the last, of its line.
_PLACE_FACTOR: Final = 20

# A word, or two side by side with a blank between them, and where it must stand: 0, `FIRST` or `LAST`.
Needed = tuple[str, int]


def is_unknown(sign: str) -> bool:
    """Whether what stands there may be a letter."""
    return sign == ANY or sign.isalpha()


def columns_of(strings: frozenset[str]) -> list[tuple[float, frozenset[Needed]]]:
    """Ways to choose one usable word from every string, with their cost; empty if a string has none."""
    choices = [sorted(usable_words(text), key=cost_of) for text in sorted(strings)]
    if not choices or not all(choices):
        return []
    columns = []
    for depth in range(2):
        words = frozenset(words[min(depth, len(words) - 1)] for words in choices)
        # `fsum` is exact, so the order of a set has no say in which column is the scarcer.
        columns.append((fsum(_share(word) for word in words), words))
    return columns


@lru_cache(maxsize=1 << 12)
def _share(needed: Needed) -> float:
    """Roughly, the share of lines that have the word in its place."""
    word, place = needed
    first, _, second = word.partition(BLANK)
    if second:
        return _PAIR_FACTOR * min(_share((first, 0)), _share((second, 0)))
    key = word[:KEY_LETTERS]
    share = _SHARE_VERY_COMMON if key in _VERY_COMMON else _SHARE_COMMON if key in _COMMON else _SHARE_RARE
    return share / _PLACE_FACTOR if place else share


def cost_of(needed: Needed) -> tuple[float, Needed]:
    """Low for a word that few lines have; the word itself settles ties."""
    return (_share(needed), needed)


@lru_cache(maxsize=1 << 15)
def usable_words(text: str) -> frozenset[Needed]:
    """Words of an approximated string whose left edge is known and whose key is complete."""
    words: set[Needed] = set()
    start, previous = None, ""
    for place, sign in enumerate(text + ANY):
        if sign.isalpha():
            start = place if start is None else start
            continue
        if start is not None:
            found = _places(text, start, place)
            words |= found
            if previous and found:
                words.add((f"{previous} {text[start:place]}", 0))
            previous = text[start:place] if found and sign == BLANK else ""
        elif sign != BLANK:
            previous = ""
        start = None
    return frozenset(words)


def _places(text: str, start: int, end: int) -> set[Needed]:
    """The word from `start` to `end` with all that is known about its place; empty if its edges are not known."""
    if start == 0 or text[start - 1] == ANY:
        return set()
    right_known = end < len(text) and text[end] != ANY
    if not right_known and end - start < KEY_LETTERS:
        return set()
    word = text[start:end]
    first = text[start - 1] == START or text[start - 2 : start] == START + BLANK
    last = right_known and text.startswith((END, BLANK + END), end)
    if not first and not last:
        return {(word, 0)}
    return {(word, place) for place, known in ((FIRST, first), (LAST, last)) if known}
