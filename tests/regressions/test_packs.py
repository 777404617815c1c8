"""Packs of users: what once went wrong, named by its cause."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.strip.lines import split_lines
from pipeline.strip.rules import Rules
from pipeline.strip.rules.loosened import loosened
from pipeline.strip.rules.packs import read_pack
from tests.linear import RATIO, growth

PACK = """
label = "newsletter"
[[rule]]
id = "mine.one"
pattern = '{pattern}'
match = ["a", "b"]
no_match = ["c", "d"]
"""


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("sign{1=2} up", "sign{1=2} up"),
        ("sign{1,2,3} up", "sign{1,2,3} up"),
        ("sign{ up", "sign{ up"),
        ("sign{,2} up", "sign{,2} up"),
        ("sign{2} up", "signn up"),
    ],
)
def test_brace_that_stands_for_itself(tmp_path: Path, pattern: str, line: str) -> None:
    """Only `{2}`, `{2,}` and `{2,3}` count; RE2 takes any other brace as it is, and so does what looks for words."""
    assert hit(tmp_path, pattern, line)


@pytest.mark.parametrize("pattern", [r"\123ign up", r"\0163ign up"])
def test_character_by_its_octal_number(tmp_path: Path, pattern: str) -> None:
    """The digits of an octal escape are no text of the line."""
    assert hit(tmp_path, pattern, "Sign up") == (pattern == r"\123ign up")


@pytest.mark.parametrize("pattern", ["[x[:]sign up", "[[:y]?sign up", "[[:alpha:]]ign up", "[^[:digit:]x]ign up"])
def test_bracket_and_colon_in_a_class(tmp_path: Path, pattern: str) -> None:
    """Only a whole `[:name:]` is a class inside a class; an end is not looked for where none is."""
    assert hit(tmp_path, pattern, ":sign up" if pattern.startswith("[x") else "sign up")


@pytest.mark.parametrize(
    "pattern", ["sign(?) up", "(?)sign up", "sign(?)? up", "sig(?:(?)n){1,2} up", "(?i)(?)sign up"]
)
def test_flags_that_name_none(tmp_path: Path, pattern: str) -> None:
    """RE2 takes `(?)` for flags, none of them: it is no group that begins with a question mark."""
    assert hit(tmp_path, pattern, "please sign up here")


def test_pattern_of_many_groups(tmp_path: Path) -> None:
    """RE2 takes groups nested deeper than Python can follow: then the line is searched without looking for words."""
    assert hit(tmp_path, "(" * 600 + "sign up" + ")" * 600, "please sign up")


def test_pattern_of_brackets_is_read_once() -> None:
    """A user's pattern of many open brackets does not make the search for counted classes quadratic."""
    for unit in ("[", "[a", "[\\", "\\["):
        assert max(growth(loosened, lambda size, unit=unit: unit * size + "]", (2_000, 20_000))) <= RATIO
    assert loosened("[a[b]{3}").pattern == "(?m)([a[b]*?)"
    assert loosened("[[]{3}").pattern == "(?m)([[]*?)"


def hit(folder: Path, pattern: str, line: str) -> bool:
    path = folder / "mine.toml"
    path.write_text(PACK.replace("{pattern}", pattern), encoding="utf-8")
    return Rules((read_pack(path),)).match(split_lines(pa.array([line]))).line.tolist() == [0]
