"""Match the rule packs against all lines of a batch.

Only lines that hold the words a pattern needs ever reach RE2. Those words are found for the whole batch at once (see
`wordkeys`), and equal short lines are matched once. The answer for a line depends on that line and its place in its
document alone, never on the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.records import LABELS
from pipeline.strip.candidates import Candidates
from pipeline.strip.lines import chosen_lines
from pipeline.strip.packs import (
    BUILT_IN,
    DEFAULT_MAX_LENGTH,
    Block,
    Pack,
    Rule,
    Where,
    expand,
    expand_definitions,
    read_packs,
)
from pipeline.strip.plain import begins_with_quote, original_offset, plain_lines
from pipeline.strip.prefilter import Needs, needs_of
from pipeline.strip.probe import Probe
from pipeline.strip.wordkeys import find_word_keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import re2
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines

# Lines up to this length come back often enough to remember what matched them.
_REMEMBERED_MAX_LENGTH: Final = 160
_REMEMBERED_LINES: Final = 1 << 16

# A long line this many lines away from where a pattern wants it is searched too: it may come to stand there when other
# lines go.
_REACH: Final = 6

_NO_LIMIT: Final = 1 << 40


class Matches(NamedTuple):
    """What matched in which line, wherever that stands: enough to tell the hits again when other lines have gone.

    Attributes:
        line: int64[matches], ascending.
        found: int64[matches, 3]: index into `Rules.targets`, and where in the line the match starts and ends.
    """

    line: NDArray[np.int64]
    found: NDArray[np.int64]

    def take(self, chosen: NDArray[np.int64]) -> Matches:
        """Those of some lines, ascending, which are counted anew."""
        place = np.minimum(np.searchsorted(chosen, self.line), max(len(chosen) - 1, 0))
        own = chosen[place] == self.line if len(chosen) else np.zeros(len(self.line), np.bool_)
        return Matches(place[own], self.found[own])


class Hits(NamedTuple):
    """What matched where its rule wants it, ordered by line, then by rule.

    Attributes:
        line: int64[hits].
        target: int32[hits], index into `Rules.targets`.
        start: int64[hits], offset in the lines' buffer of what is to go.
        end: int64[hits]; of a whole-line rule, `start` and `end` are those of the line.
    """

    line: NDArray[np.int64]
    target: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Target:
    """What a pattern speaks for: a rule, or one part of a block.

    Attributes:
        id: id of the rule or block.
        label: code of the label, index into `LABELS`.
        part: "rule", or "starts", "ends", "inner", "stops" of a block.
        strong: a rule that removes alone.
        span: a rule that removes part of its line.
    """

    id: str
    label: int
    part: str = "rule"
    strong: bool = False
    span: bool = False


@dataclass(frozen=True, slots=True)
class BlockRule:
    """A block with the targets of its parts; -1 where it has no such part."""

    block: Block
    label: int
    starts: int
    ends: int
    inner: int
    stops: int


class _Found(NamedTuple):
    """A match within one line: offsets count from the line's first byte."""

    target: int
    start: int
    end: int


@dataclass
class Rules:
    """All rules of all packs, ready to match. Make it with `load_packs`.

    Attributes:
        packs: the built-in packs first, then a user's.
        built_in: how many of them are built in.
    """

    packs: tuple[Pack, ...]
    built_in: int = 0
    targets: list[Target] = field(default_factory=list, init=False)
    blocks: list[BlockRule] = field(default_factory=list, init=False)
    _probes: list[Probe] = field(default_factory=list, init=False, repr=False)
    # What matched short lines: all targets but the inner parts of blocks, and those alone.
    _remembered: dict[bytes, tuple[_Found, ...]] = field(default_factory=dict, init=False, repr=False)
    _remembered_inside: dict[bytes, tuple[_Found, ...]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._where: list[Where] = []
        needs: list[Needs] = []
        built_in: list[bool] = []
        for number, pack in enumerate(self.packs):
            fragments = expand_definitions(pack.define, pack.label)
            label = LABELS.index(pack.label)
            for rule in pack.rule:
                target = Target(rule.id, label, "rule", rule.strength == "strong", rule.span)
                self._add(target, rule.patterns, _rule_where(rule), fragments, needs, rule.unless)
            for block in pack.block:
                self._add_block(block, label, fragments, needs)
            built_in += [number < self.built_in] * (len(self._probes) - len(built_in))
        self._built_in = np.array(built_in, np.bool_)
        self._index = Candidates(needs)
        self._index_places()

    def __reduce__(self) -> tuple[type[Rules], tuple[tuple[Pack, ...], int]]:
        return Rules, (self.packs, self.built_in)

    def match(self, lines: Lines) -> Hits:
        """Match every pattern against every line it could match."""
        return self.in_place(lines, self.find(lines))

    def find(self, lines: Lines, body: NDArray[np.bool_] | None = None) -> Matches:
        """What every pattern matches in every line it could match; of short lines in any place, of long ones nearby.

        Args:
            lines: the lines of a batch.
            body: bool[lines], long lines that are body beyond doubt: a user's patterns alone are tried on them.
        """
        line, probe = self._candidates(lines, body)
        inside = self._inside[self._probe_target[probe]]
        found = self._search(lines, line[~inside], probe[~inside], self._remembered)
        line, probe = self._in_begun_blocks(lines, line[inside], probe[inside], found)
        found += self._search(lines, line, probe, self._remembered_inside)
        found.sort()
        table = np.array([(line, *match) for line, match in found], np.int64).reshape(-1, 4)
        return Matches(table[:, 0], table[:, 1:])

    def in_place(self, lines: Lines, matches: Matches) -> Hits:
        """The matches that stand where their rule wants them."""
        line, (target, start, end) = matches.line, matches.found.T
        keep = self._stands(lines, line, target)
        base = lines.start[line]
        return Hits(line[keep], target[keep].astype(np.int32), (base + start)[keep], (base + end)[keep])

    # -- building ------------------------------------------------------------------------------------------------------

    def _add(
        self,
        target: Target,
        patterns: Sequence[str],
        where: Where,
        fragments: dict[str, str],
        needs: list[Needs],
        unless: str = "",
    ) -> int:
        """Register a target and its patterns; its number, or -1 if there are no patterns."""
        if not patterns:
            return -1
        number = len(self.targets)
        self.targets.append(target)
        self._where.append(where)
        place = f"rule {target.id!r}"
        veto = expand(unless, fragments, place) if unless else ""
        for pattern in patterns:
            whole = expand(pattern, fragments, place)
            self._probes.append(Probe(whole, place, number, target.span, veto))
            needs.append(needs_of(whole))
        return number

    def _add_block(self, block: Block, label: int, fragments: dict[str, str], needs: list[Needs]) -> None:
        numbers = {}
        for part in ("starts", "ends", "inner", "stops"):
            where = block.where if part == "starts" else Where(max_length=block.line_max_length)
            if where.max_length is None:
                where = where.model_copy(update={"max_length": block.line_max_length})
            target = Target(block.id, label, part)
            numbers[part] = self._add(target, block.patterns(part), where, fragments, needs)
        self.blocks.append(BlockRule(block, label, **numbers))

    def _index_places(self) -> None:
        longest = [_NO_LIMIT if where.max_length is None else where.max_length for where in self._where]
        self._max_length = np.array(longest, np.int64)
        self._min_length = np.array([where.min_length for where in self._where], np.int64)
        self._head = np.array([where.head for where in self._where], np.int64)
        self._tail = np.array([where.tail for where in self._where], np.int64)
        self._unquoted = np.array([where.unquoted for where in self._where], np.bool_)
        self._block_of = np.full(len(self.targets), -1, np.int64)
        self._inside = np.array([target.part not in ("rule", "starts") for target in self.targets], np.bool_)
        for number, block in enumerate(self.blocks):
            for part in (block.starts, block.ends, block.inner, block.stops):
                if part >= 0:
                    self._block_of[part] = number
        self._probe_target = np.array([probe.target for probe in self._probes], np.int64)

    # -- matching ------------------------------------------------------------------------------------------------------

    def _candidates(self, lines: Lines, body: NDArray[np.bool_] | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of line and probe worth a search, ordered by line, then probe.

        What is remembered of a short line holds in any place, so only long lines are judged here by where they stand.
        """
        if body is None or not self._built_in.all():
            line, probe = self._index.find(lines, find_word_keys(lines.buffer, lines.base))
            if body is not None:
                tried = ~(body[line] & self._built_in[probe])
                line, probe = line[tried], probe[tried]
        else:  # most bytes of news are body: what is not is put together, and only that is searched for words
            chosen = np.flatnonzero(~body)
            open_lines = chosen_lines(lines, chosen)
            line, probe = self._index.find(open_lines, find_word_keys(open_lines.buffer, open_lines.base))
            line = chosen[line]
        length = lines.end[line] - lines.start[line]
        target = self._probe_target[probe]
        fits = (self._min_length[target] <= length) & (length <= self._max_length[target])
        fits &= (length <= _REMEMBERED_MAX_LENGTH) | self._stands(lines, line, target, _REACH)
        return line[fits], probe[fits]

    def _in_begun_blocks(
        self, lines: Lines, line: NDArray[np.int64], probe: NDArray[np.int64], found: list[tuple[int, _Found]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Those pairs of inner parts whose block has an opener in the document; of a short line, any block."""
        begun = np.zeros((len(lines.first) - 1, len(self.blocks)), np.bool_)
        for number, match in found:
            if self.targets[match.target].part == "starts":
                begun[lines.document[number], self._block_of[match.target]] = True
        document = lines.document[line]
        short = lines.end[line] - lines.start[line] <= _REMEMBERED_MAX_LENGTH
        any_begun: NDArray[np.bool_] = np.any(begun, axis=1)
        wanted = np.where(short, any_begun[document], begun[document, self._block_of[self._probe_target[probe]]])
        return line[wanted], probe[wanted]

    def _search(
        self,
        lines: Lines,
        line: NDArray[np.int64],
        probe: NDArray[np.int64],
        remembered: dict[bytes, tuple[_Found, ...]],
    ) -> list[tuple[int, _Found]]:
        """Run RE2 over the candidates, line by line."""
        found: list[tuple[int, _Found]] = []
        waiting: dict[bytes, int] = {}
        contents: list[bytes] = []
        places: list[list[int]] = []
        asked: list[tuple[int, int]] = []
        edges = [*np.flatnonzero(np.diff(line, prepend=-1)).tolist(), len(line)]
        numbers = line[edges[:-1]].tolist()
        starts, ends = lines.start[numbers].tolist(), lines.end[numbers].tolist()
        data = lines.buffer.tobytes()
        for number, low, high, start, end in zip(numbers, edges[:-1], edges[1:], starts, ends, strict=True):
            content = data[start:end]
            if end - start <= _REMEMBERED_MAX_LENGTH:
                matches = remembered.get(content)
                if matches is not None:
                    found += [(number, match) for match in matches]
                    continue
                slot = waiting.setdefault(content, len(contents))
                if slot < len(contents):
                    places[slot].append(number)
                    continue
            contents.append(content)
            places.append([number])
            asked.append((low, high))
        results = self._search_contents(contents, np.array(asked, np.int64).reshape(-1, 2), probe)
        for content, slot in waiting.items():
            if len(remembered) < _REMEMBERED_LINES:
                remembered[content] = results[slot]
        found += [
            (n, match) for numbers, matches in zip(places, results, strict=True) for match in matches for n in numbers
        ]
        return found

    def _search_contents(
        self, contents: list[bytes], asked: NDArray[np.int64], probe: NDArray[np.int64]
    ) -> list[tuple[_Found, ...]]:
        """All matches in each of many lines, one for each target; probe by probe, as one search can serve many lines.

        Args:
            contents: the lines.
            asked: int64[lines, 2], which part of `probe` is for each line.
            probe: numbers of probes.
        """
        subjects = plain_lines(contents)
        quoted = np.array([begins_with_quote(content) for content in contents], np.bool_)
        low, high = asked.T
        count = high - low
        slot = np.repeat(np.arange(len(contents)), count)
        probe = probe[np.repeat(low - np.cumsum(count) + count, count) + np.arange(int(count.sum()))]
        heard = ~(quoted[slot] & self._unquoted[self._probe_target[probe]])
        slot, probe = slot[heard], probe[heard]
        order = np.argsort(probe, kind="stable")
        slot, probe = slot[order], probe[order]
        matches: list[dict[int, _Found]] = [{} for _ in contents]
        edges = [*np.flatnonzero(np.diff(probe, prepend=-1)).tolist(), len(probe)]
        for first, last in pairwise(edges):
            self._search_probe(self._probes[int(probe[first])], slot[first:last].tolist(), contents, subjects, matches)
        return [tuple(entry[target] for target in sorted(entry)) if entry else () for entry in matches]

    @staticmethod
    def _search_probe(
        probe: Probe, slots: list[int], contents: list[bytes], subjects: list[bytes], matches: list[dict[int, _Found]]
    ) -> None:
        """Search one pattern in the lines `slots`, and add what it finds to their `matches`."""
        for slot in _worth_a_search(probe.loose, slots, subjects):
            if probe.target in matches[slot]:
                continue
            hit = probe.regexp.search(subjects[slot])
            if hit is not None and (probe.unless is None or probe.unless.search(subjects[slot]) is None):
                matches[slot][probe.target] = _found(probe, hit, contents[slot])

    def _stands(
        self, lines: Lines, line: NDArray[np.int64], target: NDArray[np.int64], reach: int = 0
    ) -> NDArray[np.bool_]:
        """Whether each line stands where its target wants it in the document, or at most `reach` lines away from it."""
        document = lines.document[line]
        head = line - lines.first[document] < self._head[target] + reach
        tail = lines.first[document + 1] - line <= self._tail[target] + reach
        anywhere = (self._head[target] == 0) & (self._tail[target] == 0)
        return (head & (self._head[target] > 0)) | (tail & (self._tail[target] > 0)) | anywhere


def load_packs(directories: Sequence[Path] = ()) -> Rules:
    """The built-in packs and those of a user's folders, ready to match.

    Raises:
        RuleError: names the file, the rule where there is one, and what to do.
    """
    packs = read_packs(tuple(directories))
    return Rules(tuple(packs.values()), sum(path.parent == BUILT_IN for path in packs))


def _worth_a_search(loose: re2._Regexp, slots: list[int], subjects: list[bytes]) -> list[int]:
    """Those of the lines that a match of the loose pattern touches, when all are searched as one text.

    A match may reach over several lines; then each of them gets a search of its own.
    """
    joined = b"\n".join([subjects[slot] for slot in slots])
    spans = [match.span() for match in loose.finditer(joined)]
    if not spans:
        return []
    starts = np.cumsum([0, *(len(subjects[slot]) + 1 for slot in slots[:-1])])
    low, high = np.array(spans, np.int64).T
    first = np.searchsorted(starts, low, "right") - 1
    last = np.searchsorted(starts, np.maximum(high - 1, low), "right") - 1
    touched = np.zeros(len(slots) + 1, np.int64)
    np.add.at(touched, first, 1)
    np.add.at(touched, last + 1, -1)
    return [slots[place] for place in np.flatnonzero(np.cumsum(touched[:-1]) > 0).tolist()]


def _rule_where(rule: Rule) -> Where:
    """A whole-line rule without a limit of its own gets the usual one; a weak rule never speaks against a quotation."""
    where = rule.where.model_copy(update={"unquoted": rule.where.unquoted or rule.strength == "weak"})
    if rule.span or where.max_length is not None:
        return where
    return where.model_copy(update={"max_length": DEFAULT_MAX_LENGTH})


def _found(probe: Probe, hit: re2._Match, content: bytes) -> _Found:
    if probe.cut < 0:
        return _Found(probe.target, 0, len(content))
    start, end = hit.span(probe.cut)
    if start < 0:  # the group took no part in the match
        start, end = hit.span()
    return _Found(probe.target, original_offset(content, start), original_offset(content, end))
