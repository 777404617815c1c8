"""The cleaner as a step of a datatrove pipeline: documents in, clean documents out, what was cut in their metadata.

    python examples/datatrove_step.py INPUT OUTPUT      # folders of JSON Lines, with `text` and `id` in each line

datatrove drops what a filter rejects and rewrites what a formatter touches; this step does neither. The text loses its
boilerplate, and `metadata["removed"]` has every span with its offsets, label and evidence, so the input can be rebuilt.
"""

from __future__ import annotations

import sys
from itertools import islice
from typing import TYPE_CHECKING

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter

import pipeline

if TYPE_CHECKING:
    from datatrove.data import DocumentsPipeline


class CleanNews(PipelineStep):
    """Cut the boilerplate out of every document."""

    name = "clean news"
    type = "✂️ - CLEANER"

    def __init__(self, strictness: str = "balanced", together: int = 500) -> None:
        """A step.

        Args:
            strictness: careful, balanced or thorough.
            together: documents that are worked on at once; many together go some ten times as fast as one by one.
        """
        super().__init__()
        self.strictness = strictness
        self.together = together

    def run(self, data: DocumentsPipeline, rank: int = 0, world_size: int = 1) -> DocumentsPipeline:  # noqa: ARG002 - datatrove's signature
        """The documents, clean, in order."""
        documents = iter(data)
        while batch := list(islice(documents, self.together)):
            with self.track_time("batch"):
                articles = list(pipeline.clean_many((document.text for document in batch), strictness=self.strictness))
            for document, article in zip(batch, articles, strict=True):
                self.stat_update("documents")
                self.stat_update("removed", value=len(article.removed), unit="span")
                found = article.to_json()
                document.text = found.pop("text")
                document.metadata |= {name: value for name, value in found.items() if value}
                yield document


if __name__ == "__main__":
    source, target = sys.argv[1:]
    LocalPipelineExecutor(
        pipeline=[JsonlReader(source), CleanNews(), JsonlWriter(target, compression=None)],
        logging_dir=f"{target}/logs",
    ).run()
