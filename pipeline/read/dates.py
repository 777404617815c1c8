"""Publishing dates as they are written in data: ISO 8601 and RFC 2822, to microseconds in UTC.

A date without a zone counts as UTC: the build must not depend on where it runs. Numbers are no dates: nothing says
whether they count seconds or milliseconds, or are a year.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

TIMESTAMP: Final = pa.timestamp("us", tz="UTC")

# What Arrow's own parser and `parse` below read alike.
_PLAIN: Final = r"^[12]\d{3}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)$"
_ISO: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)
_MAIL: Final = re.compile(
    r"(?:[A-Za-z]{3,9},?\s+)?(\d{1,2})\s+([A-Za-z]{3})[a-z]{0,6}\.?,?\s+(\d{4})"
    r"(?:\s+(\d\d):(\d\d)(?::(\d\d))?(?:\s+([A-Z]{1,3}|[+-]\d{4}))?(?:\s+\([A-Za-z ]{1,40}\))?)?",
    re.ASCII,
)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# The zones that RFC 2822 names, in hours.
_ZONES: Final = {
    **dict.fromkeys(("Z", "UT", "UTC", "GMT"), 0),
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
}
_LONGEST: Final = 100


def parse_all(texts: pa.Array) -> pa.Array:
    """The moments that an array of texts names, null where a text cannot be understood.

    The common form goes through Arrow at once, any other one by one; the answer for a text is the same either way.
    """
    if texts.null_count == len(texts):
        return pa.nulls(len(texts), TIMESTAMP)
    if pc.all(pc.match_substring_regex(texts, _PLAIN)).as_py():
        try:
            return texts.cast(TIMESTAMP)
        except pa.ArrowInvalid:
            pass  # one of them is no date, such as the 30th of February
    coded = texts.dictionary_encode()
    moments = pa.array([parse(text) for text in coded.dictionary.to_pylist()], TIMESTAMP)
    return moments.take(coded.indices)


def parse(text: str) -> datetime | None:
    """The moment that a text names, None when it names none.

    >>> parse("2017-02-28").isoformat()
    '2017-02-28T00:00:00+00:00'
    >>> parse("Tue, 28 Feb 2017 09:30:00 -0500").isoformat()
    '2017-02-28T14:30:00+00:00'
    >>> parse("1488240000")
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    try:
        found = _ISO.fullmatch(text)
        if found:
            year, month, day, hour, minute, second, fraction, zone = found.groups()
            micros = int((fraction or "0")[:6].ljust(6, "0"))
            return _moment(int(year), int(month), int(day), hour, minute, second, micros, _iso_zone(zone))
        found = _MAIL.fullmatch(text)
        if found:
            day, name, year, hour, minute, second, zone = found.groups()
            month_number = _MONTHS.index(name.lower()) + 1
            return _moment(int(year), month_number, int(day), hour, minute, second, 0, _mail_zone(zone))
    except (ValueError, KeyError, OverflowError):
        pass
    return None


def _moment(
    year: int,
    month: int,
    day: int,
    hour: str | None,
    minute: str | None,
    second: str | None,
    micros: int,
    zone: timezone,
) -> datetime:
    local = datetime(year, month, day, int(hour or 0), int(minute or 0), int(second or 0), micros, tzinfo=zone)
    return local.astimezone(UTC)


def _iso_zone(zone: str | None) -> timezone:
    if zone is None or zone[0] not in "+-":
        return UTC
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return _offset(zone[0], digits)


def _mail_zone(zone: str | None) -> timezone:
    if zone is None:
        return UTC
    if zone[0] in "+-":
        return _offset(zone[0], zone[1:])
    return timezone(timedelta(hours=_ZONES[zone]))


def _offset(sign: str, digits: str) -> timezone:
    hours, minutes = int(digits[:2]), int(digits[2:])
    if minutes > 59:
        msg = "no such zone"
        raise ValueError(msg)
    delta = timedelta(hours=hours, minutes=minutes)
    return timezone(-delta if sign == "-" else delta)
