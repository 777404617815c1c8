"""Title, captions, byline and publishing date that stand in the text and belong in columns of their own.

Captions, bylines and dates are found by rule packs of those labels, the title by `titles`; this module reads what they
say.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.records import LABELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.strip.context import Verdicts
    from pipeline.strip.lines import Lines

TITLE: Final = LABELS.index("title")
CAPTION: Final = LABELS.index("caption")
BYLINE: Final = LABELS.index("byline")
PUBLISHED: Final = LABELS.index("published")
# By label: whether the line is a value of a column other than the title.
MOVED: Final = np.isin(np.arange(len(LABELS)), (CAPTION, BYLINE, PUBLISHED))


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
    moved = np.flatnonzero(MOVED[verdicts.label])
    for line, label, document in zip(
        moved.tolist(), verdicts.label[moved].tolist(), lines.document[moved].tolist(), strict=True
    ):
        _read_moved(lines.text(line).decode("utf-8", "replace"), label, document, fields)
    return fields


def _read_moved(text: str, label: int, document: int, fields: Fields) -> None:
    if label == CAPTION:
        fields.captions[document].append(text)
    elif label == BYLINE and fields.byline[document] is None:
        fields.byline[document] = text
    elif label == PUBLISHED and fields.published[document] is None:
        fields.published[document] = parse_date(text)


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


@lru_cache(maxsize=4096)  # one day's articles bear the same few dates
def parse_date(text: str) -> datetime.date | None:
    """The first date in a line, or nothing where day and month could be exchanged.

    >>> parse_date("28 February 2017")
    datetime.date(2017, 2, 28)
    >>> parse_date("Published: Feb. 3rd, 2020 at 5:04 pm")
    datetime.date(2020, 2, 3)
    >>> parse_date("03/04/2020") is None
    True
    """
    folded = text.casefold()
    for form in _DATE_FORMS:
        for match in form.finditer(folded):
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
