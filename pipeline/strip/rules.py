"""Match the rule packs against all lines of a batch.

Only lines that hold the words a pattern needs ever reach RE2. Those words are found for the whole batch at once (see
`wordkeys`), and equal short lines are matched once. The answer for a line depends on that line and its place in its
document alone, never on the batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from pipeline.records import LABELS
from pipeline.strip.packs import (
    DEFAULT_MAX_LENGTH,
    Block,
    Pack,
    Rule,
    Where,
    compile_pattern,
    expand,
    expand_definitions,
    read_packs,
)
from pipeline.strip.prefilter import required_words
from pipeline.strip.wordkeys import WordKeys, find_word_keys

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import re2
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines

# Of a line longer than both together, patterns see its first and last bytes with a line break between them: what is in
# the middle of a long line is body.
HEAD_BYTES: Final = 240
TAIL_BYTES: Final = 240
# A pattern without words of its own is tried on lines up to this length only.
WORDLESS_MAX_LENGTH: Final = 60
# Lines up to this length come back often enough to remember what matched them.
_REMEMBERED_MAX_LENGTH: Final = 160
_REMEMBERED_LINES: Final = 1 << 16

_NO_LIMIT: Final = 1 << 40

# Typographic forms that patterns need not know: they see the plain sign.
_PLAIN: Final = (
    (b"\xe2\x80\x98", b"'"),
    (b"\xe2\x80\x99", b"'"),
    (b"\xe2\x80\x9c", b'"'),
    (b"\xe2\x80\x9d", b'"'),
    (b"\xe2\x80\xaf", b" "),
    (b"\xe2\x80\x8b", b""),
    (b"\xc2\xa0", b" "),
    (b"\xc2\xad", b""),
)

# What a line that quotes somebody begins with, in plain form.
_OPENING_QUOTES: Final = (b'"', b"'", "\u00ab".encode(), "\u201e".encode(), "\u201a".encode())


class Hits(NamedTuple):
    """What matched where, ordered by line, then by rule.

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


@dataclass(frozen=True, slots=True)
class _Probe:
    """One compiled pattern of a target."""

    regexp: re2._Regexp
    target: int
    cut: int  # number of the group to cut, 0 for the whole match, -1 for the whole line


class _Found(NamedTuple):
    """A match within one line: offsets count from the line's first byte."""

    target: int
    start: int
    end: int


@dataclass
class Rules:
    """All rules of all packs, ready to match. Make it with `load_packs`."""

    packs: tuple[Pack, ...]
    targets: list[Target] = field(default_factory=list, init=False)
    blocks: list[BlockRule] = field(default_factory=list, init=False)
    _probes: list[_Probe] = field(default_factory=list, init=False, repr=False)
    _remembered: dict[bytes, tuple[_Found, ...]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._where: list[Where] = []
        requirements: list[list[frozenset[int]]] = []
        for pack in self.packs:
            fragments = expand_definitions(pack.define, pack.label)
            label = LABELS.index(pack.label)
            for rule in pack.rule:
                target = Target(rule.id, label, "rule", rule.strength == "strong", rule.span)
                self._add(target, rule.patterns, _rule_where(rule), fragments, requirements)
            for block in pack.block:
                self._add_block(block, label, fragments, requirements)
        self._index_words(requirements)
        self._index_places()

    def __reduce__(self) -> tuple[type[Rules], tuple[tuple[Pack, ...]]]:
        return Rules, (self.packs,)

    def match(self, lines: Lines, words: WordKeys | None = None) -> Hits:
        """Match every pattern against every line it could match.

        Args:
            lines: the lines of a batch.
            words: `find_word_keys(lines.buffer, lines.base)`, where the caller has it already.
        """
        words = find_word_keys(lines.buffer, lines.base) if words is None else words
        line, probe = self._candidates(lines, words)
        return self._in_place(lines, self._search(lines, line, probe))

    # -- building ------------------------------------------------------------------------------------------------------

    def _add(
        self,
        target: Target,
        patterns: Sequence[str],
        where: Where,
        fragments: dict[str, str],
        requirements: list[list[frozenset[int]]],
    ) -> int:
        """Register a target and its patterns; its number, or -1 if there are no patterns."""
        if not patterns:
            return -1
        number = len(self.targets)
        self.targets.append(target)
        self._where.append(where)
        for pattern in patterns:
            place = f"rule {target.id!r}"
            whole = expand(pattern, fragments, place)
            regexp = compile_pattern(whole, place)
            cut = int(regexp.groupindex.get("cut", 0)) if target.span else -1
            self._probes.append(_Probe(regexp, number, cut))
            requirements.append(required_words(whole))
        return number

    def _add_block(
        self, block: Block, label: int, fragments: dict[str, str], requirements: list[list[frozenset[int]]]
    ) -> None:
        numbers = {}
        for part in ("starts", "ends", "inner", "stops"):
            where = block.where if part == "starts" else Where(max_length=block.line_max_length)
            if where.max_length is None:
                where = where.model_copy(update={"max_length": block.line_max_length})
            target = Target(block.id, label, part)
            numbers[part] = self._add(target, block.patterns(part), where, fragments, requirements)
        self.blocks.append(BlockRule(block, label, **numbers))

    def _index_words(self, requirements: list[list[frozenset[int]]]) -> None:
        """Lookup tables from word keys to the requirements that ask for them."""
        keys = sorted({key for sets in requirements for keys in sets for key in keys})
        self._key = np.array(keys, np.uint64)
        self._multiplier, self._shift, self._table = _perfect_table(self._key)
        by_word: list[list[int]] = [[] for _ in keys]
        place = {key: number for number, key in enumerate(keys)}
        for probe, sets in enumerate(requirements):
            for half, required in enumerate(sets):
                for key in required:
                    by_word[place[key]].append(2 * probe + half)
        self._asked = np.array([asked for entry in by_word for asked in sorted(entry)], np.int64)
        self._asked_first = np.concatenate([[0], np.cumsum([len(entry) for entry in by_word])]).astype(np.int64)
        self._needed = np.array([len(sets) for sets in requirements], np.int64)
        self._wordless = np.flatnonzero(self._needed == 0)

    def _index_places(self) -> None:
        longest = [_NO_LIMIT if where.max_length is None else where.max_length for where in self._where]
        self._max_length = np.array(longest, np.int64)
        self._min_length = np.array([where.min_length for where in self._where], np.int64)
        self._head = np.array([where.head for where in self._where], np.int64)
        self._tail = np.array([where.tail for where in self._where], np.int64)
        self._probe_target = np.array([probe.target for probe in self._probes], np.int64)

    # -- matching ------------------------------------------------------------------------------------------------------

    def _candidates(self, lines: Lines, words: WordKeys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of line and probe that have all words the probe asks for, ordered by line, then probe."""
        if not len(lines) or not self._probes:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        line, word = self._known_words(lines, words)
        count = self._asked_first[word + 1] - self._asked_first[word]
        line = np.repeat(line, count)
        asked = self._asked[np.repeat(self._asked_first[word] - np.cumsum(count) + count, count) + np.arange(len(line))]
        pairs = _unique(line * (2 * len(self._probes)) + asked) >> 1
        pairs, halves = _count_equal(pairs)
        pairs = pairs[halves == self._needed[pairs % len(self._probes)]]
        pairs = _unique(np.concatenate([pairs, self._wordless_pairs(lines)]))
        line, probe = np.divmod(pairs, len(self._probes))
        length = lines.end[line] - lines.start[line]
        target = self._probe_target[probe]
        fits = (self._min_length[target] <= length) & (length <= self._max_length[target])
        return line[fits], probe[fits]

    def _known_words(self, lines: Lines, words: WordKeys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Line and word number of every word that some probe asks for and that patterns can see."""
        if not len(self._key):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        slot = self._table[(words.key * self._multiplier) >> self._shift]
        known = np.flatnonzero(self._key[slot] == words.key)
        word, start = slot[known].astype(np.int64), words.start[known]
        line = np.searchsorted(lines.start, start, "right") - 1
        before, after = start - lines.start[line], lines.end[line] - start
        seen = (after > 0) & ((before < HEAD_BYTES) | (after <= TAIL_BYTES))
        return line[seen], word[seen]

    def _wordless_pairs(self, lines: Lines) -> NDArray[np.int64]:
        short = np.flatnonzero(lines.end - lines.start <= WORDLESS_MAX_LENGTH)
        return (short[:, None] * len(self._probes) + self._wordless[None, :]).ravel()

    def _search(self, lines: Lines, line: NDArray[np.int64], probe: NDArray[np.int64]) -> list[tuple[int, _Found]]:
        """Run RE2 over the candidates, line by line."""
        found: list[tuple[int, _Found]] = []
        edges = [*np.flatnonzero(np.diff(line, prepend=-1)).tolist(), len(line)]
        numbers = line[edges[:-1]].tolist()
        starts, ends = lines.start[numbers].tolist(), lines.end[numbers].tolist()
        data = memoryview(np.ascontiguousarray(lines.buffer))
        for number, low, high, start, end in zip(numbers, edges[:-1], edges[1:], starts, ends, strict=True):
            content = bytes(data[start:end])
            matches = self._remembered.get(content)
            if matches is None:
                matches = self._search_one(content, probe[low:high].tolist())
                if len(content) <= _REMEMBERED_MAX_LENGTH and len(self._remembered) < _REMEMBERED_LINES:
                    self._remembered[content] = matches
            found += [(number, match) for match in matches]
        return found

    def _search_one(self, content: bytes, probes: Iterable[int]) -> tuple[_Found, ...]:
        """All matches in one line, one for each target."""
        subject = plain(content)
        quoted = subject.startswith(_OPENING_QUOTES)
        matches: dict[int, _Found] = {}
        for number in probes:
            probe = self._probes[number]
            if probe.target in matches or (quoted and self._where[probe.target].unquoted):
                continue
            hit = probe.regexp.search(subject)
            if hit is not None:
                matches[probe.target] = _found(probe, hit, content)
        return tuple(matches[target] for target in sorted(matches))

    def _in_place(self, lines: Lines, found: list[tuple[int, _Found]]) -> Hits:
        """The matches that stand where their rule wants them."""
        table = np.array([(line, *match) for line, match in found], np.int64).reshape(-1, 4)
        line, target = table[:, 0], table[:, 1]
        document = lines.document[line]
        head = line - lines.first[document] < self._head[target]
        tail = lines.first[document + 1] - line <= self._tail[target]
        anywhere = (self._head[target] == 0) & (self._tail[target] == 0)
        keep = head | tail | anywhere
        base = lines.start[line]
        return Hits(line[keep], target[keep].astype(np.int32), (base + table[:, 2])[keep], (base + table[:, 3])[keep])


def load_packs(directories: Sequence[Path] = ()) -> Rules:
    """The built-in packs and those of a user's folders, ready to match.

    Raises:
        RuleError: names the file, the rule where there is one, and what to do.
    """
    return Rules(tuple(read_packs(tuple(directories)).values()))


def plain(content: bytes) -> bytes:
    """What patterns see of a line: plain quotation marks and blanks, and only head and tail of a long line."""
    if len(content) > HEAD_BYTES + TAIL_BYTES:
        head = content[:HEAD_BYTES].decode("utf-8", "ignore").encode()
        tail = content[-TAIL_BYTES:].decode("utf-8", "ignore").encode()
        content = head + b"\n" + tail
    if not content.isascii():
        for fancy, simple in _PLAIN:
            content = content.replace(fancy, simple)
    return content


def _rule_where(rule: Rule) -> Where:
    """A whole-line rule without a limit of its own gets the usual one."""
    if rule.span or rule.where.max_length is not None:
        return rule.where
    return rule.where.model_copy(update={"max_length": DEFAULT_MAX_LENGTH})


def _found(probe: _Probe, hit: re2._Match, content: bytes) -> _Found:
    if probe.cut < 0:
        return _Found(probe.target, 0, len(content))
    start, end = hit.span(probe.cut)
    if start < 0:  # the group took no part in the match
        start, end = hit.span()
    return _Found(probe.target, _original_offset(content, start), _original_offset(content, end))


def _original_offset(content: bytes, offset: int) -> int:
    """Where an offset in `plain(content)` lies in `content`."""
    long = len(content) > HEAD_BYTES + TAIL_BYTES
    head = len(plain(content[:HEAD_BYTES].decode("utf-8", "ignore").encode())) if long else 0
    if long and offset > head:
        whole = len(plain(content))
        return len(content) - _advance(content[::-1], whole - offset, reverse=True)
    return _advance(content, offset, reverse=False)


def _advance(content: bytes, count: int, *, reverse: bool) -> int:
    """How many bytes of the original stand for the first `count` bytes of its plain form."""
    forms = [(fancy[::-1] if reverse else fancy, len(simple)) for fancy, simple in _PLAIN]
    place = 0
    while count > 0:
        for fancy, width in forms:
            if content.startswith(fancy, place):
                place += len(fancy)
                count -= width
                break
        else:
            place += 1
            count -= 1
    return place


def _perfect_table(keys: NDArray[np.uint64]) -> tuple[np.uint64, np.uint64, NDArray[np.uint16]]:
    """A hash table without collisions: multiplier, shift, and the number of the key in each slot (0 where empty)."""
    bits = max(12, int(np.ceil(np.log2(max(len(keys), 1) ** 2 / 4 + 1))))
    bits = min(bits, 18)
    shift = np.uint64(64 - bits)
    generator = np.random.Generator(np.random.PCG64(7))
    while True:
        for _ in range(200):
            multiplier = np.uint64(int(generator.integers(1 << 62, 1 << 63)) | 1)
            slots = (keys * multiplier) >> shift
            if len(np.unique(slots)) == len(keys):
                table = np.zeros(1 << bits, np.uint16)
                table[slots] = np.arange(len(keys), dtype=np.uint16)
                return multiplier, shift, table
        bits += 1
        shift = np.uint64(64 - bits)


def _unique(values: NDArray[np.int64]) -> NDArray[np.int64]:
    values = np.sort(values)
    return values[np.flatnonzero(np.diff(values, prepend=-1))]


def _count_equal(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct values of a sorted array and how often each stands in it."""
    first = np.flatnonzero(np.diff(values, prepend=-1))
    return values[first], np.diff(first, append=len(values))


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of `pipeline rules list`."""

    id: str
    label: str
    language: str
    kind: str
    patterns: int
    examples: int


def list_rules(rules: Rules) -> list[Listed]:
    """Every rule and block, in the order of the packs."""
    listed = []
    for pack in rules.packs:
        for rule in pack.rule:
            kind = f"{rule.strength}{' span' if rule.span else ''}"
            examples = len(rule.match) + len(rule.no_match)
            listed.append(Listed(rule.id, pack.label, pack.language, kind, len(rule.patterns), examples))
        for block in pack.block:
            patterns = sum(len(block.patterns(part)) for part in ("starts", "ends", "inner", "stops"))
            listed.append(Listed(block.id, pack.label, pack.language, "block", patterns, len(block.example)))
    return listed
