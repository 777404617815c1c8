"""`pipeline why` says what became of one record, and `pipeline report` shows the whole corpus, without touching it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.build import build
from pipeline.cli import main
from pipeline.config import Config
from pipeline.corpus.check import check
from pipeline.corpus.why import why
from tests.conftest import SEEDS
from tests.finished import Article, ordinary, publish
from tests.test_build import digests


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of the seeds."""
    return build([str(SEEDS)], tmp_path_factory.mktemp("built"), Config(workers=1)).corpus


def test_why_says_of_a_document_what_clean_explain_says_of_its_text(seeds: Path) -> None:
    """Line by line, label and evidence are those of the same article on its own."""
    ids = [document["id"] for document in map(json.loads, run("restore", seeds).stdout.splitlines())]
    files = [document["uri"] for document in map(json.loads, run("restore", seeds).stdout.splitlines())]
    assert len(ids) == 4
    for name, uri in zip(ids, files, strict=True):
        explained = run("clean", "--explain", SEEDS / Path(uri).name).stdout.splitlines()
        shown = run("why", seeds, name).stdout.splitlines()
        assert shown[0].startswith(f"{name} in documents: ")
        assert shown[1:] == explained


def test_why_says_of_a_record_that_was_set_aside_where_it_is_and_why(tmp_path: Path) -> None:
    """A duplicate names the document it repeats, a record in quarantine its reason and the error in words."""
    corpus = publish(
        tmp_path,
        [Article("one"), Article("one", (), "duplicate", "exact"), Article(None, (), "quarantine", "missing-text")],
    )
    for made, words in (
        (1, "in duplicates: repeats 000000; exact: the same clean text"),
        (2, "missing-text: there is no text"),
    ):
        name = Article("one" if made == 1 else None).record(made)["id"]
        [found] = why(corpus, name)
        assert words in found.in_words()
        assert run("why", corpus, name).stdout == found.in_words() + "\n"


def test_why_as_json_is_one_object(seeds: Path) -> None:
    """--json gives table, place, text and spans."""
    name = json.loads(run("restore", seeds).stdout.splitlines()[0])["id"]
    found = json.loads(run("why", seeds, name, "--json").stdout)
    assert found["table"] == "documents"
    assert {"start", "end", "text", "label", "evidence", "score"} == set(found["article"]["removed"][0])


def test_why_of_an_unknown_id_is_a_usage_error(seeds: Path) -> None:
    """Exit code 2 and the id in the message."""
    result = run("why", seeds, "no-such-id")
    assert result.exit_code == 2
    assert "no-such-id" in result.stderr


def test_what_a_text_holds_does_not_steer_the_terminal(tmp_path: Path) -> None:
    """Control characters of a text and of an error are shown as their pictures."""
    evil = "\x1b[31mred\x07"
    corpus = publish(
        tmp_path,
        [
            Article(f"{evil} line\nnext {evil}\n", ((0, 14),)),
            Article(evil, (), "quarantine", "wrong-type", fields={"detail": evil}),
        ],
    )
    for row in map(json.loads, run("restore", corpus).stdout.splitlines()):
        assert not {"\x1b", "\x07"} & set(run("why", corpus, row["id"]).stdout)


def test_the_report_of_a_published_corpus_is_that_of_its_build(seeds: Path, tmp_path: Path) -> None:
    """`pipeline report` writes the same bytes elsewhere, and the corpus stays as it was."""
    before = digests(seeds)
    result = run("report", seeds, "-o", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "page.html").read_bytes() == (seeds / "report.html").read_bytes()
    assert digests(seeds) == before
    assert check(seeds).ok


def test_the_report_is_not_written_into_the_corpus(seeds: Path) -> None:
    """A file in the corpus folder is refused with exit code 2, by whatever path it is named."""
    for place in (seeds / "report.html", seeds / "documents" / ".." / "other.html"):
        result = run("report", seeds, "-o", place)
        assert result.exit_code == 2
        assert "guarded" in result.stderr
    assert check(seeds).ok


def test_a_damaged_corpus_is_one_clear_line(tmp_path: Path) -> None:
    """Report and why of a corpus with a broken file say so, and exit with 1."""
    corpus = publish(tmp_path / "out", ordinary(20))
    file = corpus / "removed/part-00000.parquet"
    file.write_bytes(file.read_bytes()[:-20])
    for arguments in (("report", corpus, "-o", tmp_path / "page.html"), ("why", corpus, "000000")):
        result = run(*arguments)
        assert result.exit_code == 1
        assert "cannot" in result.stderr
        assert "Traceback" not in result.output
    assert not (tmp_path / "page.html").exists()
