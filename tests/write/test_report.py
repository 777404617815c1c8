"""The report: what it shows, that it is the same bytes everywhere, and that nothing in the data gets to run."""

from __future__ import annotations

import html.parser
import json
import random
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.build import build
from pipeline.config import Config
from pipeline.corpus.report import write_report
from pipeline.write import facts, groups, report, samples
from tests.conftest import SEEDS
from tests.finished import Article, ordinary, publish, write
from tests.write.browser import Browser

FIELDS = ("id", "source", "title", "url", "language")


def data_of(page: Path) -> dict[str, Any]:
    """The data block of a report, as the browser reads it."""
    [block] = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL
    )
    read: dict[str, Any] = json.loads(block)
    return read


def text_of(document: dict[str, Any]) -> str:
    return "".join(piece if isinstance(piece, str) else piece[0] for piece in document["pieces"])


@pytest.fixture(scope="module")
def seeds_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of the seeds."""
    return build([str(SEEDS)], tmp_path_factory.mktemp("built"), Config(workers=1)).corpus / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this file."""
    with Browser() as opened:
        yield opened


def test_a_small_corpus_is_shown_whole(seeds_report: Path) -> None:
    """Every seed is there, and its pieces joined are the input file."""
    documents = data_of(seeds_report)["documents"]
    inputs = {file.read_bytes().decode("utf-8-sig") for file in SEEDS.glob("*.txt")}
    shown = [text_of(document) for document in documents if not any(isinstance(p, int) for p in document["pieces"])]
    assert len(documents) == 4
    assert set(shown) <= inputs
    assert shown


def test_the_figures_are_those_of_the_manifest(tmp_path: Path) -> None:
    """Accounting, labels, reasons and flags agree with the manifest; the sources' documents add up."""
    write(tmp_path, ordinary(300), parts=4)
    manifest, data = json.loads((tmp_path / "manifest.json").read_bytes()), data_of(tmp_path / "report.html")
    assert data["accounting"] == manifest["accounting"]
    assert {label["name"]: label["spans"] for label in data["labels"]} == manifest["counts"]["spans"]
    assert {label["name"]: label["bytes"] for label in data["labels"]} == manifest["counts"]["removed_bytes"]
    assert {reason["name"]: reason["count"] for reason in data["quarantine"]} == manifest["counts"]["quarantine"]
    assert {name: flag["count"] for name, flag in data["flags"].items()} == manifest["counts"]["flags"]
    assert sum(source["documents"] for source in data["sources"]) == manifest["accounting"]["documents"]
    assert sum(source["kept"] for source in data["sources"]) == manifest["counts"]["text_bytes"]
    removed = sum(manifest["counts"]["removed_bytes"].values())
    assert sum(source["removed"] for source in data["sources"]) == removed
    for name in ("duplicates", "quarantine"):
        assert sum(source[name] for source in data["sources"]) == manifest["accounting"][name]


def test_removed_lines_are_counted(tmp_path: Path) -> None:
    """Lines that were removed from several documents come with their number, the most frequent first."""
    made = [
        Article(f"Body {n}.\nSubscribe now!\n", ((len(f"Body {n}.\n"), len(f"Body {n}.\n") + 15),)) for n in range(7)
    ]
    made += [replace(made[n], text=f"Bod {n}.\n\nRead on. ...!\n") for n in range(3)]
    write(tmp_path, made, parts=3)
    assert [(line["text"], line["count"]) for line in data_of(tmp_path / "report.html")["lines"]] == [
        ("Subscribe now!", 7),
        ("Read on. ...!", 3),
    ]


def test_counting_forgets_the_rarest_when_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With more different lines or sources than memory is given for, the frequent ones stay."""
    for module in (facts, groups):
        monkeypatch.setattr(module, "COUNTED", 20)
        monkeypatch.setattr(module, "REMEMBERED", 5)
    often = [Article("x\nAgain and again\n", ((2, 18),), fields={"source": "often"}) for _ in range(30)]
    once = [Article(f"x\nOnly {n:03d} once\n", ((2, 16),), fields={"source": f"rare {n}"}) for n in range(60)]
    made = often + once
    random.Random(1).shuffle(made)
    write(tmp_path, made, parts=9)
    data = data_of(tmp_path / "report.html")
    assert data["lines"][0]["text"] == "Again and again"
    assert data["sources"][0]["name"] == "often"
    assert data["other_sources"] > 0


def test_the_flagged_and_those_that_lost_most_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few documents fit, the flagged come first, then those that lost most, then some of each label."""
    for name, size in (("LOST_MOST", 3), ("EACH_LABEL", 1), ("ANY", 2)):
        monkeypatch.setattr(samples, name, size)
    made = [Article("a" * 99 + "\n", ((0, n),) if n else ()) for n in range(40)]
    made[7] = replace(made[7], fields={"flags": ["heavy-removal"]})
    write(tmp_path, made, parts=4)
    documents = data_of(tmp_path / "report.html")["documents"]
    numbers = [int(document["id"].split("-")[0]) for document in documents]
    assert numbers[:4] == [7, 39, 38, 37]
    assert 4 < len(numbers) <= 10


def test_the_page_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long texts lose their middle, and no more documents are shown than fit."""
    monkeypatch.setattr(report, "DOCUMENTS_BYTES", 100_000)
    made = [Article(f"{n} " * 9_000 + "end\n", ((0, 3_000),)) for n in range(90)]
    write(tmp_path, [*made, Article("w" * 200_000)])
    page = tmp_path / "report.html"
    assert page.stat().st_size < 180_000
    documents = data_of(page)["documents"]
    assert all(any(isinstance(piece, int) for piece in document["pieces"]) for document in documents[:9])
    whole = [
        sum(p if isinstance(p, int) else len(p if isinstance(p, str) else p[0]) for p in d["pieces"])
        for d in documents[:9]
    ]
    assert whole == [len(made[int(document["id"].split("-")[0])].text or "") for document in documents[:9]]


def test_what_is_too_much_to_show_is_said_so(tmp_path: Path) -> None:
    """A huge cut leaves the text out, very many cuts end in a count of what is not shown; bytes are right in both."""
    huge = Article("a" + "b" * 300_000 + "c\n", ((1, 300_001),))
    many = Article("kx" * 500 + "end\n", tuple((2 * n + 1, 2 * n + 2) for n in range(500)))
    write(tmp_path, [huge, many])
    shown = {document["id"][:6]: document for document in data_of(tmp_path / "report.html")["documents"]}
    assert shown["000000"]["pieces"] is None
    assert (shown["000000"]["bytes"], shown["000000"]["removed"]) == (300_003, 300_000)
    assert shown["000001"]["removed"] == 500
    pieces = shown["000001"]["pieces"]
    assert (
        sum(piece if isinstance(piece, int) else len(piece if isinstance(piece, str) else piece[0]) for piece in pieces)
        == 1004
    )
    assert isinstance(pieces[-1], int)


def test_workers_and_batches_change_no_byte(tmp_path: Path) -> None:
    """The page is the same however the rows were batched."""
    pages = []
    for rows in (1, 7, 1000):
        write(tmp_path / f"{rows}", ordinary(400), rows=rows, parts=3)
        pages.append((tmp_path / f"{rows}/report.html").read_bytes())
    assert pages[0] == pages[1] == pages[2]


def test_what_parts_told_is_what_their_tables_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report of a build, from facts that its parts left, is the report of the published tables."""
    for name, size in (("LOST_MOST", 9), ("EACH_LABEL", 3), ("ANY", 20)):
        monkeypatch.setattr(samples, name, size)
    corpus = publish(tmp_path, ordinary(600), rows=50, parts=5)
    write_report(corpus, tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (corpus / "report.html").read_bytes()
    assert not (corpus / facts.FOLDER).exists()


class _Scripts(html.parser.HTMLParser):
    """The elements of a page that a browser would build from its markup."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))


def test_no_data_becomes_markup(hostile: Path, tmp_path: Path) -> None:
    """With attacks in every field the page has the same elements and the same policy as without any."""
    write(tmp_path / "plain", ordinary(3))
    write(tmp_path / "evil", attacked(hostile))
    pages = []
    for name in ("plain", "evil"):
        scripts = _Scripts()
        scripts.feed((tmp_path / name / "report.html").read_text(encoding="utf-8"))
        pages.append(scripts.elements)
    assert pages[0] == pages[1]
    for tag, attributes in pages[0]:
        assert not {name for name in attributes if name.startswith("on")}, tag
        assert "src" not in attributes
        assert attributes.get("href", "#")[:1] == "#" or attributes["href"] == "data:,"


def attacked(hostile: Path) -> list[Article]:
    """Documents and quarantined records with a script injection in every field that is shown."""
    payloads = (hostile / "xss-payloads.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    payloads = [payload for payload in payloads if payload.strip()]
    extra = ["</script><script>alert(1)</script>", "<!--<script>", "javascript:alert(1)", "\u2028\u2029&lt;", "{DATA}"]
    made = []
    for number, payload in enumerate([*payloads, *extra]):
        fields: dict[str, Any] = dict.fromkeys(FIELDS, payload) | {"id": f"{number} {payload}"}
        text = f"Kept {payload}\n{payload}\n"
        cut = (len(f"Kept {payload}\n"), len(text))
        spans = [
            {
                "start": len(text[: cut[0]].encode()),
                "end": len(text.encode()),
                "text": text[cut[0] :],
                "label": payload if number % 2 else "newsletter",
                "evidence": [payload, f"rule:{payload}"],
                "score": 0.5,
            }
        ]
        made.append(
            Article(text, (cut,), fields={**fields, "removed": spans, "flags": [payload] if number < 9 else None})
        )
        made.append(
            Article(
                text,
                outcome="quarantine",
                reason=payload if number < 99 else "invalid-json",
                fields={**fields, "detail": payload},
            )
        )
    return made


# --- in a real browser ----------------------------------------------------------------------------------------------


def test_the_page_opens_without_a_word_and_asks_for_nothing(browser: Browser, seeds_report: Path) -> None:
    """No console message, no error, no request; funnel, bars, lines and documents are drawn."""
    browser.open(seeds_report)
    assert browser.run("document.querySelector('#headline').textContent").startswith("4 articles, ")
    assert browser.run("document.querySelector('#account').textContent") == (
        "4 records = 4 documents + 0 duplicates + 0 in quarantine"
    )
    assert browser.run("document.querySelectorAll('#funnel svg .band').length") >= 3
    assert browser.run("document.querySelectorAll('#by-label .bar').length") >= 5
    assert browser.run("document.querySelectorAll('#frequent tbody tr').length") >= 1
    assert browser.run("document.querySelectorAll('#document mark.cut').length") >= 5
    assert browser.run("window.scrollY") == 0
    assert browser.complaints() == []
    assert browser.requests() == []


def test_a_wrong_cut_shows_the_command_that_makes_it_a_case(browser: Browser, seeds_report: Path) -> None:
    """A click on a cut gives a `pipeline why --case` with its first byte, the corpus and the id, fit for a shell."""
    browser.open(seeds_report)
    assert browser.run("document.querySelector('#document .case').hidden") is True
    browser.run("document.querySelector('#document mark.cut').click()")
    words = shlex.split(browser.run("document.querySelector('#document .case code').textContent"))
    start = browser.run("document.querySelector('#document mark.cut').start")
    assert words[:6] == ["pipeline", "why", "--case", "cases.tsv", "--keep", str(start)]
    assert words[6:8] == ["--", str(seeds_report.parent)]
    assert browser.run(f"quoted({json.dumps('it' + chr(39) + 's $(x)')})") == "'it'" + chr(92) + "''s $(x)'"
    assert browser.complaints() == []


def test_filters_and_search_find_documents(browser: Browser, seeds_report: Path) -> None:
    """Choosing a label leaves the documents that have it; a search finds a word of one text; nonsense finds none."""
    data = data_of(seeds_report)
    browser.open(seeds_report)

    def found(setting: str) -> int:
        name, _, value = setting.partition("=")
        script = f"document.querySelector('#{name}').value = {json.dumps(value)};"
        script += f"document.querySelector('#{name}').dispatchEvent(new Event('input', {{bubbles: true}}));"
        browser.run(script)
        entries = browser.run("document.querySelectorAll('#list .entry').length")
        assert browser.run("document.querySelector('#found').textContent").startswith(str(entries))
        return int(entries)

    for label in {
        piece[1] for document in data["documents"] for piece in document["pieces"] if isinstance(piece, list)
    }:
        having = [d for d in data["documents"] if any(isinstance(p, list) and p[1] == label for p in d["pieces"])]
        assert found(f"label={label}") == len(having)
    found("label=")
    assert found("query=  NEWSLETTER ") == sum("newsletter" in str(d["pieces"]).lower() for d in data["documents"])
    assert found("query=qqqqqq") == 0
    assert "No document" in browser.run("document.querySelector('#document').textContent")
    assert found("query=") == 4
    browser.run("document.querySelector('#by-label button').click()")
    assert browser.run("document.querySelector('#label').value") != ""
    assert browser.complaints() == []


def test_arrow_keys_walk_through_the_list(browser: Browser, seeds_report: Path) -> None:
    """Down shows the next document, up the one before, and neither leaves the list."""
    browser.open(seeds_report)
    shown = []
    for key in ("ArrowDown", "ArrowUp", "ArrowUp"):
        event = f"new KeyboardEvent('keydown', {{key: '{key}', bubbles: true, cancelable: true}})"
        browser.run(f"document.querySelector('#list').dispatchEvent({event})")
        shown.append(
            browser.run("[...document.querySelector('#list').children].findIndex(e => e.ariaSelected == 'true')")
        )
    assert shown == [1, 0, 0]


def test_pointing_at_a_cut_shows_its_evidence(browser: Browser, seeds_report: Path) -> None:
    """The label, the score and every word of evidence stand in the tip; it goes when the pointer leaves."""
    browser.open(seeds_report)
    over = "(mark => mark.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})))"
    browser.run(f"{over}(document.querySelector('#document mark.cut'))")
    tip = browser.run("document.querySelector('#tip').hidden ? null : document.querySelector('#tip').textContent")
    assert re.search(r" · score [01]\.\d\d", tip)
    assert re.search(r"rule:|model|repeated|context", tip)
    browser.run(f"{over}(document.querySelector('#document h3'))")
    assert browser.run("document.querySelector('#tip').hidden")


def test_clean_text_alone_is_what_the_corpus_holds(browser: Browser, seeds_report: Path) -> None:
    """With the box ticked, the page shows the text column of the corpus and nothing else of the document."""
    browser.open(seeds_report)
    browser.run("document.querySelector('.legend input').click()")
    shown = browser.run("document.querySelector('#document .text').innerText")
    removed = browser.run("[...document.querySelectorAll('#document mark')].map(mark => mark.textContent)")
    assert shown.strip()
    assert not any(line in shown for line in removed if len(line) > 30)


def test_the_dark_page_is_dark(browser: Browser, seeds_report: Path) -> None:
    """A reader who asks for dark gets light text on a dark ground."""
    with Browser() as other:
        other.dark()
        other.open(seeds_report)
        assert other.run("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"
    browser.open(seeds_report)
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(251, 250, 246)"


def test_no_attack_in_any_field_runs(browser: Browser, hostile: Path, tmp_path: Path) -> None:
    """A page full of script injections is drawn, opened and pointed at: no dialog, no request, no error."""
    write(tmp_path, attacked(hostile))
    browser.open(tmp_path / "report.html")
    count = browser.run("document.querySelectorAll('#list .entry').length")
    assert count > 100
    browser.run(
        """const entries = [...document.querySelectorAll('#list .entry')];
           for (const entry of entries.filter((_, index) => index % 8 === 0)) {
             entry.click();
             for (const mark of document.querySelectorAll('#document mark'))
               mark.dispatchEvent(new MouseEvent('mouseover', {bubbles: true}));
           }
           for (const button of [...document.querySelectorAll('main button')].slice(0, 20)) button.click();"""
    )
    assert (
        browser.run("document.querySelectorAll('img, iframe, object, embed, body svg[onload], [onclick]').length") == 0
    )
    assert browser.run("document.querySelectorAll('script').length") == 2
    links = browser.run("[...document.querySelectorAll('#document a')].map(link => link.protocol)")
    assert set(links) <= {"http:", "https:"}
    assert browser.complaints() == []
    assert browser.requests() == []


def test_the_policy_lets_no_script_in(browser: Browser, seeds_report: Path) -> None:
    """A script, a handler and an image that get into the page all the same are stopped by its policy."""
    browser.open(seeds_report)
    browser.run(
        """window.ran = false;
           const attempts = [
             () => { const script = document.createElement('script'); script.append('window.ran = true');
                     document.body.append(script); },
             () => { const button = document.createElement('button'); document.body.append(button);
                     button.setAttribute('onclick', 'window.ran = true'); button.click(); },
             () => { document.body.innerHTML = '<img src=x onerror="window.ran = true">'; },
             () => { const image = document.createElement('img'); image.src = 'http://127.0.0.1:9/x.png';
                     document.body.append(image); },
           ];
           for (const attempt of attempts) { try { attempt(); } catch (error) { /* refused */ } }
           null"""
    )
    assert browser.run("window.ran") is False
    assert browser.requests() == []
    assert any("Content Security Policy" in str(complaint) for complaint in browser.complaints())
