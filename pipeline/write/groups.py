"""What became of the records of each source, and of each language: sums that can be added up over parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

# Over so many different names the least telling are forgotten, and counted as others.
COUNTED: Final = 200_000
REMEMBERED: Final = 20_000
# So many the manifest lists; SQL over the tables has all of them.
LISTED: Final = 1_000


class Group(NamedTuple):
    """What became of the records with one name.

    Attributes:
        name: of the source, or the language tag; None where it is unknown.
        documents: how many.
        words: of their clean texts.
        text_bytes: of these.
        removed_bytes: of their input texts.
        duplicates: records set aside as such.
        quarantine: records in quarantine.
    """

    name: str | None
    documents: int = 0
    words: int = 0
    text_bytes: int = 0
    removed_bytes: int = 0
    duplicates: int = 0
    quarantine: int = 0

    @property
    def records(self) -> int:
        """All of them, whatever became of them."""
        return self.documents + self.duplicates + self.quarantine

    @property
    def removed_ratio(self) -> float:
        """Share of its documents' input bytes that was removed."""
        return self.removed_bytes / max(self.text_bytes + self.removed_bytes, 1)


FIGURES: Final = Group._fields[1:]


class Groups:
    """The records by one column. Memory: at most `COUNTED` names.

    Attributes:
        forgotten: how many names were, at least; their figures are in no group.
    """

    def __init__(self) -> None:
        self._known: dict[str | None, list[int]] = {}
        self.forgotten = 0

    def add(self, names: pa.Array, figures: Mapping[str, NDArray[Any]]) -> None:
        """Count rows.

        Args:
            names: the name of each row, null where unknown.
            figures: of `FIGURES`, some whole numbers for each row.
        """
        table = pa.table({"name": names, **{figure: values.astype(np.int64) for figure, values in figures.items()}})
        summed = table.group_by("name", use_threads=False).aggregate([(figure, "sum") for figure in figures])
        columns = [summed[f"{figure}_sum"].to_pylist() for figure in figures]
        for name, *values in zip(summed["name"].to_pylist(), *columns, strict=True):
            self._count(Group(name, **dict(zip(figures, values, strict=True))))

    def add_counted(self, groups: Iterable[Sequence[Any]], forgotten: int) -> None:
        """Count what `ordered` gave for a part."""
        self.forgotten += forgotten
        for values in groups:
            self._count(Group(*values))

    def _count(self, group: Group) -> None:
        known = self._known.setdefault(group.name, [0] * len(FIGURES))
        for place, value in enumerate(group[1:]):
            known[place] += value

    def forget(self) -> None:
        """Let go of those that lost least when there are too many."""
        if len(self._known) > COUNTED:
            self.forgotten += len(self._known) - REMEMBERED
            self._known = {group.name: list(group[1:]) for group in self.ordered()[:REMEMBERED]}

    def ordered(self) -> list[Group]:
        """The groups, what lost most bytes first."""
        groups = [Group(name, *values) for name, values in self._known.items()]
        return sorted(groups, key=lambda group: (-group.removed_bytes, -group.documents, group.name or ""))

    def largest(self) -> dict[str, Any]:
        """The groups with most records, for the manifest: `LISTED` of them, and how many others there are."""
        groups = sorted(self.ordered(), key=lambda group: -group.records)
        return {
            "figures": ["name", *FIGURES],
            "largest": [list(group) for group in groups[:LISTED]],
            "others": max(len(groups) - LISTED, 0) + self.forgotten,
        }
