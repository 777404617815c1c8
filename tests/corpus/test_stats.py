"""What became of the records of each source and language."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipeline.build import build
from pipeline.cli import main
from pipeline.config import Config
from pipeline.corpus.stats import stats_of
from pipeline.errors import CorpusError
from pipeline.write import groups
from tests.test_build import digests

TEXT = "The council met on day {n} and talked for hours about the old harbour bridge.\n\nSign up for our newsletter\n"


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Two sources and an unknown one, two languages: documents, duplicates, and records in quarantine."""
    rows: list[dict[str, Any]] = [{"text": TEXT.format(n=n), "source": "A", "language": "en"} for n in range(4)]
    rows += [{"text": TEXT.format(n=1), "source": "B", "language": "en-GB"}, {"text": "", "source": "B"}]
    rows += [{"text": TEXT.format(n=9)}, {"text": TEXT.format(n=8), "source": "B", "language": "x|`"}]
    file = tmp_path / "in.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_the_figures_are_those_of_the_tables(inputs: Path, tmp_path: Path) -> None:
    """Each source has the documents, words, bytes, duplicates and quarantine that SQL over the tables would count."""
    corpus = build([str(inputs)], tmp_path / "out", Config(workers=1)).corpus
    documents = pq.read_table(corpus / "documents").to_pylist()
    ledger = pq.read_table(corpus / "removed").to_pylist()
    owner = {row["id"]: row["source"] for row in documents}
    found = stats_of(corpus, "source").groups
    assert [group.name for group in found] == ["A", "B", None]
    for group in found:
        own = [row for row in documents if row["source"] == group.name]
        assert group.documents == len(own)
        assert group.words == sum(row["word_count"] for row in own)
        assert group.text_bytes == sum(len(row["text"].encode()) for row in own)
        cut = [row["end"] - row["start"] for row in ledger if owner[row["document_id"]] == group.name]
        assert group.removed_bytes == sum(cut)
        for table in ("duplicates", "quarantine"):
            rows = pq.read_table(corpus / table, columns=["source"])["source"].to_pylist()
            assert getattr(group, table) == rows.count(group.name)
    assert sum(group.records for group in found) == 8


def test_languages_too(inputs: Path, tmp_path: Path) -> None:
    """By language the same records add up; the card lists the tags that are tags, and no other text of a record."""
    corpus = build([str(inputs)], tmp_path / "out", Config(workers=1)).corpus
    found = {group.name: group.records for group in stats_of(corpus, "language").groups}
    assert found == {"en": 4, None: 2, "en-GB": 1, "x|`": 1}
    card = (corpus / "README.md").read_text(encoding="utf-8")
    assert "| `en` | 4 |" in card
    assert "x|`" not in card


def test_many_sources_stay_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more sources than are listed the largest are, and the others are counted."""
    monkeypatch.setattr(groups, "LISTED", 5)
    rows = [{"text": TEXT.format(n=n), "source": f"S{n:03d}"} for n in range(40)] + [{"text": "One.", "source": "S007"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = stats_of(build([str(tmp_path / "in.jsonl")], tmp_path / "out", Config(workers=1)).corpus, "source")
    assert (len(found.groups), found.others, found.groups[0].name) == (5, 35, "S007")


def test_the_figures_do_not_depend_on_workers_or_batches(inputs: Path, tmp_path: Path) -> None:
    """One record at a time in one process, or all at once in two: the same manifest."""
    one = build([str(inputs)], tmp_path / "one", Config(workers=1, batch_rows=1)).corpus
    assert digests(one) == digests(build([str(inputs)], tmp_path / "two", Config(workers=2)).corpus)


def test_the_command_shows_a_table_or_json(inputs: Path, tmp_path: Path) -> None:
    """`pipeline stats` prints a row for each source and says how many it left out; --json has all that are listed."""
    corpus = build([str(inputs)], tmp_path / "out", Config(workers=1)).corpus
    shown = CliRunner().invoke(main, ["stats", str(corpus), "--top", "1"])
    assert shown.exit_code == 0
    assert shown.output.splitlines()[0].split() == [
        "source",
        "documents",
        "words",
        "removed",
        "duplicates",
        "quarantine",
    ]
    assert shown.output.splitlines()[-1] == "and 2 more"
    told = json.loads(CliRunner().invoke(main, ["stats", str(corpus), "--by", "language", "--json"]).output)
    assert told["language"][0]["name"] == "en"
    assert told["others"] == 0


def test_a_corpus_of_an_earlier_version_says_so(inputs: Path, tmp_path: Path) -> None:
    """A manifest without these figures is one clear error."""
    corpus = build([str(inputs)], tmp_path / "out", Config(workers=1)).corpus
    with pytest.raises(CorpusError, match="build the corpus again"):
        stats_of(corpus, "colour")
