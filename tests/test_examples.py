"""The examples run: the cleaner as one step in pipelines of others, on the libraries themselves."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.dataset
import pytest

import pipeline
from tests.conftest import ROOT

EXAMPLES = ROOT / "examples"
TEXTS = [
    f"The council of ward {number} voted to keep the bridge open.\n\nSign up for our free weekly newsletter\n\n"
    "Engineers will look at the piers in spring, the mayor said, and report in June.\n"
    for number in range(700)
]


@pytest.fixture
def articles(tmp_path: Path) -> Path:
    """A file of 700 articles: more than are worked on at once."""
    folder = tmp_path / "in"
    folder.mkdir()
    rows = ({"id": str(number), "text": text, "section": "city"} for number, text in enumerate(TEXTS))
    (folder / "articles.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def run(example: str, *arguments: Path) -> None:
    """Run an example as a reader would."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, str(EXAMPLES / example), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def needs(library: str) -> None:
    """Skip where a library is missing."""
    if not importlib.util.find_spec(library):
        pytest.skip(f"the example is for {library}")


def test_a_step_of_a_datatrove_pipeline(articles: Path, tmp_path: Path) -> None:
    """Every document comes out, clean, in order, with its other fields and every cut in its metadata."""
    needs("datatrove")
    run("datatrove_step.py", articles, tmp_path / "out")
    [file] = (tmp_path / "out").glob("*.jsonl")
    documents = [json.loads(line) for line in file.read_text().splitlines()]
    assert [document["text"] for document in documents] == [pipeline.clean(text).text for text in TEXTS]
    assert [document["id"] for document in documents] == [str(number) for number in range(700)]
    assert {document["metadata"]["section"] for document in documents} == {"city"}
    assert {span["label"] for document in documents for span in document["metadata"]["removed"]} == {"newsletter"}


@pytest.mark.long
def test_a_step_of_a_ray_data_job(articles: Path, tmp_path: Path) -> None:
    """Every row comes out of a real Ray job, clean, with its other columns and what was cut."""
    needs("ray")
    pytest.importorskip("ray.data", reason="Ray Data is in ray[data]")
    run("ray_data_step.py", articles / "articles.jsonl", tmp_path / "out")
    rows = pyarrow.dataset.dataset(tmp_path / "out").to_table().to_pylist()
    expected = {str(number): pipeline.clean(text).text for number, text in enumerate(TEXTS)}
    assert {str(row["id"]): row["text"] for row in rows} == expected
    assert {span["label"] for row in rows for span in row["removed"]} == {"newsletter"}
    assert {row["section"] for row in rows} == {"city"}
