"""What must occur in a line before a pattern can match it, derived from the pattern itself.

A pattern is approximated from above by sets of strings, one set for each stretch between two gaps, over this alphabet:
ASCII letters; a few signs that are rare in prose (`0` for any digit, `@`, `|`, `©`, `¤` for any currency); a blank (other
bytes that are no letters, or the zero-width edge of a word); `?` (anything at all); `^` and `$`. The words of those
strings whose edges are known are then required words; one that can only be the first or the last of its line is required
there. Parts that are not understood become `?`, so the answer is always safe: it can ask for too little, never for too
much.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pipeline.strip.wordkeys import KEY_LETTERS, pair_key, word_key

_ANY, _BLANK, _START, _END = "?", " ", "^", "$"
# Signs that a line is searched for where a pattern has no words, and the bit of each in `Needs.signs`.
SIGNS: Final = {"0": 1, "@": 2, "|": 4, "©": 8, "¤": 16}
NO_LETTERS: Final = 32
_CURRENCY: Final = "$£€₹"

# More strings than this would cost more to look up than they save.
_MOST_STRINGS: Final = 400
# Requirements a pattern: a further one hardly rejects another line.
MOST_REQUIREMENTS: Final = 3
# Added to the key of a word that must be the first or the last of its line.
FIRST: Final = 1 << 62
LAST: Final = 1 << 61

# Word keys on 8 % and more, and on 2 to 8 %, of 60 000 paragraphs of English articles.
_VERY_COMMON: Final = frozenset(
    [
        "the",
        "and",
        "to",
        "a",
        "of",
        "in",
        "for",
        "that",
        "is",
        "s",
        "with",
        "it",
        "on",
        "you",
        "this",
        "as",
        "are",
        "or",
        "can",
        "your",
        "be",
        "from",
        "but",
        "at",
        "an",
        "have",
        "by",
        "more",
        "t",
        "i",
        "they",
        "not",
        "was",
        "if",
        "one",
        "their",
        "we",
        "has",
        "like",
        "will",
        "all",
        "when",
        "also",
        "time",
        "up",
    ]
)
_COMMON: Final = frozenset(
    [
        "about",
        "said",
        "what",
        "which",
        "out",
        "so",
        "there",
        "some",
        "who",
        "he",
        "into",
        "its",
        "than",
        "how",
        "these",
        "other",
        "new",
        "most",
        "just",
        "use",
        "re",
        "includ",
        "them",
        "while",
        "get",
        "people",
        "make",
        "do",
        "his",
        "had",
        "been",
        "my",
        "busine",
        "over",
        "were",
        "no",
        "even",
        "first",
        "need",
        "many",
        "best",
        "work",
        "compan",
        "our",
        "produc",
        "provid",
        "throug",
        "would",
        "after",
        "only",
        "where",
        "don",
        "may",
        "experi",
        "two",
        "data",
        "develo",
        "well",
        "featur",
        "way",
        "want",
        "help",
        "differ",
        "design",
        "year",
        "such",
        "becaus",
        "servic",
        "now",
        "any",
        "before",
        "suppor",
        "could",
        "much",
        "should",
        "take",
        "manage",
        "then",
        "person",
        "platfo",
        "system",
        "custom",
        "those",
        "each",
        "market",
        "years",
        "ll",
        "based",
        "ve",
        "withou",
        "every",
        "comple",
        "projec",
        "good",
        "requir",
        "home",
        "day",
        "create",
        "here",
        "high",
        "us",
        "know",
        "me",
        "both",
        "team",
        "option",
        "go",
        "see",
        "great",
        "proces",
        "organi",
        "using",
        "around",
        "still",
        "genera",
        "world",
        "find",
        "she",
        "very",
        "her",
        "back",
        "direct",
        "long",
        "down",
        "betwee",
        "top",
        "change",
        "right",
        "made",
        "commun",
        "free",
        "import",
        "off",
        "think",
        "tools",
        "making",
        "being",
        "used",
        "perfor",
        "last",
        "often",
        "health",
        "though",
        "access",
        "might",
        "users",
        "small",
        "keep",
        "report",
        "better",
        "look",
        "same",
        "start",
        "few",
        "set",
        "going",
        "own",
        "increa",
    ]
)
_SHARE_VERY_COMMON, _SHARE_COMMON, _SHARE_RARE = 0.3, 0.04, 0.004
# Two words side by side are rarer than either by about this much.
_PAIR_FACTOR: Final = 0.05
# A further requirement that more lines than this meet costs more than it rejects.
_MOST_SHARE: Final = 0.2
# One word in so many is the first, or the last, of its line.
_PLACE_FACTOR: Final = 20

# A conjunction of sets of strings: a match contains one string of every set.
_Sets = list[frozenset[str]]
# A word, or two side by side with a blank between them, and where it must stand: 0, `FIRST` or `LAST`.
_Needed = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a line must have before a pattern can match it.

    Attributes:
        words: at most `MOST_REQUIREMENTS` sets of keys of words and of pairs of words; the line has at least one key of each.
        signs: bits of `SIGNS` and `NO_LETTERS`, all of which hold for the line.
    """

    words: tuple[frozenset[int], ...]
    signs: int


def needs_of(pattern: str) -> Needs:
    r"""Derive what a pattern needs.

    >>> sorted(needs_of(r"\b(signup|subscribe)\b").words[0]) == sorted({word_key("signup"), word_key("subscribe")})
    True
    >>> needs_of(r"^-$")
    Needs(words=(), signs=32)
    """
    sets = _Parser(pattern).parse()
    columns = [column for strings in sets for column in enumerate(_columns(strings))]
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
    first, _, second = word.partition(_BLANK)
    return pair_key(word_key(first), word_key(second)) if second else word_key(first)


def _signs(sets: _Sets) -> int:
    bits = 0
    for strings in sets:
        common = set.intersection(*(set(text) for text in strings)) if strings else set()
        bits |= sum(bit for sign, bit in SIGNS.items() if sign in common)
    if len(sets) == 1 and all(_holds_no_letters(text) for text in sets[0]):
        bits |= NO_LETTERS
    return bits


def _holds_no_letters(text: str) -> bool:
    return text.startswith(_START) and text.endswith(_END) and not any(map(_is_unknown, text))


def _is_unknown(sign: str) -> bool:
    """Whether what stands there may be a letter."""
    return sign == _ANY or sign.isalpha()


def _columns(strings: frozenset[str]) -> list[tuple[float, frozenset[_Needed]]]:
    """Ways to choose one usable word from every string, with their cost; empty if a string has none."""
    choices = [sorted(_usable_words(text), key=_cost) for text in sorted(strings)]
    if not choices or not all(choices):
        return []
    columns = []
    for depth in range(2):
        words = frozenset(words[min(depth, len(words) - 1)] for words in choices)
        columns.append((sum(_share(word) for word in words), words))
    return columns


@lru_cache(maxsize=1 << 12)
def _share(needed: _Needed) -> float:
    """Roughly, the share of lines that have the word in its place."""
    word, place = needed
    first, _, second = word.partition(_BLANK)
    if second:
        return _PAIR_FACTOR * min(_share((first, 0)), _share((second, 0)))
    key = word[:KEY_LETTERS]
    share = _SHARE_VERY_COMMON if key in _VERY_COMMON else _SHARE_COMMON if key in _COMMON else _SHARE_RARE
    return share / _PLACE_FACTOR if place else share


def _cost(needed: _Needed) -> tuple[float, _Needed]:
    return (_share(needed), needed)


@lru_cache(maxsize=1 << 15)
def _usable_words(text: str) -> frozenset[_Needed]:
    """Words of an approximated string whose left edge is known and whose key is complete."""
    words: set[_Needed] = set()
    start, previous = None, ""
    for place, sign in enumerate(text + _ANY):
        if sign.isalpha():
            start = place if start is None else start
            continue
        if start is not None:
            found = _places(text, start, place)
            words |= found
            if previous and found:
                words.add((f"{previous} {text[start:place]}", 0))
            previous = text[start:place] if found and sign == _BLANK else ""
        elif sign != _BLANK:
            previous = ""
        start = None
    return frozenset(words)


def _places(text: str, start: int, end: int) -> set[_Needed]:
    """The word from `start` to `end` with all that is known about its place; empty if its edges are not known."""
    if start == 0 or text[start - 1] == _ANY:
        return set()
    right_known = end < len(text) and text[end] != _ANY
    if not right_known and end - start < KEY_LETTERS:
        return set()
    word = text[start:end]
    first = text[start - 1] == _START or text[start - 2 : start] == _START + _BLANK
    last = right_known and text.startswith((_END, _BLANK + _END), end)
    if not first and not last:
        return {(word, 0)}
    return {(word, place) for place, known in ((FIRST, first), (LAST, last)) if known}


class _Parser:
    """Recursive descent over the part of RE2's syntax that packs use; the pattern has been accepted by RE2 before."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._place = 0
        self._depth = 0

    def parse(self) -> _Sets:
        return self._alternatives()

    def _peek(self) -> str:
        return self._pattern[self._place : self._place + 1]

    def _take(self) -> str:
        sign = self._peek()
        self._place += 1
        return sign

    def _alternatives(self) -> _Sets:
        options = [self._sequence()]
        while self._peek() == "|":
            self._take()
            options.append(self._sequence())
        return options[0] if len(options) == 1 else _either(options)

    def _sequence(self) -> _Sets:
        line = _Stretch(splits=self._depth == 0)
        while self._peek() not in ("", "|", ")"):
            line.add(self._repeated(self._atom()))
        return line.sets()

    def _atom(self) -> _Sets:
        sign = self._take()
        if sign == "(":
            return self._group()
        if sign == "[":
            return [self._character_class()]
        if sign == "\\":
            return [self._escape()]
        if sign in "^$":
            return [frozenset([sign])]
        if sign == ".":
            return [frozenset([_ANY])]
        return [frozenset([_character(sign)])]

    def _group(self) -> _Sets:
        if self._peek() == "?":
            self._take()
            while self._peek() not in (":", ")", ">"):
                self._take()
            if self._take() == ")":  # flags for what follows: letters are approximated without case anyway
                return [frozenset([""])]
        self._depth += 1
        inner = self._alternatives()
        self._depth -= 1
        self._take()
        return inner

    def _escape(self) -> frozenset[str]:
        sign = self._take()
        if sign in "pP":
            self._skip_braces()
            return frozenset([_ANY])
        if sign == "x":
            self._skip_braces() if self._peek() == "{" else self._skip(2)
            return frozenset([_ANY])
        if sign in "snrtfvW":
            return frozenset([_BLANK])
        if sign in "dbAz":
            return frozenset([{"d": "0", "b": _BLANK, "A": _START, "z": _END}[sign]])
        return frozenset([_ANY if sign.isalnum() else _character(sign)])

    def _skip(self, count: int) -> None:
        self._place += count

    def _skip_braces(self) -> None:
        if self._take() == "{":
            while self._take() not in ("}", ""):
                pass

    def _character_class(self) -> frozenset[str]:
        members: set[str] = set()
        known = self._peek() != "^"
        if not known:
            self._take()
        previous = ""
        while self._peek() != "]" or not previous:
            previous = sign = self._take()
            if sign == "\\":
                members |= self._escape()
            elif sign == "[" and self._peek() == ":":
                known = False
                while self._take() != "]":
                    pass
            elif sign == "-" and members and self._peek() != "]":
                known = self._take().isdigit() and known  # a range up to a digit, such as 0-9, holds no letters
                members.add(_BLANK)
            else:
                members.add(_character(sign))
        self._take()
        return frozenset(members) if known and _ANY not in members else frozenset([_ANY])

    def _repeated(self, piece: _Sets) -> _Sets:
        sign = self._peek()
        if sign and sign in "*+?":
            self._take()
            lowest, many = (1 if sign == "+" else 0), sign != "?"
        elif sign == "{" and self._pattern[self._place + 1 : self._place + 2].isdigit():
            lowest, many = self._count()
        else:
            return piece
        if self._peek() == "?":
            self._take()
        if len(piece) > 1:
            return piece if lowest else [frozenset(["", _ANY])]
        strings = piece[0]
        if many and not strings <= {_BLANK, "0"}:
            strings = strings | frozenset(text + _ANY + text for text in strings if text != _ANY)
        elif many and len(strings) > 1:
            strings = strings | {_BLANK}
        return [strings if lowest else strings | {""}]

    def _count(self) -> tuple[int, bool]:
        close = self._pattern.index("}", self._place)
        bounds = self._pattern[self._place + 1 : close].split(",")
        self._place = close + 1
        return int(bounds[0]), len(bounds) > 1 or int(bounds[0]) > 1


class _Stretch:
    """Puts the pieces of a sequence together: exactly where that is cheap, as separate sets where it is not.

    Args:
        splits: whether a gap ends a set. Inside a group it does not, as the group's edges would be lost with it.
    """

    def __init__(self, *, splits: bool) -> None:
        self._splits = splits
        self._done: _Sets = []
        self._current = frozenset([""])

    def sets(self) -> _Sets:
        return [*self._done, self._current]

    def add(self, piece: _Sets) -> None:
        for number, strings in enumerate(piece):
            if number:  # what stands between two sets of one piece is unknown
                self._close(frozenset([_ANY]))
            self._append(strings)

    def _append(self, strings: frozenset[str]) -> None:
        if self._splits and _ANY in strings and strings <= {_ANY, "", _BLANK} and self._current != {""}:
            self._close(frozenset([_ANY]))  # a gap: what comes after it is a requirement of its own
            return
        if len(self._current) * len(strings) > _MOST_STRINGS:
            self._current = frozenset(map(_shrunk, self._current))
        if len(self._current) * len(strings) > _MOST_STRINGS and not _columns(_followed(self._current, _BLANK)):
            self._current = _edges(self._current)
        if len(self._current) * len(strings) > _MOST_STRINGS:
            self._done.append(_followed_by(_edges(self._current), _followed(strings, _ANY)))
            strings = frozenset(map(_beginning, strings))
        if len(self._current) * len(strings) > 2 * _MOST_STRINGS:
            self._close(_edges(self._current))
        self._current = _followed_by(self._current, strings)

    def _close(self, following: frozenset[str]) -> None:
        self._done.append(_followed(self._current, _ANY))
        self._current = following


def _followed(left: frozenset[str], sign: str) -> frozenset[str]:
    return _followed_by(left, frozenset([sign]))


def _followed_by(left: frozenset[str], right: frozenset[str]) -> frozenset[str]:
    return frozenset(_join(one, other) for one in left for other in right)


def _edges(strings: frozenset[str]) -> frozenset[str]:
    """What is known of the place after any of the strings: the line's start, a blank, or nothing."""
    return frozenset(map(_end, strings))


def _end(text: str) -> str:
    if text in ("", _BLANK, _START, _START + _BLANK):
        return text
    return _ANY if _is_unknown(text[-1]) else _ANY + _BLANK


def _beginning(text: str) -> str:
    """What a string says about the word before it."""
    if text in ("", _BLANK, _END, _BLANK + _END):
        return text
    return _ANY if _is_unknown(text[0]) else _BLANK + _ANY


def _shrunk(text: str) -> str:
    """A string reduced to its best word and what stands at its end."""
    words = _usable_words(text)
    if not words or text.endswith((_END, _END + _BLANK)):
        return text
    word, place = min((entry for entry in words if _BLANK not in entry[0]), key=_cost)
    tail = text[-1]
    if tail.isalpha():
        tail = text[max(map(text.rfind, (_BLANK, _ANY, _START, *SIGNS))) :]
    return _join(f"{_START if place == FIRST else _ANY + _BLANK}{word}{_BLANK}{_ANY}", tail)


def _character(sign: str) -> str:
    if sign.isascii() and sign.isalpha():
        return sign.lower()
    if sign.isascii() and sign.isdigit():
        return "0"
    return "¤" if sign in _CURRENCY else sign if sign in SIGNS else _BLANK


def _join(left: str, right: str) -> str:
    """Put two strings together; blanks, digits and question marks do not pile up, and a line's edge swallows blanks."""
    if left and right:
        before, after = left[-1], right[0]
        if before == after and after in (_ANY, _BLANK, "0"):
            return left + right[1:]
        if before == _START and after == _BLANK:
            return left + right[1:]
        if before == _BLANK and after == _END:
            return left[:-1] + right
    return left + right


def _either(options: list[_Sets]) -> _Sets:
    """Sets for several alternatives: all their strings, or the best and the second best set of each."""
    if all(len(sets) == 1 for sets in options):
        union = frozenset().union(*(sets[0] for sets in options))
        if len(union) <= _MOST_STRINGS:
            return [union]
    parts = [_best_of(sets) for sets in options]
    second = frozenset(text for part in parts for text in part[0])
    return [second, frozenset(text for part in parts for text in part[-1])]


def _best_of(sets: _Sets) -> _Sets:
    """The sets of one alternative, the one that what follows can be joined to at the end.

    What stands beside a set is unknown, unless it was the only one.
    """
    if len(sets) == 1:
        return [_followed(sets[0], _ANY), sets[0]]
    unknown = frozenset([_ANY])
    ranked = sorted(sets[:-1], key=_quality)
    best = _followed(_followed_by(unknown, ranked[0]), _ANY)
    last = _followed_by(unknown, sets[-1])
    return [best, last if _columns(_followed(last, _BLANK)) else best]


def _quality(strings: frozenset[str]) -> tuple[float, int]:
    columns = _columns(strings)
    return (columns[0][0] if columns else 1e9, len(strings))
