"""Find the block rules' units: several lines that go together, from opener to closer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.strip.rules.plain import begins_with_quote

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines
    from pipeline.strip.rules import BlockRule, Hits, Rules

# Last bytes of a sentence: full stop, comma, semicolon, colon, straight quotation mark. (A curly one ends in 0x9D.)
_SENTENCE_END: Final = frozenset(b'.,;:"\x9d')


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
    limits = np.minimum(lines.first[lines.document[starts] + 1], starts + rule.block.max_lines)
    found: list[Found] = []
    behind = -1
    for start, limit in zip(starts.tolist(), limits.tolist(), strict=True):
        if start < behind:
            continue
        last = _last_line(lines, rule, start, limit, ends, inner, stops)
        if last - start + 1 >= rule.block.min_lines:
            found.append(Found(start, last, number))
            behind = last + 1
    return found


def _last_line(
    lines: Lines, rule: BlockRule, start: int, limit: int, ends: set[int], inner: set[int], stops: set[int]
) -> int:
    """The last line of a block that begins at `start`; before `start` if there is none."""
    last = start
    for line in range(start + 1, limit):
        size = int(lines.end[line] - lines.start[line])
        if line in stops or size > rule.block.line_max_length:
            break
        if rule.block.unquoted and begins_with_quote(lines.text(line)):
            break
        if line in ends:
            return line
        if line not in inner and not _belongs(lines, rule, line, size):
            break
        last = line
    return last if rule.ends < 0 else start - 1


def _belongs(lines: Lines, rule: BlockRule, line: int, size: int) -> bool:
    """Whether a line of so many bytes that no `inner` pattern matches may be inside by its shape."""
    if rule.inner < 0 and not rule.block.inner_max_length:
        return True  # only `ends`, `stops` and `max_lines` bound the block
    if size > rule.block.inner_max_length:
        return False
    return not rule.block.inner_headline or lines.buffer[lines.end[line] - 1] not in _SENTENCE_END
