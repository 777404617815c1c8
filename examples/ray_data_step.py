"""The cleaner as a step of a Ray Data job: a column of texts in, clean texts and their cuts out.

    python examples/ray_data_step.py INPUT OUTPUT       # JSON Lines or Parquet with a column `text`, to Parquet

Each actor loads rules and model once and then cleans batch after batch; Ray spreads the batches over the cluster.
"""

from __future__ import annotations

import sys

import pyarrow as pa
import ray

import pipeline

SPANS = pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64()), ("text", pa.string()), ("label", pa.string())]))


class CleanNews:
    """Cut the boilerplate out of a batch."""

    def __init__(self, strictness: str = "balanced") -> None:
        """An actor's state: how much to remove."""
        self.strictness = strictness

    def __call__(self, batch: pa.Table) -> pa.Table:
        """The batch with the clean `text`, and a column `removed` with what was cut, where, and as what."""
        texts = (text or "" for text in batch["text"].to_pylist())
        articles = list(pipeline.clean_many(texts, strictness=self.strictness))
        spans = [
            [{name: getattr(span, name) for name in ("start", "end", "text", "label")} for span in article.removed]
            for article in articles
        ]
        place = batch.column_names.index("text")
        clean = batch.set_column(place, "text", pa.array([article.text for article in articles], pa.string()))
        return clean.append_column("removed", pa.array(spans, SPANS))


if __name__ == "__main__":
    source, target = sys.argv[1:]
    read = ray.data.read_parquet if source.endswith(".parquet") else ray.data.read_json
    read(source).map_batches(CleanNews, batch_format="pyarrow", batch_size=500, concurrency=1).write_parquet(target)
