"""The learned line model: how likely each line is boilerplate, and of which kind.

Two steps. The words of a line speak for eight `HEADS` by a linear sum of small whole weights. Then trees decide over
the line's shape and place, those sums, and the same of its neighbours and its document. The trees are symmetric, each
level asks all lines the same question, so a tree is a few array operations and one look-up for a whole batch.

All sums are whole numbers and the only roundings are single float32 multiplications, so the bits are the same
everywhere.
Trained by `pipeline train`.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pipeline import kernels
from pipeline.errors import ConfigError
from pipeline.records import LABELS
from pipeline.strip.model.features import OWN, line_features
from pipeline.strip.model.neighbours import EVEN, HEADS, NAMES, surroundings
from pipeline.strip.model.tokens import (
    FLAG_UNIT,
    HEAD,
    MARK_UNIT,
    SHAPES,
    TAIL,
    TOKEN_BITS,
    LineWords,
    Spans,
    Traits,
    line_buckets,
    pair_buckets,
    read_words,
    sum_by_line,
    traits_of,
    word_buckets,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines

WEIGHTS: Final = Path(__file__).with_name("model.npz")
STRICTNESS: Final = ("careful", "balanced", "thorough")
# The labels a line of its own may get: 0 (keep) is never among them.
_LABEL_LANES: Final = len(LABELS) - 1
# A weight is stored with this added, so that sums never borrow from the lane above.
_BIAS: Final = 64
_LANES: Final = 4
_MOST_TOKENS: Final = 320
# What a leaf of the trees for labels, and a tenth of log odds of the words, add to a label; the words count half.
_LABEL_UNIT: Final = np.float32(1 / 32)
_WORD_UNIT: Final = np.float32(0.05)


@dataclass(frozen=True)
class Scores:
    """What the model says of each line of a batch.

    Attributes:
        score: float32[lines], log odds that the line is boilerplate.
        label: gives the likeliest label of some lines, should they go: from int64[chosen], their numbers, to
            uint8[chosen], indexes into `LABELS`, never 0. Few lines go, so it is found for those alone.
        heads: uint8[8, lines], what the words alone speak for, in the order of `neighbours.HEADS`, 128 for even odds.
        copies: uint8[lines], how many lines of the document have the same words, this one included.
    """

    score: NDArray[np.float32]
    label: Callable[[NDArray[np.intp]], NDArray[np.uint8]]
    heads: NDArray[np.uint8]
    copies: NDArray[np.uint8]


@dataclass(frozen=True)
class Reading:
    """What the words of lines say, whatever stands around the lines.

    Attributes:
        traits: what they are like.
        rows: the rows of weights of each word, of each pair and of each line.
        heads: as in `Scores`.
    """

    traits: Traits
    rows: tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint16]]
    heads: NDArray[np.uint8]

    def take(self, chosen: NDArray[np.int64]) -> Reading:
        """That of some lines, ascending."""
        rows = (self.rows[0], self.rows[1], self.rows[2][chosen])
        return Reading(self.traits.take(chosen), rows, np.ascontiguousarray(self.heads[:, chosen]))


class LineModel:
    """Scores lines. It holds arrays alone, so it can be pickled, and changes nothing when it is used."""

    def __init__(self, weights: dict[str, NDArray[Any]]) -> None:
        self.about: dict[str, Any] = json.loads(str(weights["about"]))
        self._table = np.zeros((3, 1 << TOKEN_BITS), np.uint16)
        row = SHAPES + 1
        for kind, name in enumerate(("words", "pairs", "lines")):
            buckets = np.cumsum(weights[name].astype(np.int64))
            self._table[kind, buckets] = np.arange(row, row + len(buckets))
            row += len(buckets)
        self._index = _index(self._table)
        self._heads = _pack(weights["heads"])
        self._head_weights = _shifted(weights["heads"]).astype(np.uint8)
        self._head_bias = weights["head_bias"].astype(np.int32)
        self._labels = _pack(weights["labels"])
        self._label_bias = weights["label_bias"].astype(np.int32)
        # 1 / sqrt(tokens), as stored, so that no machine's square root has a say.
        self._scale: NDArray[np.float32] = weights["scale"]
        self._feature, self._border = weights["feature"].astype(np.uint16), weights["border"].astype(np.uint8)
        self._leaf = weights["leaf"].astype(np.int8)
        self._label_feature = weights["label_feature"].astype(np.uint16)
        self._label_border = weights["label_border"].astype(np.uint8)
        self._label_leaf = weights["label_leaf"].astype(np.int16)
        self._label_tree_bias = weights["label_tree_bias"].astype(np.int32)
        self._tree_bias, self._unit = int(weights["tree_bias"][0]), np.float32(1.0 / self.about["tree_scale"])

    def threshold(self, strictness: str) -> float:
        """The bound of the model by itself, as training evaluated it; what removes a line is for `judge` to say."""
        return float(self.about["thresholds"][strictness])

    def read(self, lines: Lines) -> Reading:
        """Find the words of all lines of a batch, and what they speak for."""
        if kernels.compiled is not None:
            return self._read_compiled(lines)
        words = read_words(lines)
        rows = self._rows(words)
        return Reading(traits_of(words), rows, self._head_sums(words.spans, rows))

    def score(self, lines: Lines, reading: Reading | None = None) -> Scores:
        """Score all lines of a batch; each document by itself, whatever else is in the batch.

        Args:
            lines: the lines of a batch.
            reading: what `read` gave for them, if it is known.
        """
        read = reading or self.read(lines)
        table = np.empty((len(NAMES), len(lines)), np.uint8)
        own = line_features(lines, read.traits, table[: len(OWN)])
        around = surroundings(own, read.heads, lines.first, table)
        return Scores(self._trees(around), partial(self._label, read, around), read.heads, own[OWN.index("copies")])

    def _read_compiled(self, lines: Lines) -> Reading:
        """What `read` gives, in one pass by the kernel."""
        # Words part every other byte at most; and one is written down before it is known to be telling.
        count, most = len(lines), 1 + int((np.minimum(lines.end - lines.start, HEAD + TAIL) + 1).sum() // 2)
        first, told = np.empty(count + 1, np.int64), np.empty(count + 1, np.int64)
        whole, marks, kinds = np.empty(count, np.uint64), np.empty(count, np.uint64), np.empty(count, np.uint64)
        telling, heads = np.empty(most, np.uint64), np.empty((len(HEADS), count), np.uint8)
        word, pair, line = np.empty(most, np.uint16), np.empty(most, np.uint16), np.empty(count, np.uint16)
        place = (lines.buffer, lines.start, lines.end, HEAD, TAIL, MARK_UNIT, FLAG_UNIT)
        weights = (self._index, self._head_weights, self._scale, self._head_bias)
        columns = (first, told, whole, marks, kinds, telling, word, pair, line, heads)
        kernels.compiled.read_lines(*place, *weights, *columns)
        words, names = int(first[-1]), int(told[-1])
        traits = Traits(Spans(first[:-1], first[1:]), whole, marks, kinds, Spans(told[:-1], told[1:]), telling[:names])
        return Reading(traits, (word[:words], pair[:words], line), heads)

    def _rows(self, words: LineWords) -> tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint16]]:
        """The weights' row of each word, of each word with the one before it (0 if unknown), and of each line."""
        word = self._table[0][word_buckets(words)]
        unknown = np.flatnonzero(word == 0)
        word[unknown] = 1 + (words.flags[unknown] & (SHAPES - 1))
        return word, self._table[1][pair_buckets(words)], self._table[2][line_buckets(words)]

    def _head_sums(self, words: Spans, rows: tuple[NDArray[np.uint16], ...]) -> NDArray[np.uint8]:
        tokens = _token_count(words, rows)
        sums = _sum_tokens(self._heads, words, rows, tokens, len(HEADS))
        out = np.floor(sums * self._scale[np.minimum(tokens, _MOST_TOKENS - 1)])
        out += self._head_bias[:, None] + EVEN
        heads: NDArray[np.uint8] = np.clip(out, 0, 255).astype(np.uint8)
        return heads

    def _trees(self, around: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32[lines], the sum over all trees."""
        total = np.full(around.shape[1], self._tree_bias, np.int32)
        if kernels.compiled is None:
            leaf = np.empty(around.shape[1], np.uint8)
            for feature, border, values in zip(self._feature.tolist(), self._border.tolist(), self._leaf, strict=True):
                _find_leaf(around, feature, border, leaf)
                # A table of 256 bytes and `translate` look up several times faster than an index array does.
                total += np.frombuffer(leaf.tobytes().translate(values.tobytes().ljust(256, b"\0")), np.int8)
        else:
            kernels.compiled.sum_trees(around, self._feature, self._border, self._leaf, total)
        return total.astype(np.float32) * self._unit

    def _label(self, read: Reading, around: NDArray[np.uint8], chosen: NDArray[np.intp]) -> NDArray[np.uint8]:
        """uint8[chosen], the likeliest label of some lines, ascending."""
        if kernels.compiled is not None:
            return self._label_compiled(read, around, chosen)
        if not len(chosen):
            return np.zeros(0, np.uint8)
        words, place = read.traits.words.take(chosen).packed()
        rows = read.rows[0][place], read.rows[1][place], read.rows[2][chosen]
        tokens = _token_count(words, rows)
        sums = _sum_tokens(self._labels, words, rows, tokens, _LABEL_LANES)
        by_words = sums * self._scale[np.minimum(tokens, _MOST_TOKENS - 1)] + self._label_bias[:, None]
        by_trees = self._label_sums(np.ascontiguousarray(around[:, chosen])) * _LABEL_UNIT
        label: NDArray[np.uint8] = ((by_trees + by_words.T * _WORD_UNIT).argmax(axis=1) + 1).astype(np.uint8)
        return label

    def _label_compiled(self, read: Reading, around: NDArray[np.uint8], chosen: NDArray[np.intp]) -> NDArray[np.uint8]:
        label = np.empty(len(chosen), np.uint8)
        trees = (self._label_feature, self._label_border, self._label_leaf, self._label_tree_bias, float(_LABEL_UNIT))
        weights = (self._labels, self._scale, self._label_bias, float(_WORD_UNIT))
        words = (read.traits.words.begin, read.traits.words.stop, *read.rows)
        kernels.compiled.label_lines(around, *trees, *weights, *words, chosen, label)
        return label

    def _label_sums(self, around: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32[lines, labels], whole numbers: what the trees for labels say."""
        total = np.tile(self._label_tree_bias, (around.shape[1], 1))
        leaf = np.empty(around.shape[1], np.uint8)
        trees = (self._label_feature.tolist(), self._label_border.tolist(), self._label_leaf)
        for feature, border, values in zip(*trees, strict=True):
            _find_leaf(around, feature, border, leaf)
            total += values[leaf]
        return total.astype(np.float32)


def _find_leaf(around: NDArray[np.uint8], feature: list[int], border: list[int], leaf: NDArray[np.uint8]) -> None:
    """The leaf of a symmetric tree each line falls into: a bit for each level's answer, the first one lowest."""
    bit = np.empty(len(leaf), np.bool_)
    np.greater(around[feature[-1]], border[-1], out=leaf.view(np.bool_))
    for level in range(len(feature) - 2, -1, -1):
        np.greater(around[feature[level]], border[level], out=bit)
        np.add(leaf, leaf, out=leaf)
        np.add(leaf, bit.view(np.uint8), out=leaf)


def _index(table: NDArray[np.uint16]) -> NDArray[np.uint64]:
    """A smaller form of tables whose rows ascend from bucket to bucket.

    Args:
        table: uint16[tables, buckets], the row of each bucket, 0 where it is unknown.

    Returns:
        uint64[tables, buckets / 32]; in the low half a bit for each known bucket, in the high half the row of the
        first.
    """
    known = np.packbits(table > 0, axis=1, bitorder="little").view("<u4")
    groups = table.reshape(len(table), -1, 32)
    first = np.where(groups > 0, groups, np.uint16(0xFFFF)).min(axis=2)
    return np.where(known > 0, first.astype(np.uint64) << np.uint64(32) | known, np.uint64(0)).astype(np.uint64)


def _shifted(weights: NDArray[np.int8]) -> NDArray[np.int64]:
    """Weights with `_BIAS` added, int64[rows, lanes]; the first row, of no token at all, is 0."""
    shifted = weights.astype(np.int64) + _BIAS
    shifted[0] = 0
    return shifted


def _pack(weights: NDArray[np.int8]) -> NDArray[np.uint64]:
    """Weights of -63 to 63 as lanes of 16 bits.

    Args:
        weights: int8[rows, lanes].

    Returns:
        uint64[rows, ceil(lanes / 4)]; a row's lanes can be added over any 500 rows without a carry.
    """
    rows, lanes = weights.shape
    padded = np.zeros((rows, -(-lanes // _LANES) * _LANES), "<u2")
    padded[:, :lanes] = _shifted(weights)
    packed: NDArray[np.uint64] = padded.view("<u8").astype(np.uint64)
    return packed


def _token_count(words: Spans, rows: tuple[NDArray[np.uint16], ...]) -> NDArray[np.int64]:
    """int64[lines], how many tokens a line has: its words, the known pairs, and itself if known; at least 1."""
    pairs = np.concatenate([np.zeros(1, np.int64), np.cumsum(rows[1] > 0)])
    count: NDArray[np.int64] = np.maximum(words.size + pairs[words.stop] - pairs[words.begin] + (rows[2] > 0), 1)
    return count


def _sum_tokens(
    packed: NDArray[np.uint64],
    words: Spans,
    rows: tuple[NDArray[np.uint16], ...],
    tokens: NDArray[np.int64],
    lanes: int,
) -> NDArray[np.float32]:
    """float32[lanes, lines], whole numbers: the weights of each line's tokens, added."""
    out = np.empty((lanes, len(words.begin)), np.float32)
    taken = np.where(words.size + (rows[2] > 0) > 0, tokens, 0) * _BIAS
    for group, weights in enumerate(packed.T):
        values = weights[rows[0]]
        values += weights[rows[1]]
        sums = sum_by_line(values, words) + weights[rows[2]]
        for lane in range(group * _LANES, min((group + 1) * _LANES, lanes)):
            shift = np.uint64(16 * (lane - group * _LANES))
            out[lane] = ((sums >> shift) & np.uint64(0xFFFF)).astype(np.int64) - taken
    return out


@lru_cache(maxsize=2)
def load_model(path: Path = WEIGHTS) -> LineModel:
    """The packaged model, or one from a file of `pipeline train`; read once in each process.

    Raises:
        ConfigError: it is no such file, or was trained for other features than this version finds.
    """
    try:
        with np.load(path, allow_pickle=False) as weights:
            model = LineModel(dict(weights))
        features = tuple(model.about["features"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, zipfile.BadZipFile) as error:
        msg = f"{path} is no file of weights that `pipeline train` wrote: {error}"
        raise ConfigError(msg) from None
    if features != NAMES:
        msg = f"{path} was trained for other features than this version finds; train it again with `pipeline train`"
        raise ConfigError(msg)
    return model


def weights_digest(path: Path) -> str:
    """SHA-256 of a file of weights.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        msg = f"cannot read the weights {path}: {error.strerror}"
        raise ConfigError(msg) from None
