"""The feedback loop: doubtful lines out of a corpus, labelled, learned from, and kept as cases that are tried again."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pipeline.build import build
from pipeline.cli import main
from pipeline.config import Config
from pipeline.corpus import open_corpus
from pipeline.corpus.case import add_case
from pipeline.corpus.review import DOCUMENTS, EACH_DOCUMENT, _sample, review
from pipeline.errors import ConfigError, InputError, UsageError
from pipeline.evaluate import read_gold, wrong_lines
from pipeline.strip.model.sheet import Row, documents, read_sheet, write_sheet
from tests.conftest import SEEDS

BODY = (
    "The harbour board voted on Tuesday to keep the old lighthouse open for another ten years, its chairman said.",
    "Repairs to the tower will cost the town about two million crowns, most of it for the stairs and the lamp room.",
    "Visitors climbed the tower forty thousand times last summer, more than in any year since the railway closed.",
)
# Lines of which the model is not sure, whatever it has learned: short, and neither sentence nor request.
DOUBTFUL = (
    "More from the harbour",
    "A day at the lighthouse",
    "Read the board's letter",
    "Latest from the coast",
    "Tower tickets",
    "What we know so far",
    "Seen from the sea",
    "The best of the week",
    "In pictures: the lamp room",
    "Harbour desk",
)


def run(*arguments: object, stdin: str = "", code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty articles of four sources, each with lines that are hard to tell."""
    folder = tmp_path_factory.mktemp("feedback")
    rows = []
    for number in range(60):
        bodies = [BODY[(number + place) % 3].replace("the", f"the {number}", place) for place in range(3)]
        asks = [f"{DOUBTFUL[number % 10]} {number}", DOUBTFUL[(number + 3) % 10]]
        asks.append(f"{DOUBTFUL[(number + 6) % 10]}: part {number}")
        lines = [line for pair in zip(bodies, asks, strict=True) for line in pair]
        rows.append({"id": f"a{number:02d}", "source": f"S{number % 4}", "text": "\n\n".join(lines), "language": "en"})
    (folder / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return build([str(folder / "in.jsonl")], folder / "out", Config(workers=1, dedupe="none")).corpus


def test_doubtful_lines_are_near_the_threshold_and_spread(corpus: Path) -> None:
    """As many lines as were asked for, of every source, few of a document, none twice, their documents around them."""
    rows = review(corpus, lines=20)
    asked = [row for row in rows if row.verdict == "?"]
    assert len(asked) == 20
    assert {row.source for row in asked} == {"S0", "S1", "S2", "S3"}
    assert len({row.text.lower() for row in asked}) == 20
    by_document = [sum(row.id == name for row in asked) for name in {row.id for row in asked}]
    assert max(by_document) <= EACH_DOCUMENT
    nearest = max(abs(float(row.score) - 0.75) for row in asked)
    others = [row for row in review(corpus, lines=1000) if row.verdict == "?"]
    assert len(others) > 20
    assert nearest <= max(abs(float(row.score) - 0.75) for row in others)
    first = next(iter(documents(rows)))
    assert len(first["lines"]) == 6


def test_the_same_corpus_gives_the_same_sheet(corpus: Path, tmp_path: Path) -> None:
    """Nothing is drawn at random, and a second look finds the same."""
    write_sheet(tmp_path / "a.tsv", review(corpus, lines=15))
    write_sheet(tmp_path / "b.tsv", review(corpus, lines=15))
    assert (tmp_path / "a.tsv").read_bytes() == (tmp_path / "b.tsv").read_bytes()


def test_the_sample_takes_every_source_in_its_turn(corpus: Path) -> None:
    """Of sixty documents of four sources eight are two of each."""
    names = _sample(open_corpus(corpus), 8)
    assert sorted(int(name[1:]) % 4 for name in names) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert DOCUMENTS >= len(_sample(open_corpus(corpus), DOCUMENTS)) == 60


def test_a_sheet_can_be_written_and_read_again(corpus: Path, tmp_path: Path) -> None:
    """Every cell comes back; hasty verdicts count; a sheet that is none says where and why."""
    rows = review(corpus, lines=5)
    file = tmp_path / "sheet.tsv"
    write_sheet(file, rows)
    assert read_sheet(file) == rows
    lines = file.read_text().splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("?"))
    for hasty, verdict in (("k", "keep"), ("DROP", "drop"), ("+", "keep"), ("-", "drop")):
        file.write_text("\n".join([*lines[:place], hasty + lines[place][1:], *lines[place + 1 :]]))
        assert read_sheet(file)[place - 1].verdict == verdict
    for broken, words in (("maybe" + lines[place][1:], "line .*no verdict"), ("keep\ttoo few", "2 cells")):
        file.write_text("\n".join([*lines[:place], broken]))
        with pytest.raises(InputError, match=words):
            read_sheet(file)
    file.write_text("text\n")
    with pytest.raises(InputError, match="no sheet"):
        read_sheet(file)


def test_a_corpus_without_doubt_gives_no_sheet(tmp_path: Path) -> None:
    """Where nothing is near the threshold that is said, and no empty sheet is left behind."""
    (tmp_path / "in.txt").write_text(BODY[0] + "\n\n" + BODY[1])
    corpus = build([str(tmp_path / "in.txt")], tmp_path / "out", Config(workers=1)).corpus
    assert "in doubt" in run("review", corpus, "-o", tmp_path / "r.tsv").output
    assert not (tmp_path / "r.tsv").exists()


def test_lines_are_labelled_in_the_terminal(corpus: Path, tmp_path: Path) -> None:
    """Each answer is in the sheet at once; what was skipped or left is asked again the next time."""
    sheet = tmp_path / "r.tsv"
    shown = run("review", corpus, "-o", sheet, "--lines", 6, "--label", stdin="k\nd newsletter\nnonsense\ns\nd\nq\n")
    assert "labels: newsletter" in shown.output
    verdicts = [(row.verdict, row.label) for row in read_sheet(sheet) if row.verdict]
    assert sorted(verdict for verdict, _ in verdicts) == ["?", "?", "?", "drop", "drop", "keep"]
    assert ("drop", "newsletter") in verdicts
    assert "is there already" in run("review", corpus, "-o", sheet, code=2).output
    assert "0 lines to label, 6 labelled" in run("review", corpus, "-o", sheet, "--label", stdin="k\nk\nk\n").output


def labelled(corpus: Path, file: Path) -> list[Row]:
    """A sheet whose every doubtful line is labelled: what says `part` or `pictures` goes, the rest stays."""
    rows = review(corpus, lines=60)
    told = ("drop" if "part" in row.text or "pictures" in row.text else "keep" for row in rows)
    rows = [row._replace(verdict=verdict) if row.verdict else row for row, verdict in zip(rows, told, strict=True)]
    write_sheet(file, rows)
    return rows


def test_weights_of_ones_own_are_learned_and_used(corpus: Path, tmp_path: Path) -> None:
    """What was labelled changes scores the way it was labelled; a build takes the weights, and its manifest says so."""
    pytest.importorskip("catboost", reason="catboost is in the extra [train]")
    from pipeline.strip.model import weights_digest
    from pipeline.strip.model.adapt import adapt

    rows = labelled(corpus, tmp_path / "sheet.tsv")
    weights = tmp_path / "own.npz"
    told = adapt([tmp_path / "sheet.tsv"], weights)
    assert told.labelled == sum(bool(row.verdict) for row in rows)
    assert told.moved <= 0.2
    again = tmp_path / "again.npz"
    adapt([tmp_path / "sheet.tsv"], again)
    assert weights.read_bytes() == again.read_bytes()
    before = wrong_lines(read_gold(tmp_path / "sheet.tsv"), Config())
    after = wrong_lines(read_gold(tmp_path / "sheet.tsv"), Config(model=weights))
    assert after[0] == before[0] == told.labelled
    assert len(after[1]) < len(before[1])
    source = tmp_path / "in.txt"
    source.write_text("\n\n".join(BODY))
    built = build([str(source)], tmp_path / "out", Config(workers=1, model=weights)).corpus
    assert json.loads((built / "manifest.json").read_bytes())["versions"]["model"] == weights_digest(weights)
    with pytest.raises(UsageError, match="other weights"):
        review(built, lines=5)
    assert review(built, lines=5, model=weights) is not None


def test_too_few_labels_teach_nothing(corpus: Path, tmp_path: Path) -> None:
    """Below ten verdicts, or with one kind alone, training says what is missing."""
    pytest.importorskip("catboost", reason="catboost is in the extra [train]")
    write_sheet(tmp_path / "sheet.tsv", review(corpus, lines=20))
    output = run("train", "--add", tmp_path / "sheet.tsv", "-o", tmp_path / "own.npz", code=2).output
    assert "0 lines have a verdict" in output
    assert not (tmp_path / "own.npz").exists()
    assert "--add SHEET" in run("train", "-o", tmp_path / "own.npz", code=2).output


def test_the_command_trains_and_says_what_came_of_it(corpus: Path, tmp_path: Path) -> None:
    """`pipeline train --add` tells how many lines were right before and are now, and the next command."""
    pytest.importorskip("catboost", reason="catboost is in the extra [train]")
    labelled(corpus, tmp_path / "sheet.tsv")
    output = run("train", "--add", tmp_path / "sheet.tsv", "-o", tmp_path / "own.npz").output
    assert "were right before" in output
    assert f"--model {tmp_path / 'own.npz'}" in output
    article = tmp_path / "article.txt"
    article.write_text("\n\n".join(BODY))
    assert run("clean", article, "--model", tmp_path / "own.npz").output


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 broken"])
def test_weights_that_are_none_are_one_clear_line(content: bytes, tmp_path: Path) -> None:
    """A file that is no weights, or is missing, is named, and nothing is built."""
    (tmp_path / "own.npz").write_bytes(content)
    with pytest.raises(ConfigError, match=r"own\.npz"):
        build([str(SEEDS)], tmp_path / "out", Config(workers=1, model=tmp_path / "own.npz"))
    with pytest.raises(ConfigError, match="missing"):
        build([str(SEEDS)], tmp_path / "out", Config(workers=1, model=tmp_path / "missing.npz"))


# -- regression cases


def first_cut(corpus: Path) -> tuple[str, dict[str, Any]]:
    """The id of a document of the seeds' corpus, and a span that was cut from it as an appeal."""
    for entry in (
        json.loads(run("restore", corpus).output.splitlines()[0]),
        *map(json.loads, run("restore", corpus).output.splitlines()),
    ):
        told = json.loads(run("why", corpus, entry["id"], "--json").output)
        for span in told["article"]["removed"]:
            if span["label"] == "newsletter":
                return entry["id"], span
    raise AssertionError


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of the seeds."""
    return build([str(SEEDS)], tmp_path_factory.mktemp("seeds"), Config(workers=1)).corpus


def test_a_wrong_cut_becomes_a_case_with_one_command(seeds: Path, tmp_path: Path) -> None:
    """By its first byte, as the report gives it, or by its text; `rules test --gold` tells that it is still cut."""
    name, span = first_cut(seeds)
    cases = tmp_path / "cases.tsv"
    run("why", "--case", cases, "--keep", span["start"], "--", seeds, name)
    [case] = [row for row in read_sheet(cases) if row.verdict]
    assert case.text == " ".join(span["text"].split())
    assert (case.verdict, case.was) == ("keep", "removed")
    output = run("rules", "test", "--gold", cases, code=1).output
    assert "must stay and goes" in output
    assert "1 labelled line, 1 wrong" in output
    other = tmp_path / "other.tsv"
    add_case(seeds, name, other, keep=(), drop=(case.text,))
    assert "1 labelled line, 0 wrong" in run("rules", "test", "--gold", other).output


def test_every_cut_can_be_named_by_its_first_byte(seeds: Path, tmp_path: Path) -> None:
    """Spans that begin with the blank lines before them lead to their own line all the same."""
    for entry in map(json.loads, run("restore", seeds).output.splitlines()):
        for span in json.loads(run("why", seeds, entry["id"], "--json").output)["article"]["removed"]:
            file = tmp_path / "case.tsv"
            file.unlink(missing_ok=True)
            add_case(seeds, entry["id"], file, keep=(str(span["start"]),), drop=())
            [case] = [row for row in read_sheet(file) if row.verdict]
            assert " ".join(span["text"].split()) in case.text


def test_cases_add_up(seeds: Path, tmp_path: Path) -> None:
    """A second line of the same document joins the first; another document comes behind."""
    cases = tmp_path / "cases.tsv"
    name, span = first_cut(seeds)
    kept = json.loads(run("why", seeds, name, "--json").output)["article"]["text"].splitlines()[0]
    assert add_case(seeds, name, cases, keep=(kept,), drop=()) == 1
    assert add_case(seeds, name, cases, keep=(), drop=(str(span["start"]),)) == 2
    assert len(list(documents(read_sheet(cases)))) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((), "--keep"), (("--keep", "no such words at all"), "no lines"), (("--keep", "e"), "lines have the text")],
)
def test_a_case_that_names_no_line_says_so(arguments: tuple[str, ...], words: str, seeds: Path, tmp_path: Path) -> None:
    """Nothing to keep or drop, a text that no line has, or several: one clear line, and no file."""
    name, _ = first_cut(seeds)
    assert words in run("why", seeds, name, "--case", tmp_path / "c.tsv", *arguments, code=2).output
    assert not (tmp_path / "c.tsv").exists()
    assert "--case" in run("why", seeds, name, "--keep", "x", code=2).output


def test_shell_words_of_the_report_are_one_word_each() -> None:
    """What the report's script quotes is what a shell reads: the same rule in both."""
    for word in ("a b", "it's", "$(touch x)", "-rf", "a\\b", "é|;&<>*?"):
        assert shlex.split("'" + word.replace("'", "'\\''") + "'") == [word]
    assert os.sep == "/"
