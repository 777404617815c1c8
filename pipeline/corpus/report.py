"""The report of a corpus that is published already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.corpus import Corpus, open_corpus
from pipeline.errors import CorpusError, UsageError
from pipeline.write import report
from pipeline.write.durable import new_file, writing
from pipeline.write.facts import Facts

if TYPE_CHECKING:
    from pathlib import Path


def write_report(folder: Path, file: Path) -> None:
    """Write the report of a published corpus into a file outside of it.

    The corpus itself is guarded by digests and is never written to: its own report.html is that of its build.

    Raises:
        UsageError: the file lies inside the corpus.
        CorpusError: there is no corpus, or it is damaged.
        WriteError: the file cannot be written.
    """
    corpus = open_corpus(folder)
    target = file.resolve()
    if target.is_relative_to(corpus.folder):
        msg = f"{file} lies inside the corpus, whose files are guarded by their digests; choose another place with -o"
        raise UsageError(msg)
    try:
        page = report.render(corpus.manifest, _facts(corpus))
    except (OSError, pa.ArrowException, KeyError) as error:
        msg = f"{folder} cannot be read: {error}; run `pipeline check` to see what is damaged"
        raise CorpusError(msg) from None
    with writing(target), new_file(target) as stream:
        stream.write(page)


def _facts(corpus: Corpus) -> Facts:
    """What the parts of a corpus told when they were written."""
    facts = Facts()
    for part in corpus.documents_by_part():
        told = Facts()
        for documents, removed in part:
            told.add(documents, removed)
        facts.add_part(*told.tables())
    for batch in corpus.batches("duplicates"):
        facts.add_duplicates(batch)
    for batch in corpus.batches("quarantine"):
        facts.add_quarantine(batch)
    return facts
