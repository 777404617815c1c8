"""Fields that stand in the text: title, captions, byline, date."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from pipeline.strip import context, fields, titles
from pipeline.strip.lines import split_lines
from pipeline.strip.rules import Rules, load_packs

pytestmark = pytest.mark.usefixtures("either_way")

BODY = (
    "The council met on Monday and decided, after a long debate, to keep the old bridge open for another year, "
    "although the engineers had advised against it in the spring."
)


@pytest.fixture(scope="module")
def rules() -> Rules:
    return load_packs()


def _fields(rules: Rules, *documents: str, known: list[str | None] | None = None) -> fields.Fields:
    lines = split_lines(pa.array(list(documents), pa.string()))
    verdicts = context.decide(lines, rules.match(lines), rules)
    own = known and pa.array(known, pa.string())
    return fields.find_fields(lines, verdicts, titles.find_titles(lines, verdicts, own))


@pytest.mark.parametrize(
    "first",
    [
        BODY,
        "The council met on Monday.",
        "who said so",
        "- Old bridge stays open",
        "Old bridge",
        "It rained. Nobody came to the fair",
        "By Jane Poole of the Harbour Post",
        "“We will stay,” the mayor said.",
    ],
)
def test_a_first_line_that_is_no_headline_stays(rules: Rules, first: str) -> None:
    """A paragraph, a sentence, a bullet or a fragment is not taken for the title."""
    assert _fields(rules, f"{first}\n{BODY}\n{BODY}").title == [None]


@pytest.mark.parametrize(
    "first",
    [
        "Council keeps the old bridge open",
        "Will the old bridge stay open?",
        "‘We will stay’: the bridge that would not fall",
    ],
)
def test_a_headline_is_the_title(rules: Rules, first: str) -> None:
    """A line of a headline's size and shape above a standfirst, a byline or a date is the title."""
    for company in ("Engineers had warned of its cables for years", "By Anna Berg", "28 February 2017"):
        assert _fields(rules, f"{first}\n{company}\n{BODY}\n{BODY}").title == [first]


def test_a_headline_without_company_stays(rules: Rules) -> None:
    """A lone line above a paragraph may be a subheading of an excerpt: losing it is worse than leaving a headline."""
    assert _fields(rules, f"Council keeps the old bridge open\n{BODY}\n{BODY}").title == [None]


def test_a_headline_without_a_body_stays(rules: Rules) -> None:
    """Where only short lines follow, nothing tells the title from the text."""
    assert _fields(rules, "Council keeps the old bridge open\nIt rained.").title == [None]


def test_boilerplate_above_the_title_is_passed_over(rules: Rules) -> None:
    """The title is the first line that stays."""
    assert _fields(rules, f"Sign up for our newsletter\nCouncil keeps the old bridge open\n{BODY}").title == [
        "Council keeps the old bridge open"
    ]


def test_a_known_title_is_found_again(rules: Rules) -> None:
    """A line that repeats the record's own title goes, apart from case and signs; another line does not."""
    title: list[str | None] = ["Council Keeps the ‘Old Bridge’ Open - The Harbour Post"]
    found = _fields(rules, f"Council keeps the 'old bridge' open\n{BODY}", known=title)
    assert found.title_line.tolist() == [0]
    assert _fields(rules, f"Ferry strike goes on and on\n{BODY}", known=title).title == [None]


def test_the_cut_part_is_not_in_the_title(rules: Rules) -> None:
    """A part of the line that a rule cuts is left out of the column."""
    assert _fields(rules, f"The harbour and its pilots Contents\n{BODY}").title == ["The harbour and its pilots"]


def test_captions_and_date_are_read(rules: Rules) -> None:
    """A marked caption and a lone date at the end come out of the text."""
    found = _fields(rules, f"{BODY}\nThe bridge in May. Photo: AP\n{BODY}\n28 February 2017")
    assert found.captions == [["The bridge in May. Photo: AP"]]
    assert found.published == [datetime.date(2017, 2, 28)]


def test_a_date_in_the_middle_is_a_heading(rules: Rules) -> None:
    """Dates of a timeline stay."""
    found = _fields(rules, "\n".join([BODY] * 6 + ["28 February 2017"] + [BODY] * 6))
    assert found.published == [None]


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("28 February 2017", (2017, 2, 28)),
        ("Updated Feb. 3rd, 2020 at 5:04 p.m.", (2020, 2, 3)),
        ("2021-12-31T10:00", (2021, 12, 31)),
        ("31.12.2021", (2021, 12, 31)),
        ("3. März 2019", (2019, 3, 3)),
        ("le 14 juillet 2015", (2015, 7, 14)),
        ("4 de mayo de 2018", (2018, 5, 4)),
        ("25/12/2020", (2020, 12, 25)),
        ("03/04/2020", None),
        ("31 February 2020", None),
        ("3 hours ago", None),
    ],
)
def test_dates_are_read_where_they_are_plain(text: str, date: tuple[int, int, int] | None) -> None:
    """Day and month are never guessed."""
    assert fields.parse_date(text) == (datetime.date(*date) if date else None)
