"""Title, captions, byline and publishing date that stand in the text and belong in columns of their own.

Captions, bylines and dates are found by rule packs of those labels; this module finds the title, which no pattern can
know, and reads the values.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.records import LABELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.strip.context import Verdicts
    from pipeline.strip.lines import Lines

TITLE: Final = LABELS.index("title")
CAPTION: Final = LABELS.index("caption")
BYLINE: Final = LABELS.index("byline")
PUBLISHED: Final = LABELS.index("published")

# A title stands among the first lines, is a line of a headline's size and does not end like a sentence.
_HEAD_LINES: Final = 8
_MIN_TITLE: Final = 18
_MAX_TITLE: Final = 150
_SENTENCE_ENDS: Final = np.array([byte in b".,;:" for byte in range(256)], np.bool_)
# What follows a title is longer than a headline, at least once within this many kept lines.
_BODY_LINE: Final = 120
_BODY_WITHIN: Final = 4


@dataclass(frozen=True)
class Fields:
    """What was found in a batch.

    Attributes:
        title_line: int64[documents], the line that is the title, -1 where none is.
        title: the title of each document, without the parts of its line that rules cut.
        captions: the captions of each document, in order.
        byline: the first byline line of each document.
        published: the first date of each document that could be read.
    """

    title_line: NDArray[np.int64]
    title: list[str | None]
    captions: list[list[str]]
    byline: list[str | None]
    published: list[datetime.date | None]


def find_fields(lines: Lines, verdicts: Verdicts, title_line: NDArray[np.int64]) -> Fields:
    """Read the titles, and the values of all lines that verdicts label as moved.

    Args:
        lines: the lines of a batch.
        verdicts: the decision on them; documents over budget are left alone.
        title_line: int64[documents], as `find_titles` gives it.
    """
    documents = len(lines.first) - 1
    fields = Fields(
        title_line, [None] * documents, [[] for _ in range(documents)], [None] * documents, [None] * documents
    )
    for document in np.flatnonzero(title_line >= 0).tolist():
        fields.title[document] = _text_without_spans(lines, verdicts, int(title_line[document]))
    moved = np.flatnonzero(np.isin(verdicts.label, (CAPTION, BYLINE, PUBLISHED)))
    for line in moved.tolist():
        _read_moved(lines, int(verdicts.label[line]), line, fields)
    return fields


def _read_moved(lines: Lines, label: int, line: int, fields: Fields) -> None:
    text = lines.text(line).decode("utf-8", "replace")
    document = int(lines.document[line])
    if label == CAPTION:
        fields.captions[document].append(text)
    elif label == BYLINE and fields.byline[document] is None:
        fields.byline[document] = text
    elif label == PUBLISHED and fields.published[document] is None:
        fields.published[document] = parse_date(text)


def find_titles(
    lines: Lines, verdicts: Verdicts, known_titles: Sequence[str | None] | None = None
) -> NDArray[np.int64]:
    """The title line of each document, int64[documents], -1 where there is none.

    Args:
        lines: the lines of a batch.
        verdicts: the decision of the rules; documents over budget are left alone.
        known_titles: the title each record came with, if any.
    """
    known = list(known_titles) if known_titles is not None else [None] * (len(lines.first) - 1)
    result = np.full(len(known), -1, np.int64)
    if not len(lines):
        return result
    kept = np.flatnonzero((verdicts.label == 0) & ~verdicts.heavy[lines.document])
    place = np.searchsorted(kept, lines.first[:-1])
    untitled = np.array([title is None for title in known], np.bool_)
    for document in np.flatnonzero(untitled & (place < len(kept))).tolist():
        low, high = int(lines.first[document]), int(lines.first[document + 1])
        line = int(kept[place[document]])
        if (
            line < min(high, low + _HEAD_LINES)
            and _has_company(lines, verdicts, kept, int(place[document]), low, high)
            and _looks_like_title(lines, kept, int(place[document]), high)
        ):
            result[document] = line
    near = kept[kept - lines.first[lines.document[kept]] < _HEAD_LINES]
    for document, candidates in _maybe_known(lines, near, known).items():
        result[document] = _same_as_known(lines, candidates, known[document] or "")
    return result


def _maybe_known(lines: Lines, near: NDArray[np.int64], known: Sequence[str | None]) -> dict[int, list[int]]:
    """Of some lines those that may say their record's title, by document: a look at size and first letter of all.

    The site's name after a title makes a line longer, but not twice as long.
    """
    title_size = np.array([-1 if title is None else len(title.encode("utf-8", "surrogatepass")) for title in known])
    title_opening = np.array([_opening(title) for title in known], np.uint8)
    document = lines.document[near]
    size = lines.end[near] - lines.start[near]
    fits = (title_size[document] >= 0) & (size <= 2 * _MAX_TITLE)
    fits &= (size * 3 >= title_size[document]) & (size <= 2 * title_size[document] + _MIN_TITLE)
    opening = _FOLDED[lines.buffer[lines.start[near]]]
    fits &= (opening == 0) | (title_opening[document] == 0) | (opening == title_opening[document])
    found: dict[int, list[int]] = {}
    for line, owner in zip(near[fits].tolist(), document[fits].tolist(), strict=True):
        found.setdefault(owner, []).append(line)
    return found


# Letters and digits of ASCII in lower case; 0 for all other bytes: no single one tells what a line begins with.
_FOLDED: Final = np.array(
    [ord(chr(byte).lower()) if chr(byte).isascii() and chr(byte).isalnum() else 0 for byte in range(256)], np.uint8
)


def _opening(title: str | None) -> int:
    """What `_FOLDED` says of a title's first sign."""
    first = (title or "").encode("utf-8", "surrogatepass")[:1]
    return int(_FOLDED[first[0]]) if first else 0


def _same_as_known(lines: Lines, near: Sequence[int], title: str) -> int:
    """The line that says what the record's own title says, apart from case, signs and the site's name after it."""
    exact = title.encode("utf-8", "surrogatepass")
    texts = [(line, lines.text(line)) for line in near]
    for line, content in texts:
        if content == exact:
            return line
    wanted = _letters(title)
    for line, content in texts:
        text = _letters(content.decode("utf-8", "replace"))
        if text == wanted or (len(text) >= _MIN_TITLE and wanted.startswith(text)):
            return line
    return -1


def _letters(text: str) -> str:
    return "".join(sign for sign in unicodedata.normalize("NFKC", text).casefold() if sign.isalnum())


def _has_company(lines: Lines, verdicts: Verdicts, kept: NDArray[np.int64], place: int, low: int, high: int) -> bool:
    """Whether something that comes with titles stands beside the first kept line.

    A subheading at the head of an excerpt looks like a headline, and losing it is worse than leaving a headline in. So
    something has to vouch for it: boilerplate before it, a caption, byline or date after it, a standfirst below it, or
    a part of its line that a rule cuts.
    """
    line = int(kept[place])
    if line > low or line in verdicts.span_line:
        return True
    if line + 1 < high and verdicts.label[line + 1] in (CAPTION, BYLINE, PUBLISHED):
        return True
    if place + 2 >= len(kept) or kept[place + 2] >= high:
        return False
    below, body = int(kept[place + 1]), int(kept[place + 2])
    size = lines.end[below] - lines.start[below]
    standfirst = _MIN_TITLE < size <= _MAX_TITLE and not _SENTENCE_ENDS[lines.buffer[lines.end[below] - 1]]
    return bool(standfirst and lines.end[body] - lines.start[body] >= _BODY_LINE)


def _looks_like_title(lines: Lines, kept: NDArray[np.int64], place: int, high: int) -> bool:
    """Whether the first kept line of a document of unknown title is its headline."""
    line = int(kept[place])
    length = int(lines.end[line] - lines.start[line])
    if not _MIN_TITLE <= length <= _MAX_TITLE or _SENTENCE_ENDS[lines.buffer[lines.end[line] - 1]]:
        return False
    following = kept[place + 1 : place + 1 + _BODY_WITHIN]
    following = following[following < high]
    if not len(following) or int(np.max(lines.end[following] - lines.start[following])) < _BODY_LINE:
        return False
    text = lines.text(line).decode("utf-8", "replace")
    return _headline_like(text)


# A sentence's end, at the line's end or after a lower-case word within it; a bullet or table bar; "By ...".
_NOT_A_HEADLINE: Final = re.compile(r"\.[\"'”’)]*$|[a-z]{3}\.[\"'”’)]* +[\"'“‘(]*[A-Z]|^[-–—•*|»]|\|\s*$|^[Bb][Yy]\s")


def _headline_like(text: str) -> bool:
    """No bullet, no two sentences, not all one link list; begins with a capital, a digit or a quotation mark."""
    first = next((sign for sign in text if sign.isalnum()), "")
    if not (first.isupper() or first.isdigit() or (first.isalpha() and not first.islower())):
        return False
    return len(text.split()) >= 3 and not _NOT_A_HEADLINE.search(text)


def _text_without_spans(lines: Lines, verdicts: Verdicts, line: int) -> str:
    """A line's text without the parts that rules cut from it."""
    start, end = int(lines.start[line]), int(lines.end[line])
    content = bytearray(lines.text(line))
    for span in reversed(np.flatnonzero(verdicts.span_line == line).tolist()):
        low, high = int(verdicts.span_start[span]), int(verdicts.span_end[span])
        del content[max(low, start) - start : min(high, end) - start]
    return content.decode("utf-8", "replace").strip()


_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar jänner janvier janv enero ene",
            "february feb februar février fevrier févr fevr febrero",
            "march mar märz maerz mrz mars marzo",
            "april apr avril avr abril abr",
            "may mai mayo",
            "june jun juni juin junio",
            "july jul juli juillet juil julio",
            "august aug août aout agosto ago",
            "september sep sept septembre septiembre",
            "october oct oktober okt octobre octubre",
            "november nov novembre noviembre",
            "december dec dezember dez décembre decembre déc diciembre dic",
        ),
        start=1,
    )
    for name in names.split()
}
_WORD: Final = r"([^\W\d_]{3,12})"
_DATE_FORMS: Final = (
    re.compile(
        rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|\.)?\s+(?:de\s+|of\s+)?(?P<m>{_WORD})\.?,?\s+(?:de\s+)?(?P<y>(?:19|20)\d\d)\b"
    ),
    re.compile(rf"\b(?P<m>{_WORD})\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>(?:19|20)\d\d)\b"),
    re.compile(r"\b(?P<y>(?:19|20)\d\d)[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)"),
    re.compile(r"\b(?P<d>\d{1,2})\.\s?(?P<m>\d{1,2})\.\s?(?P<y>(?:19|20)\d\d)\b"),
    re.compile(r"\b(?P<a>\d{1,2})[/-](?P<b>\d{1,2})[/-](?P<y>(?:19|20)\d\d)\b"),
)


def parse_date(text: str) -> datetime.date | None:
    """The first date in a line, or nothing where day and month could be exchanged.

    >>> parse_date("28 February 2017")
    datetime.date(2017, 2, 28)
    >>> parse_date("Published: Feb. 3rd, 2020 at 5:04 pm")
    datetime.date(2020, 2, 3)
    >>> parse_date("03/04/2020") is None
    True
    """
    for form in _DATE_FORMS:
        for match in form.finditer(text.casefold()):
            date = _date_of(match.groupdict())
            if date is not None:
                return date
    return None


def _date_of(parts: dict[str, str]) -> datetime.date | None:
    if "a" in parts:
        low, high = sorted((int(parts["a"]), int(parts["b"])))
        if low != high and high <= 12:
            return None
        month, day = (low, high)
    else:
        named = parts["m"]
        month = int(named) if named.isdigit() else _MONTHS.get(named, 0)
        day = int(parts["d"])
    try:
        return datetime.date(int(parts["y"]), month, day)
    except ValueError:
        return None
