"""The title of an article among its first lines: a headline where none is known, or what says the known one again.

No pattern can know a title, so it is told by its place, its size, and what stands beside it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from pipeline.strip.fields import MOVED
from pipeline.strip.lines import string_buffer
from pipeline.strip.ranges import places, same_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.strip.context import Verdicts
    from pipeline.strip.lines import Lines

# A title stands among the first lines, is a line of a headline's size and does not end like a sentence.
_HEAD_LINES: Final = 8
_MIN_TITLE: Final = 18
_MAX_TITLE: Final = 150
_SENTENCE_ENDS: Final = np.array([byte in b".,;:" for byte in range(256)], np.bool_)
# What follows a title is longer than a headline, at least once within this many kept lines.
_BODY_LINE: Final = 120
_BODY_WITHIN: Final = 4


def find_titles(lines: Lines, verdicts: Verdicts, known: pa.StringArray | None = None) -> NDArray[np.int64]:
    """The title line of each document, int64[documents], -1 where there is none.

    Args:
        lines: the lines of a batch.
        verdicts: the decision of the rules; documents over budget are left alone.
        known: the title each record came with, null where it had none.
    """
    documents = len(lines.first) - 1
    result = np.full(documents, -1, np.int64)
    if not len(lines):
        return result
    titles = pa.nulls(documents, pa.string()) if known is None else known
    if titles.null_count:
        kept = np.flatnonzero((verdicts.label == 0) & ~verdicts.heavy[lines.document])
        found = _headlines(lines, verdicts, kept, np.flatnonzero(np.asarray(titles.is_null())))
        result[lines.document[found]] = found
    if titles.null_count < documents:
        titled = np.flatnonzero(np.asarray(titles.is_valid()) & ~verdicts.heavy)
        low = lines.first[titled]
        near, _ = places(low, np.minimum(lines.first[titled + 1], low + _HEAD_LINES))
        _find_known(lines, near[verdicts.label[near] == 0], titles, result)
    return result


def _find_known(lines: Lines, near: NDArray[np.int64], titles: pa.StringArray, result: NDArray[np.int64]) -> None:
    """Note, by document, which of some lines says what the record's own title says.

    Case, signs and the site's name after it may differ; a line that says it word for word comes first.
    """
    buffer, base = string_buffer(titles)
    line = _maybe_known(lines, near, buffer, base)
    document = lines.document[line]
    same = same_bytes(lines.buffer, lines.start[line], lines.end[line], buffer, base[document], base[document + 1])
    result[document[same][::-1]] = line[same][::-1]  # of several lines the first one is written last
    wanted: dict[int, str] = {}
    others = np.flatnonzero(result[document] < 0)
    for owner, number in zip(document[others].tolist(), line[others].tolist(), strict=True):
        if owner not in wanted:
            wanted[owner] = _letters(buffer[base[owner] : base[owner + 1]].tobytes())
        if result[owner] < 0 and _says(_letters(lines.text(number)), wanted[owner]):
            result[owner] = number


def _maybe_known(
    lines: Lines, near: NDArray[np.int64], titles: NDArray[np.uint8], base: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Of some lines those that may say their record's title: a look at the size and the first letters of all.

    The site's name after a title makes a line longer, but not twice as long.
    """
    document = lines.document[near]
    wanted, size = np.diff(base)[document], lines.end[near] - lines.start[near]
    line = near[(size <= 2 * _MAX_TITLE) & (size * 3 >= wanted) & (size <= 2 * wanted + _MIN_TITLE)]
    for letters in _LETTERS_SEEN if len(titles) else ():
        line = line[_begin_alike(lines, line, titles, base, letters)]
    return line


def _begin_alike(
    lines: Lines, line: NDArray[np.int64], titles: NDArray[np.uint8], base: NDArray[np.int64], letters: int
) -> NDArray[np.bool_]:
    """Which lines and their titles have the same letters up to the first byte that is no letter of ASCII in both."""
    seen, document = np.arange(letters), lines.document[line]
    opening, start = base[document, None], lines.start[line, None]
    wanted = _FOLDED[titles[np.minimum(opening + seen, len(titles) - 1)]]
    wanted *= seen < base[document + 1, None] - opening
    found = _FOLDED[lines.buffer[np.minimum(start + seen, len(lines.buffer) - 1)]]
    found *= seen < lines.end[line, None] - start
    alike = np.logical_and.accumulate((wanted > 0) & (found > 0), axis=1)
    return ~(alike & (wanted != found)).any(axis=1)


# One letter tells apart most lines that do not say the title, a few more nearly all others.
_LETTERS_SEEN: Final = (1, 6)


def _says(text: str, title: str) -> bool:
    """Whether the letters of a line are those of a title, or of a good part of it."""
    return text == title or (len(text) >= _MIN_TITLE and title.startswith(text))


# Letters and digits of ASCII in lower case; 0 for all other bytes: no single one tells what a line begins with.
_FOLDED: Final = np.array(
    [ord(chr(byte).lower()) if chr(byte).isascii() and chr(byte).isalnum() else 0 for byte in range(256)], np.uint8
)
_LOWER, _SIGNS = _FOLDED.tobytes(), bytes(np.flatnonzero(_FOLDED == 0).tolist())
# Quotation marks, dashes, dots and spaces: no letter or digit is made of them, whatever form they are given.
_GENERAL_PUNCTUATION: Final = re.compile(rb"\xe2\x80[\x80-\xbf]")


def _letters(content: bytes) -> str:
    """Letters and digits alone, case and presentation forms folded."""
    plain = content if content.isascii() else _GENERAL_PUNCTUATION.sub(b"", content)
    if plain.isascii():
        return plain.translate(_LOWER, _SIGNS).decode("ascii")
    text = unicodedata.normalize("NFKC", content.decode("utf-8", "replace")).casefold()
    return "".join(filter(str.isalnum, text))


def _headlines(
    lines: Lines, verdicts: Verdicts, kept: NDArray[np.int64], document: NDArray[np.intp]
) -> NDArray[np.int64]:
    """The first kept lines, in some documents of unknown title, that are headlines.

    Args:
        lines: the lines of a batch.
        verdicts: the decision of the rules.
        kept: the lines that stay, ascending.
        document: the documents.
    """
    place = np.searchsorted(kept, lines.first[document])
    document, place = document[place < len(kept)], place[place < len(kept)]
    line, low = kept[place], lines.first[document]
    near = line < np.minimum(lines.first[document + 1], low + _HEAD_LINES)
    sized = near & _like_title(lines, line) & _has_body(lines, kept, place)
    sized &= _has_company(lines, verdicts, kept, place)
    good = [number for number in line[sized].tolist() if _headline_like(lines.text(number).decode("utf-8", "replace"))]
    return np.array(good, np.int64)


def _like_title(lines: Lines, line: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which lines have a headline's size and do not end like a sentence."""
    size = lines.end[line] - lines.start[line]
    return (size >= _MIN_TITLE) & (size <= _MAX_TITLE) & ~_SENTENCE_ENDS[lines.buffer[lines.end[line] - 1]]


def _following(
    lines: Lines, kept: NDArray[np.int64], place: NDArray[np.intp], steps: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The kept line some steps after each of those at some places in `kept`, and whether its document has one."""
    after = kept[np.minimum(place + steps, len(kept) - 1)]
    return after, (place + steps < len(kept)) & (lines.document[after] == lines.document[kept[place]])


def _has_body(lines: Lines, kept: NDArray[np.int64], place: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether one of the next few kept lines is longer than a headline."""
    found = np.zeros(len(place), np.bool_)
    for steps in range(1, _BODY_WITHIN + 1):
        line, there = _following(lines, kept, place, steps)
        found |= there & (lines.end[line] - lines.start[line] >= _BODY_LINE)
    return found


def _has_company(
    lines: Lines, verdicts: Verdicts, kept: NDArray[np.int64], place: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Whether something that comes with titles stands beside first kept lines.

    A subheading at the head of an excerpt looks like a headline, and losing it is worse than leaving a headline in. So
    something has to vouch for it: boilerplate before it, a caption, byline or date after it, a standfirst below it, or
    a part of its line that a rule cuts.
    """
    line = kept[place]
    vouched = (line > lines.first[lines.document[line]]) | np.isin(line, verdicts.span_line)
    after = np.minimum(line + 1, len(lines) - 1)
    vouched |= MOVED[verdicts.label[after]] & (after > line) & (lines.document[after] == lines.document[line])
    below, _ = _following(lines, kept, place, 1)
    body, there = _following(lines, kept, place, 2)
    size = lines.end[below] - lines.start[below]
    standfirst = (size > _MIN_TITLE) & (size <= _MAX_TITLE) & ~_SENTENCE_ENDS[lines.buffer[lines.end[below] - 1]]
    return vouched | (there & standfirst & (lines.end[body] - lines.start[body] >= _BODY_LINE))


# A sentence's end, at the line's end or after a lower-case word within it; a bullet or table bar; "By ...".
_NOT_A_HEADLINE: Final = re.compile(r"\.[\"'”’)]*$|[a-z]{3}\.[\"'”’)]* +[\"'“‘(]*[A-Z]|^[-–—•*|»]|\|\s*$|^[Bb][Yy]\s")


def _headline_like(text: str) -> bool:
    """No bullet, no two sentences, not all one link list; begins with a capital, a digit or a quotation mark."""
    first = next((sign for sign in text if sign.isalnum()), "")
    if not (first.isupper() or first.isdigit() or (first.isalpha() and not first.islower())):
        return False
    return len(text.split()) >= 3 and not _NOT_A_HEADLINE.search(text)
