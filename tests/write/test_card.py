"""The dataset card and the Croissant metadata, read by the libraries that they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.records import TABLES
from pipeline.write.card import size_category
from tests.finished import Article, ordinary, write


def test_the_hub_library_accepts_the_card(tmp_path: Path) -> None:
    """huggingface_hub reads the front matter without an error and finds a configuration for each table."""
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is in the dependency group `loaders`")
    write(tmp_path, ordinary(60))
    card = hub.DatasetCard.load(tmp_path / "README.md", ignore_metadata_errors=False)
    assert [config["config_name"] for config in card.data.configs] == list(TABLES)
    assert [config["config_name"] for config in card.data.configs if config.get("default")] == ["documents"]
    assert card.data.language == ["de", "en"]
    assert card.data.size_categories == ["n<1K"]


def test_nothing_of_a_document_gets_into_the_card(tmp_path: Path) -> None:
    """A language tag made of YAML and Markdown leaves no trace in the card."""
    evil = 'en"]\nlicense: mit\n---\n<script>'
    write(tmp_path, [Article("text", fields={"language": evil}), Article("text", fields={"language": "pt-BR"})])
    card = (tmp_path / "README.md").read_text()
    assert "<script>" not in card
    assert "mit" not in card.split("---")[1]
    assert 'language: ["pt"]' in card


def test_every_column_is_explained(tmp_path: Path) -> None:
    """The card has a line for every column of every table."""
    write(tmp_path, ordinary(10))
    card = (tmp_path / "README.md").read_text()
    for schema in TABLES.values():
        for field in schema:
            assert f"| `{field.name}` |" in card


def test_a_build_without_documents_has_a_card(tmp_path: Path) -> None:
    """An empty corpus divides nothing by zero."""
    write(tmp_path, [])
    assert "0 records = 0 documents" in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("rows", "name"),
    [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**9, "1B<n<10B"), (10**11, "100B<n<1T"), (10**12, "n>1T")],
)
def test_size_categories_are_the_words_of_the_hub(rows: int, name: str) -> None:
    """Each number of rows has the Hub's word for it."""
    assert size_category(rows) == name


def test_croissant_is_valid_and_reads_every_table(tmp_path: Path) -> None:
    """Its library mlcroissant finds no error in the metadata, and reads through it every row of every table."""
    croissant = pytest.importorskip("mlcroissant", reason="mlcroissant is in the dependency group `loaders`")
    counts = write(tmp_path, ordinary(60), parts=3)
    dataset = croissant.Dataset(jsonld=str(tmp_path / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    for table in TABLES:
        records = list(dataset.records(table))
        assert len(records) == counts.rows[table]
        assert records[0].keys() >= {f"{table}/{field.name}" for field in TABLES[table]}
