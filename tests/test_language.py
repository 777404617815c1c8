"""The language of documents: told, kept, set aside, and never asked for unasked."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.corpus.restore import restore
from pipeline.errors import UsageError
from pipeline.language import refuse_without_library, tell_languages
from pipeline.records import complete
from pipeline.validate import _matches
from tests.conftest import SEEDS
from tests.test_build import digests

pytest.importorskip("pycld2", reason="pycld2 is in the extra [language]")

ENGLISH = "The council met on Monday and talked for hours about the old harbour bridge and its piers.\n"
GERMAN = "Der Stadtrat hat am Montag stundenlang über die alte Hafenbrücke und ihre Pfeiler gesprochen.\n"
FRENCH = "Le conseil municipal a parlé lundi pendant des heures du vieux pont du port et de ses piliers.\n"
NUMBERS = "4711 0815 12:30 99\n"


def told(*texts: str, own: list[str | None] | None = None, wanted: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """What becomes of texts whose records say these languages."""
    columns = {"text": pa.array(texts, pa.string()), "language": pa.array(own or [None] * len(texts), pa.string())}
    config = Config(detect_language=True, language=wanted)
    return tell_languages(complete(columns, len(texts)), config).to_pylist()


def rows(corpus: Path, table: str) -> list[dict[str, Any]]:
    return pq.read_table(corpus / table).to_pylist()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An article in each of three languages, one in none, and one whose record says its language."""
    place = tmp_path / "in"
    place.mkdir()
    for name, text in {"a": ENGLISH, "b": GERMAN, "c": FRENCH, "d": NUMBERS}.items():
        (place / f"{name}.txt").write_text(text, encoding="utf-8")
    (place / "e.jsonl").write_text(json.dumps({"id": "e", "text": ENGLISH + "More of it.", "language": "en-GB"}) + "\n")
    return place


def test_a_language_is_told_where_no_record_says_it() -> None:
    """English, German and French are told; numbers alone are in no language; what a record says stays as it says it."""
    found = told(ENGLISH, GERMAN, FRENCH, NUMBERS, GERMAN, own=[None] * 4 + ["nds"])
    assert [row["language"] for row in found] == ["en", "de", "fr", None, "nds"]
    assert [row["outcome"] for row in found] == [None] * 5


def test_nothing_is_told_unasked() -> None:
    """With the default settings a batch passes as it is, whether the library is there or not."""
    batch = complete({"text": pa.array([ENGLISH])}, 1)
    assert tell_languages(batch, Config()) is batch


def test_other_languages_are_set_aside_with_a_reason() -> None:
    """A language that is not wanted has one reason, an unknown one another, and both say what was asked for."""
    found = told(ENGLISH, GERMAN, NUMBERS, ENGLISH, own=[None, None, None, "fr-CA"], wanted=("en",))
    assert [row["reason"] for row in found] == [None, "other-language", "unknown-language", "other-language"]
    assert [row["outcome"] for row in found] == [None, "quarantine", "quarantine", "quarantine"]
    assert "its text is in de" in found[1]["detail"]
    assert "its record says fr-CA" in found[3]["detail"]
    assert all("en" in row["detail"] for row in found[1:])


def test_und_keeps_what_nobody_can_tell() -> None:
    """`und` among the wanted languages stands for unknown ones."""
    found = told(NUMBERS, GERMAN, wanted=("en", "und"))
    assert [row["reason"] for row in found] == [None, "other-language"]


@pytest.mark.parametrize(
    ("own", "wanted", "kept"),
    [("en", "en", True), ("EN-gb", "en", True), ("en", "en-GB", False), ("eng", "en", False), ("pt-BR", "PT-br", True)],
)
def test_a_tag_wants_those_that_begin_with_it(own: str, wanted: str, kept: bool) -> None:
    """`en` keeps `en-GB` and not `eng`; case does not matter (RFC 4647)."""
    [row] = told(ENGLISH, own=[own], wanted=(wanted,))
    assert (row["outcome"] is None) is kept


def test_what_was_set_aside_already_keeps_its_reason() -> None:
    """A row with an outcome is neither told nor given another reason."""
    batch = complete(
        {"text": pa.array([GERMAN]), "outcome": pa.array(["quarantine"]), "reason": pa.array(["missing-text"])}, 1
    )
    [row] = tell_languages(batch, Config(language=("en",))).to_pylist()
    assert (row["reason"], row["language"], row["detail"]) == ("missing-text", None, None)


@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=30)), max_size=5))
def test_any_text_has_a_valid_tag_or_none(texts: list[str | None]) -> None:
    """Control characters, code points that stand for none, any script: a BCP 47 tag or null, and never an error."""
    batch = complete({"text": pa.array(texts, pa.string())}, len(texts))
    tagged = tell_languages(batch, Config(detect_language=True)).column("language")
    assert _matches(tagged, r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$").all()


def test_a_build_accounts_for_every_language(folder: Path, tmp_path: Path) -> None:
    """With `--language en,de` the rest is in quarantine, the corpus is sound, and every input can be restored."""
    built = build([str(folder)], tmp_path / "out", Config(workers=1, language=("en", "de")))
    assert built.counts.rows["documents"] == 3
    assert dict(built.counts.quarantine) == {"other-language": 1, "unknown-language": 1}
    assert dict(built.counts.languages) == {"en": 1, "de": 1, "en-GB": 1}
    assert check(built.corpus).ok
    inputs = {(folder / f"{name}.txt").read_bytes() for name in "abcd"}
    assert inputs <= {record.data for record in restore(built.corpus)}
    manifest = json.loads((built.corpus / "manifest.json").read_bytes())
    assert manifest["configuration"]["language"] == ["de", "en"]
    assert "pycld2" in manifest["versions"]


def test_an_invalid_tag_is_an_invalid_record_whatever_is_wanted(tmp_path: Path) -> None:
    """A language that is no tag keeps the reason that it has without `--language`."""
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": ENGLISH, "language": "english!"}) + "\n")
    built = build([str(tmp_path / "a.jsonl")], tmp_path / "out", Config(workers=1, language=("en",)))
    assert dict(built.counts.quarantine) == {"invalid-record": 1}


def test_told_languages_do_not_depend_on_the_workers(folder: Path, tmp_path: Path) -> None:
    """One process and two give the same bytes."""
    one = build([str(folder)], tmp_path / "one", Config(workers=1, detect_language=True, batch_rows=1)).corpus
    two = build([str(folder)], tmp_path / "two", Config(workers=2, detect_language=True)).corpus
    assert digests(one) == digests(two)


def test_a_retry_with_other_languages_judges_again(folder: Path, tmp_path: Path) -> None:
    """What was in another language comes back when that one is wanted, and is told anew when none is."""
    out = tmp_path / "out"
    build([str(folder)], out, Config(workers=1, language=("en",)))
    again = build([], out, Config(workers=1, language=("en", "fr")), retry=True)
    assert {row["language"] for row in rows(again.corpus, "documents")} == {"en", "en-GB", "fr"}
    plain = build([], out, Config(workers=1), retry=True)
    assert {row["origin"]["uri"]: row["language"] for row in rows(plain.corpus, "documents")} == {
        **{f"in/{name}.txt": None for name in "abcd"},
        "in/e.jsonl": "en-GB",
    }


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A build that is to tell languages and cannot stops before it begins."""
    monkeypatch.setitem(sys.modules, "pycld2", None)
    refuse_without_library(Config())
    with pytest.raises(UsageError, match=r"\[language\]"):
        build([str(SEEDS)], tmp_path / "out", Config(language=("en",)))
    assert not (tmp_path / "out").exists()


def test_a_language_that_is_no_tag_is_refused() -> None:
    """`--language english!` says what a tag looks like."""
    with pytest.raises(ValueError, match="no language tag"):
        Config(language=("english!",))
