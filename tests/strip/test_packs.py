"""Rule packs: what is refused, and how clearly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import RuleError
from pipeline.strip.rules import packs
from pipeline.strip.rules.packs import read_pack, read_packs

SUITES = Path(os.environ.get("PIPELINE_SUITES", "../shared/hostile"))

GOOD = """
label = "newsletter"
[[rule]]
id = "mine.one"
pattern = "sign up"
match = ["sign up", "please sign up"]
no_match = ["signal", "up"]
"""


def _write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_pack_is_read(tmp_path: Path) -> None:
    """A pack with one proven rule is accepted."""
    assert read_pack(_write(tmp_path, GOOD)).rule[0].id == "mine.one"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("newsletter", "nonsense"), "is not one of"),
        (GOOD.replace('pattern = "sign up"', 'pattern = "(?=a)"'), "look-around"),
        (GOOD.replace('pattern = "sign up"', "pattern = '(a)\\1'"), "back-references"),
        (GOOD.replace('pattern = "sign up"', 'pattern = "(a"'), "RE2 refuses"),
        (GOOD.replace('pattern = "sign up"', "pattern = '\\Qa(b\\E'"), "not supported"),
        (GOOD.replace('pattern = "sign up"', 'pattern = "{{gone}}"'), "[define]"),
        (GOOD.replace('pattern = "sign up"', f'pattern = "{"a" * 3000}"'), "split it"),
        (GOOD.replace('pattern = "sign up"', 'pattern = "(?P<cut>a)"'), "span = true"),
        (GOOD.replace('match = ["sign up", "please sign up"]', 'match = ["sign up"]'), "at least 2"),
        (GOOD + 'colour = "red"', "unknown key 'colour'"),
        (GOOD + 'strength = "huge"', "strength"),
        (GOOD + 'where = { max_length = "9" }', "where, max_length"),
        ('label = "newsletter"', "no [[rule]]"),
        ("", "key 'label' is missing"),
        ("rule = 3", "label"),
    ],
)
def test_a_bad_pack_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    """The error is one line that names the file and says what is wrong."""
    path = _write(tmp_path, text)
    with pytest.raises(RuleError) as caught:
        read_pack(path)
    message = str(caught.value)
    assert str(path) in message
    assert words in message
    assert "\n" not in message


def test_the_rule_at_fault_is_named(tmp_path: Path) -> None:
    """An error inside a rule names the rule's id."""
    with pytest.raises(RuleError, match=r"mine\.one"):
        read_pack(_write(tmp_path, GOOD.replace('"sign up"\n', '"("\n', 1)))


def test_an_id_may_be_used_once(tmp_path: Path) -> None:
    """Two packs with the same rule id are refused, and both files are named."""
    _write(tmp_path, GOOD, "a.toml")
    _write(tmp_path, GOOD, "b.toml")
    with pytest.raises(RuleError, match=r"b\.toml.*a\.toml"):
        read_packs((tmp_path,))


def test_a_pack_of_too_many_bytes_is_not_read(tmp_path: Path) -> None:
    """A file over the cap is refused without being parsed."""
    with pytest.raises(RuleError, match="KiB"):
        read_pack(_write(tmp_path, "#" * (packs.MAX_PACK_BYTES + 1)))


def test_a_pattern_may_be_large_but_not_huge() -> None:
    """What the usual memory of a pattern is too little for is compiled with more; there is an end to that too."""
    assert packs.compile_pattern(r"^\pL{400}$", "a rule").search("a" * 400)
    with pytest.raises(RuleError, match="too large"):
        packs.compile_pattern(r"\pL{900}", "a rule")


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    """A rule folder that is not there is said so."""
    with pytest.raises(RuleError, match="cannot be read"):
        read_packs((tmp_path / "none",))


def test_a_deeply_nested_file_is_refused(tmp_path: Path) -> None:
    """Nesting that exhausts the parser's stack is an error, not a crash."""
    with pytest.raises(RuleError, match="cannot be read"):
        read_pack(_write(tmp_path, "a = " + "[" * 50_000))


def test_foreign_files_are_left_alone(tmp_path: Path) -> None:
    """Only files that end in .toml are packs."""
    _write(tmp_path, "not a pack", "README.md")
    assert read_packs((tmp_path,)).keys() == read_packs().keys()


@pytest.mark.skipif(not (SUITES / "toml").is_dir(), reason="the suite of hostile inputs is not here (PIPELINE_SUITES)")
def test_hostile_toml_is_one_clear_error_each() -> None:
    """Every invalid TOML file of the suite gives one RuleError that names it."""
    files = sorted((SUITES / "toml").glob("*.toml"))
    assert files
    for path in files:
        with pytest.raises(RuleError) as caught:
            read_pack(path)
        assert str(path) in str(caught.value), path
        assert "\n" not in str(caught.value), path
