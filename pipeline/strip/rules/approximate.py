"""A pattern approximated from above: sets of strings, one for each stretch between two gaps.

A match contains one string of every set. Parts that are not understood become `?`, so that the answer is always safe.
The alphabet stands in `scarcity`.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Final

from pipeline.strip.rules.scarcity import ANY, BLANK, END, FIRST, START, columns_of, cost_of, is_unknown, usable_words

# Signs that a line is searched for where a pattern has no words.
SIGNS: Final = "0@|©¤"
_CURRENCY: Final = "$£€₹"

# More strings than this would cost more to look up than they save.
_MOST_STRINGS: Final = 400

_COUNT: Final = re.compile(r"\{(\d+)(,\d*)?\}")

_NAMED_CLASS: Final = re.compile(r"\[:\^?\w+:\]")
_OCTAL: Final = "01234567"

# A conjunction of sets of strings.
Sets = list[frozenset[str]]


def approximate(pattern: str) -> Sets:
    """The sets of strings of a pattern that RE2 accepts; none of one that is nested too deeply to be followed."""
    try:
        return _Parser(pattern).parse()
    except RecursionError:
        return []


class _Parser:
    """Recursive descent over the part of RE2's syntax that packs use; the pattern has been accepted by RE2 before."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._place = 0
        self._depth = 0

    def parse(self) -> Sets:
        return self._alternatives()

    def _peek(self) -> str:
        return self._pattern[self._place : self._place + 1]

    def _take(self) -> str:
        sign = self._peek()
        self._place += 1
        return sign

    def _alternatives(self) -> Sets:
        options = [self._sequence()]
        while self._peek() == "|":
            self._take()
            options.append(self._sequence())
        return options[0] if len(options) == 1 else _either(options)

    def _sequence(self) -> Sets:
        line = _Stretch(splits=self._depth == 0)
        while self._peek() not in ("", "|", ")"):
            line.add(self._repeated(self._atom()))
        return line.sets()

    def _atom(self) -> Sets:
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
            return [frozenset([ANY])]
        return [frozenset([_character(sign)])]

    def _group(self) -> Sets:
        if self._peek() == "?":
            self._take()
            while self._peek() not in (":", ")", ">", ""):
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
        if sign in _OCTAL:
            self._skip(sum(1 for _ in takewhile(_OCTAL.__contains__, self._pattern[self._place : self._place + 2])))
            return frozenset([ANY])
        if sign in "pP":
            self._skip_braces()
            return frozenset([ANY])
        if sign == "x":
            self._skip_braces() if self._peek() == "{" else self._skip(2)
            return frozenset([ANY])
        if sign in "snrtfvW":
            return frozenset([BLANK])
        if sign in "dbAz":
            return frozenset([{"d": "0", "b": BLANK, "A": START, "z": END}[sign]])
        return frozenset([ANY if sign.isalnum() else _character(sign)])

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
        while self._peek() and (self._peek() != "]" or not previous):
            named = _NAMED_CLASS.match(self._pattern, self._place)
            previous = sign = self._take()
            if sign == "\\":
                members |= self._escape()
            elif named:  # any other `[` inside stands for itself
                known = False
                self._place = named.end()
            elif sign == "-" and members and self._peek() != "]":
                known = self._take().isdigit() and known  # a range up to a digit, such as 0-9, holds no letters
                members.add(BLANK)
            else:
                members.add(_character(sign))
        self._take()
        return frozenset(members) if known and ANY not in members else frozenset([ANY])

    def _repeated(self, piece: Sets) -> Sets:
        sign = self._peek()
        if sign and sign in "*+?":
            self._take()
            lowest, many = (1 if sign == "+" else 0), sign != "?"
        elif found := _COUNT.match(self._pattern, self._place):  # any other brace stands for itself
            self._place = found.end()
            lowest, many = int(found[1]), bool(found[2]) or int(found[1]) > 1
        else:
            return piece
        if self._peek() == "?":
            self._take()
        if len(piece) > 1:
            return piece if lowest else [frozenset(["", ANY])]
        strings = piece[0]
        if many and not strings <= {BLANK, "0"}:
            strings = strings | frozenset(text + ANY + text for text in strings if text != ANY)
        elif many and len(strings) > 1:
            strings = strings | {BLANK}
        return [strings if lowest else strings | {""}]


class _Stretch:
    """Puts the pieces of a sequence together: exactly where that is cheap, as separate sets where it is not.

    Args:
        splits: whether a gap ends a set. Inside a group it does not, as the group's edges would be lost with it.
    """

    def __init__(self, *, splits: bool) -> None:
        self._splits = splits
        self._done: Sets = []
        self._current = frozenset([""])

    def sets(self) -> Sets:
        return [*self._done, self._current]

    def add(self, piece: Sets) -> None:
        for number, strings in enumerate(piece):
            if number:  # what stands between two sets of one piece is unknown
                self._close(frozenset([ANY]))
            self._append(strings)

    def _append(self, strings: frozenset[str]) -> None:
        if self._splits and ANY in strings and strings <= {ANY, "", BLANK} and self._current != {""}:
            self._close(frozenset([ANY]))  # a gap: what comes after it is a requirement of its own
            return
        if len(self._current) * len(strings) > _MOST_STRINGS:
            self._current = frozenset(map(_shrunk, self._current))
        if len(self._current) * len(strings) > _MOST_STRINGS and not columns_of(_followed(self._current, BLANK)):
            self._current = _edges(self._current)
        if len(self._current) * len(strings) > _MOST_STRINGS:
            self._done.append(_followed_by(_edges(self._current), _followed(strings, ANY)))
            strings = frozenset(map(_beginning, strings))
        if len(self._current) * len(strings) > 2 * _MOST_STRINGS:
            self._close(_edges(self._current))
        self._current = _followed_by(self._current, strings)

    def _close(self, following: frozenset[str]) -> None:
        self._done.append(_followed(self._current, ANY))
        self._current = following


def _followed(left: frozenset[str], sign: str) -> frozenset[str]:
    return _followed_by(left, frozenset([sign]))


def _followed_by(left: frozenset[str], right: frozenset[str]) -> frozenset[str]:
    return frozenset(_join(one, other) for one in left for other in right)


def _edges(strings: frozenset[str]) -> frozenset[str]:
    """What is known of the place after any of the strings: the line's start, a blank, or nothing."""
    return frozenset(map(_end, strings))


def _end(text: str) -> str:
    if text in ("", BLANK, START, START + BLANK):
        return text
    return ANY if is_unknown(text[-1]) else ANY + BLANK


def _beginning(text: str) -> str:
    """What a string says about the word before it."""
    if text in ("", BLANK, END, BLANK + END):
        return text
    return ANY if is_unknown(text[0]) else BLANK + ANY


def _shrunk(text: str) -> str:
    """A string reduced to its best word and what stands at its end."""
    words = usable_words(text)
    if not words or text.endswith((END, END + BLANK)):
        return text
    word, place = min((entry for entry in words if BLANK not in entry[0]), key=cost_of)
    tail = text[-1]
    if tail.isalpha():
        tail = text[max(map(text.rfind, (BLANK, ANY, START, *SIGNS))) :]
    return _join(f"{START if place == FIRST else ANY + BLANK}{word}{BLANK}{ANY}", tail)


def _character(sign: str) -> str:
    if sign.isascii() and sign.isalpha():
        return sign.lower()
    if sign.isascii() and sign.isdigit():
        return "0"
    return "¤" if sign in _CURRENCY else sign if sign in SIGNS else BLANK


def _join(left: str, right: str) -> str:
    """Put two strings together; blanks, digits and question marks do not pile up, and a line's edge swallows blanks."""
    if left and right:
        before, after = left[-1], right[0]
        if before == after and after in (ANY, BLANK, "0"):
            return left + right[1:]
        if before == START and after == BLANK:
            return left + right[1:]
        if before == BLANK and after == END:
            return left[:-1] + right
    return left + right


def _either(options: list[Sets]) -> Sets:
    """Sets for several alternatives: all their strings, or the best and the second best set of each."""
    if all(len(sets) == 1 for sets in options):
        union = frozenset().union(*(sets[0] for sets in options))
        if len(union) <= _MOST_STRINGS:
            return [union]
    parts = [_best_of(sets) for sets in options]
    second = frozenset(text for part in parts for text in part[0])
    return [second, frozenset(text for part in parts for text in part[-1])]


def _best_of(sets: Sets) -> Sets:
    """The sets of one alternative, the one that what follows can be joined to at the end.

    What stands beside a set is unknown, unless it was the only one.
    """
    if len(sets) == 1:
        return [_followed(sets[0], ANY), sets[0]]
    unknown = frozenset([ANY])
    ranked = sorted(sets[:-1], key=_quality)
    best = _followed(_followed_by(unknown, ranked[0]), ANY)
    last = _followed_by(unknown, sets[-1])
    return [best, last if columns_of(_followed(last, BLANK)) else best]


def _quality(strings: frozenset[str]) -> tuple[float, int]:
    columns = columns_of(strings)
    return (columns[0][0] if columns else 1e9, len(strings))
