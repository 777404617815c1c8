"""The libraries that people use load the published corpus as it stands; each is really run."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.records import TABLES
from tests.finished import Article, ordinary, publish

GROUP = "{} is in the dependency group `loaders`"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published corpus in three parts, everything known of its first document."""
    known = Article(
        "A text.\nSubscribe to our letter.\nMore text.\n",
        ((8, 33),),
        fields={
            "source": "Harbour Post",
            "published": datetime(2017, 2, 28, 12, 30, tzinfo=UTC),
            "captions": ["One.", "Two."],
            "word_count": 4,
        },
    )
    return publish(tmp_path_factory.mktemp("loaders"), [known, *ordinary(200)], parts=3)


def rows(corpus: Path, table: str) -> int:
    """How many rows a table has, by its footers."""
    return sum(pq.read_metadata(part).num_rows for part in (corpus / table).iterdir())


@pytest.mark.parametrize("table", TABLES)
def test_pandas(corpus: Path, table: str) -> None:
    """With pandas, the folder of a table is read."""
    pandas = pytest.importorskip("pandas", reason=GROUP.format("pandas"))
    frame = pandas.read_parquet(corpus / table)
    assert len(frame) == rows(corpus, table)
    assert list(frame.columns) == TABLES[table].names
    if table == "documents":
        assert frame["text"][0] == "A text.\nMore text.\n"
        assert frame["published"][0] == pandas.Timestamp("2017-02-28T12:30", tz="UTC")
        assert list(frame["captions"][0]) == ["One.", "Two."]


@pytest.mark.parametrize("table", TABLES)
def test_polars(corpus: Path, table: str) -> None:
    """Polars reads the files of a table, at once and lazily."""
    polars = pytest.importorskip("polars", reason=GROUP.format("polars"))
    frame = polars.read_parquet(corpus / table / "*.parquet")
    assert (frame.height, frame.columns) == (rows(corpus, table), TABLES[table].names)
    lazy = polars.scan_parquet(corpus / "removed/*.parquet").filter(polars.col("start") == 8).collect()
    assert "Subscribe to our letter.\n" in lazy["text"].to_list()
    assert polars.read_parquet(corpus / "documents/*.parquet")["published"][0] == datetime(
        2017, 2, 28, 12, 30, tzinfo=UTC
    )


@pytest.mark.parametrize("table", TABLES)
def test_duckdb(corpus: Path, table: str) -> None:
    """DuckDB queries the files of a table, and joins the ledger to the documents."""
    duckdb = pytest.importorskip("duckdb", reason=GROUP.format("duckdb"))
    with duckdb.connect() as connection:
        [(count,)] = connection.execute(f"SELECT count(*) FROM '{corpus}/{table}/*.parquet'").fetchall()
        assert count == rows(corpus, table)
        columns = connection.execute(f"DESCRIBE SELECT * FROM '{corpus}/{table}/*.parquet'").fetchall()
        assert [column[0] for column in columns] == TABLES[table].names
        query = f"""
            SELECT r.text, d.origin.uri FROM '{corpus}/removed/*.parquet' r
            JOIN '{corpus}/documents/*.parquet' d ON r.document_id = d.id
            WHERE d.source = 'Harbour Post' AND r.start = 8
        """
        assert ("Subscribe to our letter.\n", "articles/000000.txt") in connection.execute(query).fetchall()


@pytest.fixture
def hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The `datasets` library, offline, with a cache of its own."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason=GROUP.format("datasets"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()
    return datasets


@pytest.mark.parametrize("table", TABLES)
def test_hugging_face_datasets_by_configuration(corpus: Path, table: str, hugging_face: Any) -> None:
    """`load_dataset` finds each table as a configuration of the folder."""
    loaded = hugging_face.load_dataset(str(corpus), table, split="train")
    assert (loaded.num_rows, loaded.column_names) == (rows(corpus, table), TABLES[table].names)


def test_hugging_face_datasets_by_default(corpus: Path, hugging_face: Any) -> None:
    """Without a configuration `load_dataset` gives the documents; files can be named as well, and streamed."""
    loaded = hugging_face.load_dataset(str(corpus))["train"]
    assert loaded[0]["text"] == "A text.\nMore text.\n"
    assert loaded[0]["published"] == datetime(2017, 2, 28, 12, 30, tzinfo=UTC)
    assert loaded[0]["origin"]["uri"] == "articles/000000.txt"
    files = hugging_face.load_dataset("parquet", data_files=f"{corpus}/documents/*.parquet", split="train")
    assert files["text"][:] == loaded["text"][:]
    streamed = hugging_face.load_dataset(str(corpus), "documents", split="train", streaming=True)
    assert next(iter(streamed))["text"] == "A text.\nMore text.\n"


def test_hugging_face_datasets_sees_a_new_build(tmp_path: Path, hugging_face: Any) -> None:
    """After another build the new rows are loaded, not those that `datasets` cached under the folder's name."""
    for count in (20, 30):
        corpus = publish(tmp_path / "output", ordinary(count))
        loaded = hugging_face.load_dataset(str(corpus), "documents", split="train")
        assert loaded.num_rows == rows(corpus, "documents")


def test_hugging_face_datasets_streams_an_empty_table(tmp_path: Path, hugging_face: Any) -> None:
    """A table without rows streams as no rows (`datasets` cannot load an empty split in another way)."""
    corpus = publish(tmp_path / "output", [Article("text")])
    assert list(hugging_face.load_dataset(str(corpus), "quarantine", split="train", streaming=True)) == []


@pytest.mark.long
def test_spark(corpus: Path, tmp_path: Path) -> None:
    """Spark reads the folder of each table."""
    sql = pytest.importorskip("pyspark.sql", reason=GROUP.format("pyspark"))
    builder = sql.SparkSession.builder.master("local[1]").config("spark.sql.warehouse.dir", str(tmp_path))
    spark = builder.config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    try:
        for table, schema in TABLES.items():
            frame = spark.read.parquet(str(corpus / table))
            assert (frame.count(), frame.columns) == (rows(corpus, table), schema.names)
        removed = spark.read.parquet(str(corpus / "removed"))
        assert removed.filter("start = 8").filter("text = 'Subscribe to our letter.\n'").count() == 1
    finally:
        spark.stop()
