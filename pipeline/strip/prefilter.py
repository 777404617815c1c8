"""Words that must occur in a line before a pattern can match it, derived from the pattern itself.

A pattern is approximated from above by a few strings over letters, a blank (bytes that are no ASCII letters, or the
zero-width edge of a word) and a question mark (anything at all). The words of those strings whose edges are known are
then required words. Parts that are not understood become a question mark, so the answer is always safe: it can ask for
too little, never for too much.
"""

from __future__ import annotations

from typing import Final

from pipeline.strip.wordkeys import KEY_LETTERS, word_key

_ANY, _BLANK = "?", " "
# More strings than this would cost more to look up than they save.
_MOST_STRINGS: Final = 600
# Two requirements a pattern: a third one hardly rejects another line.
_MOST_REQUIREMENTS: Final = 2

# Words that are on nearly every line of English news: of little use, taken only where nothing else is.
_COMMON: Final = frozenset(
    [
        "a",
        "about",
        "all",
        "also",
        "an",
        "and",
        "are",
        "as",
        "at",
        "back",
        "be",
        "been",
        "but",
        "by",
        "can",
        "could",
        "day",
        "do",
        "first",
        "for",
        "from",
        "get",
        "go",
        "had",
        "has",
        "have",
        "he",
        "her",
        "here",
        "his",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "just",
        "like",
        "make",
        "me",
        "more",
        "most",
        "my",
        "new",
        "news",
        "no",
        "not",
        "now",
        "of",
        "off",
        "on",
        "one",
        "or",
        "other",
        "our",
        "out",
        "over",
        "s",
        "said",
        "see",
        "she",
        "so",
        "some",
        "story",
        "t",
        "take",
        "than",
        "that",
        "the",
        "their",
        "them",
        "there",
        "they",
        "this",
        "time",
        "to",
        "today",
        "two",
        "up",
        "us",
        "was",
        "we",
        "week",
        "were",
        "what",
        "when",
        "which",
        "who",
        "will",
        "with",
        "world",
        "would",
        "year",
        "you",
        "your",
        "der",
        "die",
        "das",
        "und",
        "von",
        "zu",
        "den",
        "le",
        "la",
        "les",
        "de",
        "des",
        "et",
        "en",
        "el",
        "los",
        "y",
        "que",
        "du",
        "un",
        "une",
    ]
)

# A conjunction of sets of strings: a match contains one string of every set.
_Sets = list[frozenset[str]]


def required_words(pattern: str) -> list[frozenset[int]]:
    r"""Sets of word keys; a line that lacks all keys of one set cannot match the pattern.

    Returns:
        At most two sets, none if nothing is known about the pattern's words.

    >>> [sorted(keys) == sorted({word_key("signup"), word_key("subscribe")})
    ...  for keys in required_words(r"\b(signup|subscribe)\b")]
    [True]
    >>> required_words(r"^-$")
    []
    """
    sets = _Parser(pattern).parse()
    found: list[tuple[float, frozenset[str]]] = []
    for strings in sets:
        found += _columns(strings)
    found.sort(key=lambda entry: (entry[0], sorted(entry[1])))
    requirements: list[frozenset[int]] = []
    for _, words in found:
        keys = frozenset(word_key(word) for word in words)
        if keys not in requirements:
            requirements.append(keys)
    return requirements[:_MOST_REQUIREMENTS]


def _columns(strings: frozenset[str]) -> list[tuple[float, frozenset[str]]]:
    """Ways to choose one usable word from every string, with their cost; empty if a string has none."""
    choices = [sorted(_usable_words(text), key=_cost) for text in sorted(strings)]
    if not choices or not all(choices):
        return []
    columns = []
    for depth in range(2):
        words = frozenset(words[min(depth, len(words) - 1)] for words in choices)
        columns.append((max(_cost(word)[0] for word in words) + 0.01 * len(words), words))
    return columns


def _cost(word: str) -> tuple[float, str]:
    """Low for words that few lines have."""
    return (100.0 if word in _COMMON else 10.0 / min(len(word), 8), word)


def _usable_words(text: str) -> set[str]:
    """Words of an approximated string whose left edge is known and whose key is complete."""
    words = set()
    start = None
    for place, sign in enumerate(text + _ANY):
        if sign.isalpha():
            start = place if start is None else start
            continue
        if start is not None:
            left_known = start > 0 and text[start - 1] == _BLANK
            right_known = sign == _BLANK
            if left_known and (right_known or place - start >= KEY_LETTERS):
                words.add(text[start:place])
        start = None
    return words


class _Parser:
    """Recursive descent over the part of RE2's syntax that packs use; the pattern has been accepted by RE2 before."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._place = 0

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
        done: _Sets = []
        current = frozenset([""])
        while self._peek() not in ("", "|", ")"):
            piece = self._repeated(self._atom())
            for number, strings in enumerate(piece):
                if number:  # what stands between two sets of one piece is unknown
                    done.append(_followed(current, frozenset([_ANY])))
                    current = frozenset([_ANY])
                if len(current) * len(strings) > _MOST_STRINGS:
                    current = frozenset(map(_shrunk, current))
                if len(current) * len(strings) > _MOST_STRINGS and not _columns(
                    _followed(current, frozenset([_BLANK]))
                ):
                    current = _edge_after(current)
                if len(current) * len(strings) > _MOST_STRINGS:
                    done.append(_followed(_edge_after(current), _followed(strings, frozenset([_ANY]))))
                    strings = _coarse(strings)
                if len(current) * len(strings) > 2 * _MOST_STRINGS:
                    done.append(_followed(current, frozenset([_ANY])))
                    current = _edge_after(current)
                current = _followed(current, strings)
        return [*done, current]

    def _atom(self) -> _Sets:
        sign = self._take()
        if sign == "(":
            return self._group()
        if sign == "[":
            return [self._character_class()]
        if sign == "\\":
            return [self._escape()]
        if sign in "^$":
            return [frozenset([_BLANK])]
        if sign == ".":
            return [frozenset([_ANY])]
        return [frozenset([_character(sign)])]

    def _group(self) -> _Sets:
        if self._peek() == "?":
            self._take()
            head = ""
            while self._peek() not in (":", ")", ">"):
                head += self._take()
            closing = self._take()
            if closing == ")":  # flags for what follows: letters are approximated without case anyway
                return [frozenset([""])]
        inner = self._alternatives()
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
        if sign in "dsnrtfvW":
            return frozenset([_BLANK])
        if sign in "bAz":
            return frozenset([_BLANK])
        return frozenset([_ANY if sign.isalnum() else _BLANK])

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
                known = self._range_is_no_letters(self._take()) and known
            else:
                members.add(_character(sign))
        self._take()
        return frozenset(members) if known and _ANY not in members else frozenset([_ANY])

    @staticmethod
    def _range_is_no_letters(last: str) -> bool:
        """A range up to a digit, such as 0-9, holds no letters; any other is taken for unknown."""
        return last.isdigit()

    def _repeated(self, piece: _Sets) -> _Sets:
        sign = self._peek()
        if sign and sign in "*+?":
            self._take()
            lowest, many = (1 if sign == "+" else 0), sign != "?"
        elif sign == "{" and self._peek_count():
            lowest, many = self._count()
        else:
            return piece
        if self._peek() == "?":
            self._take()
        if len(piece) > 1:
            return piece if lowest else [frozenset(["", _ANY])]
        strings = piece[0]
        if many and strings != frozenset([_BLANK]):
            strings = strings | frozenset(text + _ANY + text for text in strings if text != _ANY)
        return [strings if lowest else strings | {""}]

    def _peek_count(self) -> bool:
        return self._pattern[self._place + 1 : self._place + 2].isdigit()

    def _count(self) -> tuple[int, bool]:
        close = self._pattern.index("}", self._place)
        bounds = self._pattern[self._place + 1 : close].split(",")
        self._place = close + 1
        return int(bounds[0]), len(bounds) > 1 or int(bounds[0]) > 1


def _followed(left: frozenset[str], right: frozenset[str]) -> frozenset[str]:
    return frozenset(_join(one, other) for one in left for other in right)


def _edge_after(strings: frozenset[str]) -> frozenset[str]:
    """What is known of the place after any of the strings: a blank, or nothing."""
    return frozenset([_BLANK if all(text.endswith(_BLANK) for text in strings) else _ANY])


def _shrunk(text: str) -> str:
    """A string reduced to its best word and what stands at its end."""
    words = _usable_words(text)
    if not words:
        return text
    tail = text[-1]
    if tail.isalpha():
        tail = text[max(text.rfind(_BLANK), text.rfind(_ANY)) :]
    return _join(f"{_BLANK}{min(words, key=_cost)}{_BLANK}{_ANY}", tail)


def _coarse(strings: frozenset[str]) -> frozenset[str]:
    """The strings reduced to what they say about the word before them."""
    return frozenset(
        text if text in ("", _BLANK) else _BLANK + _ANY if text.startswith(_BLANK) else _ANY for text in strings
    )


def _character(sign: str) -> str:
    return sign.lower() if sign.isascii() and sign.isalpha() else _BLANK


def _join(left: str, right: str) -> str:
    """Put two strings together; blanks and question marks do not pile up."""
    if left and right and left[-1] == right[0] and right[0] in (_ANY, _BLANK):
        return left + right[1:]
    return left + right


def _either(options: list[_Sets]) -> _Sets:
    """One set for several alternatives: all strings of the best set of each."""
    if all(len(sets) == 1 for sets in options):
        union = frozenset().union(*(sets[0] for sets in options))
        if len(union) <= _MOST_STRINGS:
            return [union]
    return [frozenset(text for sets in options for text in _best_of(sets))]


def _best_of(sets: _Sets) -> frozenset[str]:
    """One set for one alternative. What stands beside it is unknown, unless it is the last: then its right side is."""
    if len(sets) == 1:
        return sets[0]
    unknown = frozenset([_ANY])
    last = _followed(unknown, sets[-1])
    if _columns(_followed(last, frozenset([_BLANK]))):
        return last
    return _followed(_followed(unknown, min(sets, key=_quality)), unknown)


def _quality(strings: frozenset[str]) -> tuple[float, int]:
    columns = _columns(strings)
    return (columns[0][0] if columns else 1e9, len(strings))
