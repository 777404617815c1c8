"""Labelled lines for training: whose they are, what may be learned from them, and how they are recombined."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.records import LABELS
from pipeline.strip.lines import split_lines
from pipeline.strip.model.gold import DROP, KEEP, UNKNOWN, Page, house_of, read_pages, recombine, set_folds
from pipeline.strip.model.sheet import Row, write_sheet


def _record(number: int, **fields: Any) -> dict[str, Any]:
    body = [{"text": f"Paragraph {number} {place} of a story about a bridge.", "label": "keep"} for place in range(6)]
    junk = [
        {"text": "Sign up for our newsletter", "label": "drop", "cls": "newsletter"},
        {"text": "Share  this", "label": "drop", "cls": "share_tools"},
        {"text": "A bridge closes", "label": "title"},
        {"text": " ", "label": "drop"},
    ]
    return {
        "doc_id": f"page-{number}",
        "dataset": "aeb",
        "publisher_domain": f"paper{number}.com",
        "lang": "en",
        "track": "full" if number % 2 else "residue",
        "tier": "core",
        "lines": [junk[2], *body[:3], junk[0], *body[3:], junk[1], junk[3]],
        **fields,
    }


def _pages(folder: Path, records: list[dict[str, Any]]) -> list[Page]:
    file = folder / "gold.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join(json.dumps(record) for record in records).encode()))
    return read_pages([file])


def test_lines_keep_their_labels(tmp_path: Path) -> None:
    """Blank lines are left out, white space is made even, and classes become labels."""
    page = _pages(tmp_path, [_record(0)])[0]
    assert page.lines[-1] == "Share this"
    assert page.verdict == [UNKNOWN, *[KEEP] * 3, DROP, *[KEEP] * 3, DROP]
    assert [LABELS[label] for label in (page.label[0], page.label[4], page.label[8])] == [
        "title",
        "newsletter",
        "share",
    ]


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({}, True),
        ({"dataset": "l3s_gn1"}, False),
        ({"dataset": "dragnet"}, False),
        ({"dataset": "hand_news", "licence": "AGPL-3.0"}, False),
        ({"dataset": "hand_news", "licence": "MIT"}, True),
    ],
)
def test_only_data_whose_licence_allows_it_is_learned_from(
    tmp_path: Path, fields: dict[str, str], allowed: bool
) -> None:
    """Research-only and AGPL pages are for evaluation."""
    assert _pages(tmp_path, [_record(0, **fields)])[0].allowed is allowed


def test_one_house_has_one_name() -> None:
    """Country domains, `www` and `the` do not make another publisher."""
    assert house_of("www.theguardian.com") == house_of("guardian.co.uk")
    assert house_of("nbcnews.com") == house_of("msnbc.com")
    assert house_of("times.example") != house_of("post.example")


def test_a_publisher_is_in_one_fold(tmp_path: Path) -> None:
    """All pages of a house get the same fold, and every fold gets some."""
    records = [_record(number, publisher_domain=f"paper{number % 7}.com") for number in range(40)]
    pages = set_folds(_pages(tmp_path, records), 5)
    folds = {page.house: {other.fold for other in pages if other.house == page.house} for page in pages}
    assert all(len(found) == 1 for found in folds.values())
    assert {page.fold for page in pages} == set(range(5))


def test_recombined_text_stays_in_its_fold(tmp_path: Path) -> None:
    """What is put into a page comes from pages of the same fold, and the body keeps its order."""
    pages = set_folds(_pages(tmp_path, [_record(number) for number in range(60)]), 5)
    made = recombine(pages)
    assert made
    assert recombine(pages) == made
    for page in made:
        same_fold = {line for other in pages if other.fold == page.fold for line in other.lines}
        assert set(page.lines) <= same_fold
        kept = [line for line, verdict in zip(page.lines, page.verdict, strict=True) if verdict == KEEP]
        assert kept == sorted(kept)


@pytest.mark.long
def test_training_gives_a_model_that_loads(tmp_path: Path) -> None:
    """One command from labelled lines, a sheet among them, to a weights file: the same bytes of weights each time."""
    pytest.importorskip("torch")
    pytest.importorskip("catboost")
    from pipeline.strip.model import load_model

    _pages(tmp_path, [_record(number) for number in range(60)])
    write_sheet(tmp_path / "own.tsv", [Row("drop", "share", "", "", "a", "own.example", "en", "Share this article")])
    outputs = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for output in outputs:
        arguments = [tmp_path / "gold.jsonl.gz", "-o", output, "--trees", 3, "--add", tmp_path / "own.tsv"]
        result = CliRunner().invoke(main, ["train", *map(str, arguments)])
        assert result.exit_code == 0, result.output
    with np.load(outputs[0]) as one, np.load(outputs[1]) as two:
        assert all(np.array_equal(one[name], two[name]) for name in one.files)
    scores = load_model(outputs[0]).score(split_lines(pa.array(["A bridge closes\nSign up for our newsletter"])))
    assert len(scores.score) == 2
