"""Publishing dates."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.read import dates

FORMS = [
    "2017-02-28T10:00:00Z",
    "2017-02-30T10:00:00Z",
    "2017-02-28 10:00:00+01:30",
    "2017-02-28T24:00:00Z",
    "2017-02-28",
    "x",
]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2017-02-28", datetime(2017, 2, 28, tzinfo=UTC)),
        (" 2017-02-28T10:11 ", datetime(2017, 2, 28, 10, 11, tzinfo=UTC)),
        ("2017-02-28 10:11:12.5", datetime(2017, 2, 28, 10, 11, 12, 500_000, tzinfo=UTC)),
        ("2017-02-28T10:11:12.123456789+0530", datetime(2017, 2, 28, 4, 41, 12, 123_456, tzinfo=UTC)),
        ("2017-02-28T10:11:12-05", datetime(2017, 2, 28, 15, 11, 12, tzinfo=UTC)),
        ("Tue, 28 Feb 2017 09:30:00 EST", datetime(2017, 2, 28, 14, 30, tzinfo=UTC)),
        ("28 February 2017", datetime(2017, 2, 28, tzinfo=UTC)),
    ],
)
def test_forms_that_are_understood(text: str, moment: datetime) -> None:
    """ISO 8601 and RFC 2822, with and without time and zone, are moments in UTC."""
    assert dates.parse(text) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "1488240000",
        "20170228",
        "02/03/2017",
        "2017-13-01",
        "2017-02-30",
        "0000-01-01",
        "2017-02-28T25:00",
        "2017-02-28T10:00:00+99:00",
        "0001-01-01T00:00:00+23:00",
        "28 Foo 2017",
        "٢٠١٧-٠٢-٢٨",
        "9" * 500,
    ],
)
def test_forms_that_are_not(text: str) -> None:
    """Numbers, forms of two meanings and dates that do not exist are no moments."""
    assert dates.parse(text) is None


@given(texts=st.lists(st.sampled_from(FORMS) | st.none() | st.text(max_size=5) | st.datetimes().map(str), max_size=6))
def test_company_does_not_matter(texts: list[str | None]) -> None:
    """A text means the same alone and among others, whichever way they are parsed."""
    together = dates.parse_all(pa.array(texts, pa.string())).to_pylist()
    assert together == [None if text is None else dates.parse(text) for text in texts]


# The zone is drawn beside the moment.
FIRST, LAST = datetime(1000, 1, 2), datetime(2999, 12, 30)  # noqa: DTZ001


@given(
    moment=st.datetimes(FIRST, LAST),
    zone=st.integers(-1439, 1439),
)
def test_the_quick_way_agrees(moment: datetime, zone: int) -> None:
    """Arrow's parser gives the same moment as ours for the form that it is trusted with."""
    sign, zone = "-" if zone < 0 else "+", abs(zone)
    text = f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f"{sign}{zone // 60:02}:{zone % 60:02}"
    assert dates.parse_all(pa.array([text])).to_pylist() == [dates.parse(text)]
