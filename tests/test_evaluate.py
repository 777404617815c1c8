"""The evaluation counts what the benchmark's own scorer counts."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.cli import main
from pipeline.config import Config
from pipeline.errors import InputError
from pipeline.evaluate import evaluate, read_gold

BODY = (
    "The harbour board voted on Tuesday to keep the old lighthouse open for another ten years, its chairman said.",
    "Repairs to the tower will cost the town about two million crowns, most of it for the stairs and the lamp room.",
    "Visitors climbed the tower forty thousand times last summer, more than in any year since the railway closed.",
)


def document(*lines: tuple[str, str], **fields: Any) -> dict[str, Any]:
    return {"lines": [{"text": text, "label": label} for text, label in lines], **fields}


def test_a_perfect_cleaning_scores_one(tmp_path: Path) -> None:
    """Body kept and an obvious prompt removed: full marks, nothing harmed."""
    prompt = ("Sign up for our free daily newsletter", "drop")
    gold = [document(*((line, "keep") for line in BODY), prompt)]
    figures = evaluate(gold, Config()).total.figures()
    assert (figures["token_f1"], figures["exact_documents"], figures["lines_removed"]) == (1.0, 1.0, 1.0)
    assert (figures["body_lines_lost"], figures["harmed_documents"]) == (0.0, 0.0)


def test_a_prompt_that_gold_calls_body_counts_as_a_loss() -> None:
    """The figures can get worse: removing a line that gold keeps is a lost line and a harmed document."""
    gold = [document(*((line, "keep") for line in BODY), ("Sign up for our free daily newsletter", "keep"))]
    result = evaluate(gold, Config(), worst=1)
    figures = result.total.figures()
    assert figures["body_lines_lost"] == 0.25
    assert (figures["exact_documents"], figures["harmed_documents"]) == (0.0, 1.0)
    assert len(result.worst) == 1


def test_gold_that_is_none_is_a_clear_error(tmp_path: Path) -> None:
    """A file that is no gold says which line is wrong."""
    file = tmp_path / "gold.jsonl"
    file.write_text('{"lines": []}\n[1]\n', encoding="utf-8")
    with pytest.raises(InputError, match="line 2"):
        list(read_gold(file))


def test_the_command_prints_the_same_figures_as_json(tmp_path: Path) -> None:
    """`pipeline evaluate --json` gives the figures by group."""
    file = tmp_path / "gold.jsonl.gz"
    rows = [document(*((line, "keep") for line in BODY), lang=lang) for lang in ("en", "de")]
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    result = CliRunner().invoke(main, ["evaluate", str(file), "--by", "lang", "--json"])
    assert result.exit_code == 0, result.output
    figures = json.loads(result.output)["figures"]
    assert set(figures) == {"all", "de", "en"}
    assert figures["all"]["documents"] == 2


# Our name for a figure, and the name of it in the benchmark's scorer.
SAME = {
    "token_f1": "bag_f1",
    "lines_removed": "boiler_line_removed",
    "removal_precision": "removal_precision_lines",
    "body_lines_lost": "body_line_loss",
    "exact_documents": "exact_docs",
    "harmed_documents": "docs_harmed",
}


def test_the_figures_are_those_of_the_benchmarks_scorer(bench: Path, tmp_path: Path) -> None:
    """On one data set of the benchmark both scorers agree to the third decimal."""
    wanted = {"track": "residue", "tier": "core", "lang": "en", "dataset": "fundus_eval"}
    gold = list(read_gold(bench / "dev.jsonl.gz", **wanted))
    ours = evaluate(gold, Config()).total.figures()
    predictions = tmp_path / "predictions.jsonl"
    predictions.write_text("\n".join(map(json.dumps, cleaned(gold))), encoding="utf-8")
    command = [sys.executable, bench / "score.py", "--gold", bench / "dev.jsonl.gz", "--pred", predictions]
    options = ["--track", "residue", "--tier", "core", "--lang", "en", "--dataset", "fundus_eval"]
    output = subprocess.run([*map(str, command), *options], check=True, capture_output=True, text=True).stdout
    theirs = json.loads(output)["all"]
    assert {name: ours[name] for name in SAME} == pytest.approx({name: theirs[SAME[name]] for name in SAME}, abs=0.001)


def cleaned(gold: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The clean texts of gold documents, cleaned as `evaluate` does: one corpus for each extractor."""
    import pyarrow as pa

    from pipeline.evaluate import _batch
    from pipeline.strip.cleaner import load_cleaner, sightings_of
    from pipeline.strip.repetition import templates

    rows = []
    for extractor in sorted({row["extractor"] for row in gold}):
        corpus = [row for row in gold if row["extractor"] == extractor]
        batch = _batch(corpus)
        seen = pa.Table.from_batches([sightings_of(batch)])
        texts = load_cleaner((), "balanced").strip(batch, templates([lambda table=seen: table], 1 << 30)).column("text")
        rows += [
            {"doc_id": row["doc_id"], "extractor": extractor, "text": text or ""}
            for row, text in zip(corpus, texts.to_pylist(), strict=True)
        ]
    return rows
