"""Find the block rules' units: several lines that go together, from opener to closer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines
    from pipeline.strip.rules import BlockRule, Hits, Rules


class Found(NamedTuple):
    """One block: lines `first` to `last`, both included, and the number of its rule in `Rules.blocks`."""

    first: int
    last: int
    block: int


def find_blocks(lines: Lines, hits: Hits, rules: Rules) -> list[Found]:
    """All blocks of a batch, ordered by first line; blocks of different rules may overlap."""
    by_target = _Lookup(hits)
    found: list[Found] = []
    for number, rule in enumerate(rules.blocks):
        starts = by_target.lines(rule.starts)
        if len(starts):
            found += _follow(lines, rule, number, starts, by_target)
    return sorted(found)


class _Lookup:
    """The lines that each target hit."""

    def __init__(self, hits: Hits) -> None:
        order = np.argsort(hits.target, kind="stable")
        self._target = hits.target[order]
        self._line = hits.line[order]

    def lines(self, target: int) -> NDArray[np.int64]:
        low, high = np.searchsorted(self._target, [target, target + 1])
        return self._line[low:high]


def _follow(lines: Lines, rule: BlockRule, number: int, starts: NDArray[np.int64], by_target: _Lookup) -> list[Found]:
    """The blocks of one rule; the next one is looked for behind the last line of the one before."""
    ends = set(by_target.lines(rule.ends).tolist())
    inner = set(by_target.lines(rule.inner).tolist())
    stops = set(by_target.lines(rule.stops).tolist())
    found: list[Found] = []
    behind = -1
    for start in starts.tolist():
        if start < behind:
            continue
        limit = min(int(lines.first[lines.document[start] + 1]), start + rule.block.max_lines)
        last = _last_line(lines, rule, start, limit, ends, inner, stops)
        if last - start + 1 >= rule.block.min_lines:
            found.append(Found(start, last, number))
            behind = last + 1
    return found


def _last_line(
    lines: Lines, rule: BlockRule, start: int, limit: int, ends: set[int], inner: set[int], stops: set[int]
) -> int:
    """The last line of a block that begins at `start`; before `start` if there is none."""
    restricted = rule.inner >= 0 or rule.block.inner_max_length > 0
    last = start
    for line in range(start + 1, limit):
        length = int(lines.end[line] - lines.start[line])
        if line in stops or length > rule.block.line_max_length:
            break
        if line in ends:
            return line
        if restricted and line not in inner and length > rule.block.inner_max_length:
            break
        last = line
    return last if rule.ends < 0 else start - 1
