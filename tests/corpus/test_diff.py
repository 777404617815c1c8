"""`pipeline diff` names what a build has gained, lost, changed and moved against another one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pipeline.cli import main
from pipeline.corpus.diff import ChangedLine, changed_documents, diff
from tests.finished import Article, ordinary, publish
from tests.write.browser import Browser


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def named(name: str, text: str, cut: tuple[int, int] | None = None, outcome: str | None = None) -> Article:
    reason = {"duplicate": "exact", "quarantine": "wrong-type"}.get(outcome or "")
    return Article(text, (cut,) if cut else (), outcome, reason, fields={"id": name})


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    """A corpus, and one in which every kind of change happened to it."""
    text = "First line.\nBuy now!\nLast line.\n"
    before = [
        named("same", text, (12, 21)),
        named("changed", text),
        named("lost", text),
        named("becomes-duplicate", text),
        named("gone-duplicate", text, None, "duplicate"),
    ]
    after = [
        named("gained", text),
        named("same", text, (12, 21)),
        named("changed", text, (12, 21)),
        named("becomes-duplicate", text, None, "duplicate"),
    ]
    return publish(tmp_path / "before", before), publish(tmp_path / "after", after)


def test_a_corpus_does_not_differ_from_itself(tmp_path: Path) -> None:
    """No document is gained, lost, changed or moved, however the rows lie in parts."""
    made = ordinary(120)
    found = diff(publish(tmp_path / "a", made), publish(tmp_path / "b", made, parts=5))
    assert found.nothing
    assert not found.labels
    assert not found.settings
    assert found.same == sum(article.outcome is None for article in made)


def test_every_kind_of_change_is_told(two: tuple[Path, Path]) -> None:
    """Gained, lost, changed and moved records are named, and the other way round they change places."""
    found = diff(*two)
    assert (found.gained, found.lost, found.changed) == (("gained",), ("lost",), ("changed",))
    assert found.moved == (("becomes-duplicate", "documents", "duplicates"),)
    assert found.same == 1
    assert found.rows == {"documents": (4, 3), "removed": (1, 2), "duplicates": (1, 1), "quarantine": (0, 0)}
    assert found.labels == {"newsletter": (9, 18)}
    back = diff(*reversed(two))
    assert (back.gained, back.lost, back.changed) == (("lost",), ("gained",), ("changed",))
    assert back.moved == (("becomes-duplicate", "duplicates", "documents"),)


def test_a_changed_document_is_shown_line_by_line_with_the_reason(two: tuple[Path, Path]) -> None:
    """A line that is gone comes with the label of the ledger that has it; the other way round it comes back."""
    [document] = changed_documents(*two, ["changed"])
    assert document.lines == (
        ChangedLine("", "First line."),
        ChangedLine("-", "Buy now!", "newsletter", "context"),
        ChangedLine("", "Last line."),
    )
    [back] = changed_documents(*reversed(two), ["changed"])
    assert [line for line in back.lines or () if line.mark] == [ChangedLine("+", "Buy now!", "newsletter", "context")]


def test_texts_too_long_to_compare_are_not_compared(tmp_path: Path) -> None:
    """A document of very many lines is named without its lines."""
    text = "a line\n" * 5_000
    corpora = [publish(tmp_path / name, [named("long", text + name)]) for name in ("a", "b")]
    [document] = changed_documents(corpora[0], corpora[1], diff(*corpora).changed)
    assert document.lines is None
    assert run("diff", *corpora, "--html", tmp_path / "page.html").exit_code == 0


def test_the_summary_says_it_in_a_few_lines(two: tuple[Path, Path]) -> None:
    """The terminal gets counts, names and bytes; --json all of it as one object."""
    assert run("diff", *two).stdout.splitlines() == [
        "1 document has the same text, 1 another one",
        "1 gained: gained",
        "1 lost: lost",
        "changed: changed",
        "1 moved from documents to duplicates",
        "removed as newsletter: 9 bytes, now 18 (+9)",
    ]
    assert json.loads(run("diff", *two, "--json").stdout) == json.loads(json.dumps(diff(*two).to_json()))


def test_what_is_no_corpus_is_an_error(two: tuple[Path, Path], tmp_path: Path) -> None:
    """A folder without a manifest is named; a page inside a corpus is refused."""
    result = run("diff", two[0], tmp_path)
    assert result.exit_code == 1
    assert "is no corpus" in result.stderr
    assert run("diff", *two, "--html", two[1] / "page.html").exit_code == 2


def test_nothing_on_the_page_runs(hostile: Path, tmp_path: Path) -> None:
    """With attacks in ids, titles, texts and reasons the page opens without a dialog, a request or an error."""
    payloads = [
        line for line in (hostile / "xss-payloads.txt").read_text(errors="replace").splitlines() if line.strip()
    ]
    made = [
        Article(f"Kept {payload}\n{payload}\n", fields={"id": f"{number} {payload}", "title": payload})
        for number, payload in enumerate(payloads)
    ]
    cut = [replace(article, cuts=((len(article.text or "") // 2, len(article.text or "")),)) for article in made]
    before, after = publish(tmp_path / "a", made[3:]), publish(tmp_path / "b", cut[:-3])
    page = tmp_path / "page.html"
    assert run("diff", before, after, "--html", page).exit_code == 0
    with Browser() as browser:
        browser.open(page)
        assert browser.run("document.querySelectorAll('details').length") == 200
        assert browser.run("document.querySelectorAll('.gone').length") >= 200
        assert browser.run("document.querySelectorAll('script, img, svg, iframe').length") == 0
        assert browser.complaints() == []
        assert browser.requests() == []
