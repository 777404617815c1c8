"""What became of the records of each source and language, as the manifest of a corpus has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.corpus import open_corpus
from pipeline.errors import CorpusError
from pipeline.write.groups import Group

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stats:
    """The groups with most records, at most `groups.LISTED`, and how many others there are."""

    groups: tuple[Group, ...]
    others: int


def stats_of(folder: Path, by: str) -> Stats:
    """What became of the records, by `source` or by `language`.

    Raises:
        CorpusError: there is no corpus, its manifest is damaged, or an earlier version wrote it.
    """
    manifest = open_corpus(folder).manifest
    try:
        listed = manifest["groups"][by]
        return Stats(tuple(Group(*values) for values in listed["largest"]), listed["others"])
    except (KeyError, TypeError):
        msg = f"the manifest of {folder} does not tell its records by {by}; build the corpus again with this version"
        raise CorpusError(msg) from None
