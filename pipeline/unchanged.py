"""Whether what a build is about to publish is published already: then nothing is left to describe or to switch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from pipeline.corpus import open_corpus
from pipeline.errors import CorpusError
from pipeline.write import facts, manifest
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


def is_published(work: Path, key: str, corpus: Path, staged: Path) -> bool:
    """Whether the published corpus is what these parts would become, and whole.

    Args:
        work: the work folder.
        key: of everything that decides about the bytes of the build.
        corpus: the published corpus, if any.
        staged: the staging folder with all its parts, each of them checked.
    """
    folder = corpus.resolve()
    try:
        if json.loads((work / NOTE).read_bytes()) != {"key": key, "build": folder.name}:
            return False
        listed = open_corpus(folder).manifest["files"]
        if manifest.build_name((folder / manifest.FILE_NAME).read_bytes()) != folder.name:
            return False
        there = {str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir()}
        whole = all(_is_as_written(folder / name, entry, staged / name) for name, entry in listed.items())
    except (OSError, ValueError, CorpusError):
        return False
    parts = {str(file.relative_to(staged)) for file in staged.glob("*/*") if file.parent.name != facts.FOLDER}
    return whole and parts <= set(listed) and there == {manifest.FILE_NAME, *listed}


def _is_as_written(file: Path, entry: dict[str, object], staged: Path) -> bool:
    """Whether a file has the digest of the manifest, and so has what is staged in its place: mostly, a link to it."""
    written = (entry["size"], entry["sha256"])
    if staged.exists():
        return staged.samefile(file) or file_digest(staged) == file_digest(file) == written
    return file_digest(file) == written
