"""Finished parts of a dataset, kept beside it: what the next build needs again it links instead of writing it.

A part lies under a key of everything its bytes depend on. Its files are hard links to those of the published build (a
copy where the file system has no links), so keeping them costs no space.
"""

from __future__ import annotations

import json
import shutil
import uuid
from typing import TYPE_CHECKING, Final

from pipeline.write.counts import PartCounts
from pipeline.write.dataset import part_name, write_part
from pipeline.write.durable import file_digest, new_folder, remove, writing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pyarrow as pa

SUFFIX: Final = ".part"
_COUNTS: Final = "counts.json"


def find_part(place: Path) -> PartCounts | None:
    """The counts of a finished part, or None when it is not there or not as it was written.

    The digest of every file is compared: a link shares its bytes with a published file, and that one may be damaged.
    """
    try:
        described = json.loads((place / _COUNTS).read_bytes())
        whole = all(list(file_digest(place / name)) == digest for name, digest in described["files"].items())
        return PartCounts.from_json(described["counts"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def make_part(batches: Iterable[pa.RecordBatch], place: Path, *, signals: bool = False) -> PartCounts:
    """Write finished records as a part, whole or not at all.

    Raises:
        WriteError: the disk is full or read-only, or the device fails.
    """
    aside = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
    with writing(place):
        new_folder(aside)
        counts = write_part(batches, aside, 0, signals=signals)
        files = {str(file.relative_to(aside)): file_digest(file) for file in sorted(aside.glob("*/*"))}
        (aside / _COUNTS).write_text(json.dumps({"counts": counts.to_json(), "files": files}), encoding="utf-8")
        remove(place)
        aside.rename(place)
    return counts


def link_part(place: Path, folder: Path, number: int) -> None:
    """Make a finished part the part `number` of the dataset in a staging folder.

    Raises:
        WriteError: the disk is full or read-only, or the device fails.
    """
    with writing(folder):
        for file in place.glob("*/*"):
            target = folder / file.parent.name / part_name(number)
            new_folder(target.parent)
            target.unlink(missing_ok=True)  # of a worker that was killed
            try:
                target.hardlink_to(file)
            except OSError:  # no links here, or too many of one file
                shutil.copy2(file, target)
