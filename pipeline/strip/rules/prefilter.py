"""What must occur in a line before a pattern can match it, derived from the pattern itself.

The words of the approximated pattern whose edges are known are required words; one that can only be the first or the
last of its line is required there. The answer can ask for too little, never for too much.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.strip.rules.approximate import SIGNS, Sets, approximate
from pipeline.strip.rules.scarcity import BLANK, END, FIRST, LAST, START, columns_of, is_unknown
from pipeline.strip.rules.wordkeys import pair_key, word_key

__all__ = ["FIRST", "LAST", "MOST_REQUIREMENTS", "NO_LETTERS", "SIGN_BITS", "Needs", "needs_of"]

# The bit of each sign in `Needs.signs`, and that of a line without letters.
SIGN_BITS: Final = {sign: 1 << number for number, sign in enumerate(SIGNS)}
NO_LETTERS: Final = 1 << len(SIGNS)

# Requirements a pattern: a further one hardly rejects another line.
MOST_REQUIREMENTS: Final = 3
# A further requirement that more lines than this meet costs more than it rejects.
_MOST_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Needs:
    """What a line must have before a pattern can match it.

    Attributes:
        words: at most `MOST_REQUIREMENTS` sets of keys of words and pairs; the line has at least one key of each.
        signs: bits of `SIGN_BITS` and `NO_LETTERS`, all of which hold for the line.
    """

    words: tuple[frozenset[int], ...]
    signs: int


def needs_of(pattern: str) -> Needs:
    r"""What a pattern needs.

    >>> sorted(needs_of(r"\b(signup|subscribe)\b").words[0]) == sorted({word_key("signup"), word_key("subscribe")})
    True
    >>> needs_of(r"^-$")
    Needs(words=(), signs=32)
    """
    sets = approximate(pattern)
    columns = [column for strings in sets for column in enumerate(columns_of(strings))]
    # The best column of every stretch comes before the second best of any: those of one stretch go together anyway.
    columns.sort(key=lambda entry: (entry[0], entry[1][0], sorted(entry[1][1])))
    words: list[frozenset[int]] = []
    for _, (share, needed) in columns:
        if words and share > _MOST_SHARE:
            continue
        keys = frozenset(_key(word) | place for word, place in needed)
        if keys not in words:
            words.append(keys)
    return Needs(tuple(words[:MOST_REQUIREMENTS]), _signs(sets))


def _key(word: str) -> int:
    first, _, second = word.partition(BLANK)
    return pair_key(word_key(first), word_key(second)) if second else word_key(first)


def _signs(sets: Sets) -> int:
    bits = 0
    for strings in sets:
        common = set.intersection(*(set(text) for text in strings)) if strings else set()
        bits |= sum(bit for sign, bit in SIGN_BITS.items() if sign in common)
    if len(sets) == 1 and all(_holds_no_letters(text) for text in sets[0]):
        bits |= NO_LETTERS
    return bits


def _holds_no_letters(text: str) -> bool:
    return text.startswith(START) and text.endswith(END) and not any(map(is_unknown, text))
