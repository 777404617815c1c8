"""An older corpus as what came earlier: `pipeline build --against CORPUS` marks what that corpus holds already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline import dedupe, shards
from pipeline.corpus import Corpus, open_corpus
from pipeline.errors import UsageError
from pipeline.records import complete
from pipeline.stages import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from pipeline.config import Config

_NEEDED = ("id", "text", "origin")


@dataclass(frozen=True, slots=True)
class OlderPart:
    """One part of the documents of an older corpus.

    Attributes:
        corpus: the corpus.
        name: of the part, relative to its folder.
        work: folder of finished work.
    """

    corpus: Corpus
    name: str
    work: Path

    @property
    def cost(self) -> int:
        """How much work it is, as bytes."""
        size: int = self.corpus.manifest["files"][self.name]["size"]
        return size

    def file(self, stage: str) -> Path:
        """Where a stage's result for this part lies."""
        return self.work / f"{key_of('against', self.corpus.manifest['files'][self.name])}.{stage}{shards.SUFFIX}"

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Its documents, as records that have come to their end."""
        for batch in self.corpus.part(self.name, "documents"):
            yield complete({name: batch[name] for name in _NEEDED}, len(batch))

    def __str__(self) -> str:
        return f"{self.corpus.folder / self.name}"


@dataclass(frozen=True, slots=True)
class OlderStep:
    """Take the fingerprints, and for near-duplicates the signatures, of one part of an older corpus."""

    near: bool

    def __call__(self, task: OlderPart) -> None:
        """Writes the shard `fingerprints` and, if need be, the shard `signatures`."""
        prints, signatures = task.file("fingerprints"), task.file("signatures")
        if shards.is_finished(prints) and (not self.near or shards.is_finished(signatures)):
            return
        if self.near:
            shards.write_shard(signatures, map(dedupe.signatures_of, task.batches()), dedupe.SIGNATURES)
        keys = (dedupe.fingerprints(batch, first) for first, batch in shards.numbered(task.batches()))
        shards.write_shard(prints, keys, dedupe.FINGERPRINTS)

    def blame(self, task: OlderPart, dies: Callable[[OlderPart], bool]) -> OlderPart:
        """Documents that were published once are no longer anybody's to set aside."""
        del dies
        return task


def older_parts(config: Config, work: Path) -> list[OlderPart]:
    """The parts of the corpus of `--against`; none when there is no such corpus.

    Raises:
        UsageError: `--dedupe none` was given: there would be nothing to compare.
        CorpusError: there is no corpus, or its manifest is damaged.
    """
    if config.against is None:
        return []
    if config.dedupe == "none":
        msg = "--against needs --dedupe exact or near: with none, texts are not compared"
        raise UsageError(msg)
    corpus = open_corpus(config.against)
    return [OlderPart(corpus, name, work) for name in corpus.parts("documents")]


def digest_of(parts: list[OlderPart]) -> dict[str, str]:
    """What the manifest says of the older corpus: the digest of its own manifest, no path."""
    return {"against": parts[0].corpus.manifest["digest"]} if parts else {}
