"""Match the rule packs against all lines of a batch.

Equal short lines are matched once (see `seen`), and only lines that hold the words a pattern needs ever reach RE2 (see
`candidates`), first all together with a cheaper form of the pattern (see `loosened`). The answer for a line depends on
that line and its place in its document alone, never on the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.records import LABELS
from pipeline.strip.rules.candidates import Candidates
from pipeline.strip.rules.derived import derived_of
from pipeline.strip.rules.packs import BUILT_IN, expand, expand_definitions, read_packs
from pipeline.strip.rules.probe import Probe
from pipeline.strip.rules.schema import DEFAULT_MAX_LENGTH, Block, Pack, Rule, Where
from pipeline.strip.rules.search import Matches, Search
from pipeline.strip.rules.seen import REMEMBERED_MAX_LENGTH, Seen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines
    from pipeline.strip.rules.prefilter import Needs

_NO_LIMIT: Final = 1 << 40


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
        """What every pattern matches in every line it could match; wherever the line stands.

        Args:
            lines: the lines of a batch.
            body: bool[lines], long lines that are body beyond doubt: a user's patterns alone are tried on them.
        """
        tried = np.arange(len(lines))
        if body is not None and self._built_in.all():  # most bytes of news are body
            tried = np.flatnonzero(~body)
        sighting = self._seen.look_up(lines, tried)
        line, probe = self._candidates(lines, sighting.unknown, body)
        late = self._inside[self._probe_target[probe]] & (lines.end - lines.start > REMEMBERED_MAX_LENGTH)[line]
        matches = self._seen.matches(sighting, self._search(lines, line[~late], probe[~late]))
        return self._with_begun_blocks(lines, matches, line[late], probe[late])

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
            derived = derived_of(whole)
            self._probes.append(Probe(whole, place, number, target.span, veto, derived.loosened))
            needs.append(derived.needs)
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
        self._block_of = np.full(len(self.targets), -1, np.int64)
        self._starts = np.array([target.part == "starts" for target in self.targets], np.bool_)
        self._inside = np.array([target.part not in ("rule", "starts") for target in self.targets], np.bool_)
        for number, block in enumerate(self.blocks):
            for part in (block.starts, block.ends, block.inner, block.stops):
                if part >= 0:
                    self._block_of[part] = number
        self._probe_target = np.array([probe.target for probe in self._probes], np.int64)
        unquoted = np.array([where.unquoted for where in self._where], np.bool_)[self._probe_target]
        self._search, self._seen = Search(self._probes, unquoted), Seen()

    # -- matching ------------------------------------------------------------------------------------------------------

    def _candidates(
        self, lines: Lines, chosen: NDArray[np.int64], body: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of line and probe worth a search, ordered by line, then probe; wherever the line stands now.

        What is remembered of a line holds in any place, and when other lines have gone it may stand at head or tail.
        """
        line, probe = self._index.find(lines, chosen)
        length = lines.end[line] - lines.start[line]
        target = self._probe_target[probe]
        fits = (self._min_length[target] <= length) & (length <= self._max_length[target])
        if body is not None:
            fits &= ~(body[line] & self._built_in[probe])
        return line[fits], probe[fits]

    def _with_begun_blocks(
        self, lines: Lines, matches: Matches, line: NDArray[np.int64], probe: NDArray[np.int64]
    ) -> Matches:
        """The matches, those of inner parts of blocks only where a block is opened in the document.

        Args:
            lines: the lines of a batch.
            matches: what was found in them.
            line: int64[pairs], long lines to search for the inner parts of blocks that are opened in their documents.
            probe: int64[pairs], those parts.
        """
        target = matches.found[:, 0]
        begun = np.zeros((len(lines.first) - 1, len(self.blocks)), np.bool_)
        opens = self._starts[target]
        begun[lines.document[matches.line[opens]], self._block_of[target[opens]]] = True
        any_begun: NDArray[np.bool_] = np.any(begun, axis=1)
        keep = ~self._inside[target] | any_begun[lines.document[matches.line]]
        wanted = begun[lines.document[line], self._block_of[self._probe_target[probe]]]
        inner = self._search(lines, line[wanted], probe[wanted])
        line = np.concatenate([matches.line[keep], inner.line])
        found = np.concatenate([matches.found[keep], inner.found])
        order = np.lexsort((found[:, 0], line))
        return Matches(line[order], found[order])

    def _stands(self, lines: Lines, line: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each line stands where its target wants it in the document."""
        document = lines.document[line]
        head = line - lines.first[document] < self._head[target]
        tail = lines.first[document + 1] - line <= self._tail[target]
        anywhere = (self._head[target] == 0) & (self._tail[target] == 0)
        return (head & (self._head[target] > 0)) | (tail & (self._tail[target] > 0)) | anywhere


def load_packs(directories: Sequence[Path] = ()) -> Rules:
    """The built-in packs and those of a user's folders, ready to match.

    Raises:
        RuleError: names the file, the rule where there is one, and what to do.
    """
    packs = read_packs(tuple(directories))
    return Rules(tuple(packs.values()), sum(path.parent == BUILT_IN for path in packs))


def _rule_where(rule: Rule) -> Where:
    """A whole-line rule without a limit of its own gets the usual one; a weak rule never speaks against a quotation."""
    where = rule.where.model_copy(update={"unquoted": rule.where.unquoted or rule.strength == "weak"})
    if rule.span or where.max_length is not None:
        return where
    return where.model_copy(update={"max_length": DEFAULT_MAX_LENGTH})
