"""Whether what a build is about to make is published already: then nothing is left to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pipeline.corpus import open_corpus
from pipeline.errors import CorpusError
from pipeline.write import manifest
from pipeline.write.counts import PartCounts
from pipeline.write.durable import file_digest, new_file, writing

if TYPE_CHECKING:
    from pathlib import Path

NOTE: Final = "published.json"


def note_published(work: Path, key: str, corpus: Path) -> None:
    """Note what was published.

    Args:
        work: the work folder.
        key: of everything that decides about the bytes of the build.
        corpus: the published corpus.

    Raises:
        WriteError: the disk is full or read-only, or the device fails.
    """
    with writing(work), new_file(work / NOTE) as file:
        file.write(json.dumps({"key": key, "build": corpus.resolve().name}).encode())


def published_counts(work: Path, key: str, corpus: Path) -> PartCounts | None:
    """The counts of the published corpus, if it is what a build with this key makes, and whole.

    Args:
        work: the work folder.
        key: of everything that decides about the bytes of the build.
        corpus: the published corpus, if any.
    """
    folder = corpus.resolve()
    try:
        if json.loads((work / NOTE).read_bytes()) != {"key": key, "build": folder.name}:
            return None
        content = open_corpus(folder).manifest
        if manifest.build_name((folder / manifest.FILE_NAME).read_bytes()) != folder.name:
            return None
        there = {str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir()}
        written = {name: (entry["size"], entry["sha256"]) for name, entry in content["files"].items()}
        if there != {manifest.FILE_NAME, *written}:
            return None
        if any(file_digest(folder / name) != digest for name, digest in written.items()):
            return None
        return PartCounts.from_json(content["counts"])
    except (OSError, ValueError, CorpusError):
        return None
