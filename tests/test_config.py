"""The configuration: what may be set, and what a wrong file or value is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.config import RUN_ONLY, Config, load, parse_size
from pipeline.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a test writes its configuration."""
    return tmp_path / "settings.toml"


def test_defaults_are_valid_and_frozen() -> None:
    """A configuration without settings works, and nothing changes it afterwards."""
    config = load(None, {})
    assert config == Config()
    with pytest.raises(ValidationError):
        config.strict = True  # type: ignore[misc]


def test_options_win_over_the_file(file: Path) -> None:
    """An option that was given overrides the file; one that was not leaves it."""
    file.write_text('dedupe = "none"\nmax_document = "1MiB"\n')
    config = load(file, {"max_document": "2 kB", "encoding": None, "rules": ()})
    assert (config.dedupe, config.max_document, config.encoding) == ("none", 2_000, None)


def test_rule_folders_of_a_file_lie_beside_it(file: Path) -> None:
    """Packs that a file names are found wherever the command runs."""
    file.write_text('rules = ["own", "/elsewhere"]\n')
    assert load(file, {}).rules == (file.parent / "own", Path("/elsewhere"))


FAULTS = {
    "unknown key": ("colour = 1", "unknown key 'colour'"),
    "key of a later version": ("[columns]\nbody = 'x'", "'body' is no field"),
    "wrong type": ("strict = 'maybe'", "strict"),
    "wrong choice": ("dedupe = 'some'", "dedupe"),
    "list for a table": ("columns = [1]", "columns"),
    "number for a name": ("encoding = 5", "encoding"),
    "unknown encoding": ("encoding = 'klingon'", "klingon"),
    "encoding that is no text": ("encoding = 'rot13'", "rot13"),
    "encoding with NUL": ('encoding = "utf-8\\u0000"', "encoding"),
    "negative": ("max_document = -1", "max_document"),
    "no size": ("max_document = '16 MegaWatts'", "MegaWatts"),
    "endless size": (f"max_document = '{'9' * 5_000}'", "max_document"),
    "endless number": (f"max_document = {'9' * 5_000}", "settings.toml"),
    "not a number": ("max_document = nan", "max_document"),
    "no TOML": ("= 1", "not TOML"),
    "deep": ("a = " + "[" * 5_000, "settings.toml"),
    "rules that are no list": ("rules = 'own'", "rules"),
    "rules that are no names": ("rules = [1]", "rules"),
}


@pytest.mark.parametrize(("text", "says"), FAULTS.values(), ids=FAULTS)
def test_a_fault_in_a_file_is_named(file: Path, text: str, says: str) -> None:
    """What is wrong is said with the file and the key, a line a fault."""
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    assert says in str(caught.value)
    assert "settings.toml" in str(caught.value)


def test_every_unknown_key_has_a_line_with_those_there_are(file: Path) -> None:
    """Two unknown keys are two lines, each with the list of keys."""
    file.write_text("one = 1\ntwo = 2\n")
    with pytest.raises(ConfigError) as caught:
        load(file, {})
    lines = str(caught.value).splitlines()
    assert [line.partition("'")[2].partition("'")[0] for line in lines] == ["one", "two"]
    assert all("max_document" in line for line in lines)


def test_files_that_cannot_be_used_are_named(file: Path) -> None:
    """Missing, too large, a folder, not UTF-8: each is one clear error."""
    for make in (
        lambda: None,
        lambda: file.write_bytes(b"#" * (1 << 20) + b"\n"),
        lambda: file.write_bytes(b"a='\xff'"),
    ):
        make()
        with pytest.raises(ConfigError, match=r"settings\.toml"):
            load(file, {})
    with pytest.raises(ConfigError):
        load(file.parent, {})


def test_a_fault_in_an_option_is_not_blamed_on_the_file(file: Path) -> None:
    """The message says whether the command line or the file is to be mended."""
    file.write_text('dedupe = "none"\n')
    with pytest.raises(ConfigError, match="the command line: memory"):
        load(file, {"memory": "lots"})


def test_the_project_file_is_read_where_there_is_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`[tool.pipeline]` counts only without `pipeline.toml`; a pyproject.toml of others is left alone."""
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert load(None, {}) == Config()
    Path("pyproject.toml").write_text("[tool.pipeline]\ndedupe = 'none'\n")
    assert load(None, {}).dedupe == "none"
    Path("pipeline.toml").write_text("")
    assert load(None, {}).dedupe == "exact"
    Path("pipeline.toml").unlink()
    Path("pyproject.toml").write_text("tool = { pipeline = 3 }\n")
    with pytest.raises(ConfigError, match="must be a table"):
        load(None, {})


SIZES = [("1", 1), ("1kB", 1_000), ("1 KiB", 1_024), ("1.5MB", 1_500_000), ("2gib", 2 << 30), ("1T", 10**12)]


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_sizes_have_decimal_and_binary_units(text: str, size: int) -> None:
    """KB is 1000 bytes, KiB 1024; case and a space do not matter."""
    assert parse_size(text) == size


@given(st.text(max_size=30))
def test_any_text_is_a_size_or_an_error(text: str) -> None:
    """No text gives anything but a number of bytes or a ValueError."""
    try:
        size = parse_size(text)
    except ValueError:
        return
    assert isinstance(size, int)
    assert size >= 0


def test_settings_that_change_no_byte_are_not_published() -> None:
    """What the manifest records does not depend on how the work was done, and is plain JSON."""
    one = Config(workers=1, memory=100_000_000, batch_rows=7, strict=True)
    assert one.published_settings() == Config().published_settings()
    assert not set(RUN_ONLY) & set(one.published_settings())
    json.dumps(one.published_settings())


def test_no_invalid_toml_file_gets_through(hostile: Path) -> None:
    """Every file of the invalid TOML suite is refused in words, or is at worst an empty configuration."""
    for file in sorted((hostile / "toml").rglob("*.toml")):
        assert _refusal(file) is None or file.name in str(_refusal(file))


def _refusal(file: Path) -> ConfigError | None:
    try:
        config = load(file, {})
    except ConfigError as error:
        return error
    assert config == Config(), file.name
    return None
