"""Train the line model from labelled lines: `pipeline train GOLD... -o WEIGHTS`.

Needs the extra `[train]` (catboost and torch). One run with the same files and versions gives the same weights. First
the same model is trained five times without the publishers it is then tried on; the figures found so go into the
weights file with the digest of the gold files and the licence of each data set.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.records import LABELS
from pipeline.strip.lines import split_lines
from pipeline.strip.model import sheet
from pipeline.strip.model.features import line_features
from pipeline.strip.model.gold import DROP, KEEP, LICENCES, Page, read_pages, recombine, set_folds
from pipeline.strip.model.neighbours import EVEN, HEADS, NAMES, surroundings
from pipeline.strip.model.tokens import (
    SHAPES,
    TOKEN_BITS,
    line_buckets,
    pair_buckets,
    read_words,
    traits_of,
    word_buckets,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FOLDS: Final = 5
Log = Callable[[str], None]
# A word, pair or whole line gets a weight of its own if lines of this many publishers have it, so that no publisher's
# own words are learned.
_LEAST_HOUSES: Final = (8, 20, 4)
# Weights are stored in tenths of log odds, at most 63 of them.
_TENTHS: Final = 10
_HEAD_LABELS: Final = {
    "ask": ("newsletter", "donation", "subscription", "app_promo", "event_promo"),
    "related": ("related",),
    "navigation": ("navigation", "share"),
    "caption": ("caption",),
    "comment": ("comments",),
    "date": ("byline", "published", "copyright", "title"),
    "note": ("author_bio", "disclaimer", "contact", "other", "advert", "consent"),
}
_DEPTH: Final = 6
TREE_SCALE: Final = 256
_LABEL_TREES: Final = 60
_LABEL_SCALE: Final = 32
# How much a page of a set counts.
# Lines of a user's own sheet were the doubtful ones, and say what that user wants.
_SET_WEIGHT: Final = {"appeals_dev": 2.0, "hand_news": 2.0, "wcxb": 0.5, sheet.DATA_SET: 8.0}
_THRESHOLDS: Final = {"careful": 2.0, "balanced": 1.0, "thorough": 0.0}


@dataclass
class Corpus:
    """All pages as arrays, line by line.

    Attributes:
        first: int64[pages + 1]; page `d` owns lines `first[d]` to `first[d + 1]`.
        own: uint8[features, lines].
        size: int32[lines], bytes.
        rows: int64[tokens], row of each token's weight; `token_first` int64[lines + 1] where those of a line begin.
        vocabulary: for words, pairs and lines the buckets that have a row, ascending.
    """

    pages: list[Page]
    first: NDArray[np.int64]
    page: NDArray[np.int64]
    own: NDArray[np.uint8]
    size: NDArray[np.int32]
    verdict: NDArray[np.int64]
    label: NDArray[np.int64]
    fold: NDArray[np.int64]
    rows: NDArray[np.int64]
    token_first: NDArray[np.int64]
    vocabulary: list[NDArray[np.int64]]

    @property
    def row_count(self) -> int:
        """How many tokens have a weight, the one for no token included."""
        return 1 + SHAPES + sum(map(len, self.vocabulary))


def load_corpus(files: Sequence[Path]) -> Corpus:
    """Read the gold, recombine it, and find every feature that does not depend on weights."""
    pages = set_folds(read_pages(files), FOLDS)
    pages += recombine(pages)
    own, size, counts = [], [], []
    buckets: list[list[NDArray[np.int64]]] = [[], [], []]
    shapes = []
    for low in range(0, len(pages), 400):
        lines = split_lines(pa.array(["\n".join(page.lines) for page in pages[low : low + 400]], pa.large_string()))
        words = read_words(lines)
        own.append(line_features(lines, traits_of(words)))
        size.append((lines.end - lines.start).astype(np.int32))
        counts.append(words.spans.size)
        for kind, found in enumerate((word_buckets(words), pair_buckets(words), line_buckets(words))):
            buckets[kind].append(found)
        shapes.append(words.flags & (SHAPES - 1))
    first = np.cumsum([0, *(len(page.lines) for page in pages)])
    page = np.repeat(np.arange(len(pages)), np.diff(first))
    count = np.concatenate(counts)
    word, pair, line = (np.concatenate(found) for found in buckets)
    vocabulary = _vocabulary(pages, page, count, (word, pair, line))
    rows, token_first = _token_rows(vocabulary, (word, pair, line), np.concatenate(shapes), count)
    return Corpus(
        pages,
        first,
        page,
        np.concatenate(own, axis=1),
        np.concatenate(size),
        np.array([verdict for each in pages for verdict in each.verdict]),
        np.array([label for each in pages for label in each.label]),
        np.array([each.fold for each in pages])[page],
        rows,
        token_first,
        vocabulary,
    )


def _vocabulary(
    pages: list[Page], page: NDArray[np.int64], count: NDArray[np.int64], buckets: Sequence[NDArray[np.int64]]
) -> list[NDArray[np.int64]]:
    names = sorted({each.house for each in pages})
    number = {name: place for place, name in enumerate(names)}
    house = np.array([number[each.house] for each in pages])[page]
    allowed = np.array([each.allowed and not each.made for each in pages])[page]
    out = []
    for found, least in zip(buckets, _LEAST_HOUSES, strict=True):
        by_word = len(found) != len(page)
        whose = np.repeat(house, count) if by_word else house
        may = np.repeat(allowed, count) if by_word else allowed
        pairs = np.unique(found[may] * len(names) + whose[may])
        out.append(np.flatnonzero(np.bincount(pairs // len(names), minlength=1 << TOKEN_BITS) >= least))
    return out


def _token_rows(
    vocabulary: list[NDArray[np.int64]],
    buckets: Sequence[NDArray[np.int64]],
    shape: NDArray[np.uint8],
    count: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    table = np.zeros((3, 1 << TOKEN_BITS), np.int64)
    row = 1 + SHAPES
    for kind, known in enumerate(vocabulary):
        table[kind, known] = np.arange(row, row + len(known))
        row += len(known)
    word, pair, line = (table[kind][found] for kind, found in enumerate(buckets))
    word = np.where(word == 0, 1 + shape, word)
    owner = np.repeat(np.arange(len(count)), count)
    rows = np.concatenate([word, pair[pair > 0], line[line > 0]])
    owners = np.concatenate([owner, owner[pair > 0], np.flatnonzero(line > 0)])
    order = np.argsort(owners, kind="stable")
    return rows[order], np.cumsum([0, *np.bincount(owners, minlength=len(count))])


def page_weights(corpus: Corpus, power: float, whole: float) -> NDArray[np.float64]:
    """How much each line of a page counts: less on long pages, for publishers with many, and in whole-page text."""
    pages = corpus.pages
    often = Counter(page.house for page in pages if page.allowed and not page.made)
    out = np.diff(corpus.first) ** -power
    for place, page in enumerate(pages):
        out[place] *= often.get(page.house, 1) ** -0.3 * _SET_WEIGHT.get(page.data_set, 1.0)
        out[place] *= (
            (whole if page.whole else 1.0) * (0.5 if page.made else 1.0) * (0.6 if page.language != "en" else 1.0)
        )
    return out


# --- words ---------------------------------------------------------------------------------------------------------


def train_words(
    corpus: Corpus, pages: NDArray[np.bool_], targets: NDArray[np.float32], weight: NDArray[np.float32], seed: int
) -> tuple[NDArray[np.int8], NDArray[np.int32]]:
    """Weights of tokens for some yes-or-no questions at once.

    Args:
        corpus: all pages.
        pages: bool[pages], those to learn from.
        targets: float32[lines, questions].
        weight: the same shape, 0 where a line has no say.
        seed: of the order of the lines.

    Returns:
        int8[rows, questions] and int32[questions], in tenths of log odds.
    """
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    sums = torch.nn.EmbeddingBag(corpus.row_count, targets.shape[1], mode="sum")
    torch.nn.init.zeros_(sums.weight)
    bias = torch.nn.Parameter(torch.full((targets.shape[1],), -2.0))
    rate, size, rounds = 0.03, 4000, 3
    optimizer = torch.optim.Adam([sums.weight, bias], lr=rate)
    whole = np.array([page.whole for page in corpus.pages])
    scale = weight[pages[corpus.page]].mean()
    all_rows = torch.from_numpy(corpus.rows)
    step, steps = 0, 0
    for _ in range(rounds):
        taken = pages & (~whole | (rng.random(len(pages)) < 0.33))
        order = rng.permutation(np.flatnonzero(taken[corpus.page] & (weight.sum(1) > 0)))
        steps = steps or rounds * (len(order) // size)
        for batch in range(len(order) // size):
            lines = order[batch * size : (batch + 1) * size]
            start, count = corpus.token_first[lines], corpus.token_first[lines + 1] - corpus.token_first[lines]
            begin = np.cumsum(count) - count
            rows = all_rows[torch.from_numpy(np.repeat(start - begin, count) + np.arange(count.sum()))]
            rows = torch.where(torch.rand(len(rows)) < 0.2, torch.zeros_like(rows), rows)
            root = torch.from_numpy(np.maximum(count, 1) ** -0.5).float()[:, None]
            guess = sums(rows, torch.from_numpy(begin)) * root + bias
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                guess, torch.from_numpy(targets[lines]), torch.from_numpy(weight[lines] / scale), reduction="sum"
            )
            loss = loss / len(lines) + 2e-5 * (sums.weight**2).sum()
            optimizer.param_groups[0]["lr"] = rate * max(0.03, 1 - step / steps)
            step += 1
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call,unused-ignore]  # torch is typed where it is installed
            optimizer.step()
    found = sums.weight.detach().numpy().copy()
    found[0] = 0
    tenths = np.clip(np.round(found * _TENTHS), -63, 63).astype(np.int8)
    return tenths, np.round(bias.detach().numpy() * _TENTHS).astype(np.int32)


def head_values(corpus: Corpus, weights: NDArray[np.int8], bias: NDArray[np.int32]) -> NDArray[np.uint8]:
    """uint8[heads, lines], as `LineModel` finds them."""
    count = np.minimum(np.maximum(np.diff(corpus.token_first), 1), len(_SCALE) - 1)
    out = np.empty((weights.shape[1], len(corpus.page)), np.uint8)
    for head in range(weights.shape[1]):
        total = np.concatenate([np.zeros(1, np.int64), np.cumsum(weights[corpus.rows, head], dtype=np.int64)])
        sums = (total[corpus.token_first[1:]] - total[corpus.token_first[:-1]]).astype(np.float32)
        out[head] = np.clip(np.floor(sums * _SCALE[count]) + bias[head] + EVEN, 0, 255)
    return out


_SCALE: Final = (1 / np.sqrt(np.maximum(np.arange(320), 1))).astype(np.float32)


def head_targets(corpus: Corpus, page_weight: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What each head should say of each line, and how much that counts."""
    labels = [
        np.array([corpus.label == LABELS.index(name) for name in _HEAD_LABELS[head]]).any(axis=0) for head in HEADS[1:]
    ]
    targets = np.stack([corpus.verdict == DROP, *labels], 1).astype(np.float32)
    known = np.stack([np.isin(corpus.verdict, (KEEP, DROP)), *[(corpus.label >= 0)] * len(labels)], 1)
    return targets, (known * page_weight[corpus.page][:, None]).astype(np.float32)


# --- trees ---------------------------------------------------------------------------------------------------------


def train_trees(corpus: Corpus, pages: NDArray[np.bool_], heads: NDArray[np.uint8], trees: int, seed: int) -> Any:
    """A boosted ensemble of symmetric trees over `surroundings`."""
    import catboost

    around = surroundings(corpus.own, heads, corpus.first)
    rng = np.random.default_rng(seed)
    whole = np.array([page.whole for page in corpus.pages])
    taken = pages & (~whole | (rng.random(len(pages)) < 0.25))
    lines = taken[corpus.page] & np.isin(corpus.verdict, (KEEP, DROP))
    easy = (corpus.verdict == KEEP) & (heads[0] < EVEN - 28)
    chosen = np.flatnonzero(lines & (~easy | (rng.random(len(lines)) < 0.35)))
    weight = page_weights(corpus, 0.35, 0.15)[corpus.page] * np.where(easy, 1 / 0.35, 1.0)
    # A long line lost costs more.
    weight *= np.where(corpus.verdict == KEEP, 1 + np.minimum(corpus.size / 150, 3), 1)
    model = catboost.CatBoostClassifier(
        iterations=trees,
        depth=_DEPTH,
        learning_rate=0.1 * 300 / trees if trees > 300 else 0.1,
        l2_leaf_reg=10,
        border_count=64,
        rsm=0.3,
        bootstrap_type="Bernoulli",
        subsample=0.7,
        boosting_type="Plain",
        thread_count=1,
        random_seed=seed,
        verbose=0,
        allow_writing_files=False,
    )
    model.fit(around[:, chosen].T.astype(np.float32), corpus.verdict[chosen], sample_weight=weight[chosen])
    return model, around


def train_label_trees(corpus: Corpus, pages: NDArray[np.bool_], around: NDArray[np.uint8], seed: int) -> Any:
    """Symmetric trees that tell the labels of boilerplate apart."""
    import catboost

    rng = np.random.default_rng(seed)
    whole = np.array([page.whole for page in corpus.pages])
    taken = pages & (~whole | (rng.random(len(pages)) < 0.25))
    chosen = np.flatnonzero(taken[corpus.page] & (corpus.label > 0))
    model = catboost.CatBoostClassifier(
        iterations=_LABEL_TREES,
        depth=_DEPTH,
        learning_rate=0.2,
        l2_leaf_reg=10,
        border_count=32,
        rsm=0.3,
        loss_function="MultiClass",
        bootstrap_type="Bernoulli",
        subsample=0.7,
        boosting_type="Plain",
        thread_count=1,
        random_seed=seed,
        verbose=0,
        allow_writing_files=False,
    )
    weight = page_weights(corpus, 0.5, 0.1)[corpus.page][chosen]
    model.fit(around[:, chosen].T.astype(np.float32), corpus.label[chosen], sample_weight=weight)
    return model


def export_trees(model: Any, folder: Path, scale: int, outputs: int = 1) -> dict[str, NDArray[Any]]:
    """The trees as arrays: feature and border of each level, and leaves in units of 1 / `scale` of log odds."""
    file = folder / "trees.json"
    model.save_model(str(file), format="json")
    exported = json.loads(file.read_text(encoding="utf-8"))
    file.unlink()
    feature, border, leaf = [], [], []
    for tree in exported["oblivious_trees"]:
        splits = tree["splits"] or []
        missing = _DEPTH - len(splits)
        feature.append([split["float_feature_index"] for split in splits] + [0] * missing)
        # Values are whole, so `x > 3.5` is `x > 3`; nothing is above 255.
        border.append([min(int(np.floor(split["border"])), 255) for split in splits] + [255] * missing)
        leaf.append(np.tile(np.reshape(tree["leaf_values"], (-1, outputs)), (1 << missing, 1)))
    factor, bias = exported["scale_and_bias"]
    values = np.clip(np.round(np.array(leaf) * factor * scale), -127, 127).astype(np.int8)
    return {
        "feature": np.array(feature, np.uint16),
        "border": np.array(border, np.uint8),
        "leaf": values[:, :, 0] if outputs == 1 else values,
        "tree_bias": np.round(np.resize(bias, outputs) * scale).astype(np.int32),
    }


def _export_label_trees(model: Any, folder: Path) -> dict[str, NDArray[Any]]:
    """The trees for labels, a column for every label; one that no line of the gold has can never win."""
    known = np.asarray(model.classes_, np.int64) - 1
    trees = export_trees(model, folder, _LABEL_SCALE, len(known))
    leaf = np.zeros((*trees["leaf"].shape[:2], len(LABELS) - 1), np.int8)
    leaf[:, :, known] = trees["leaf"]
    bias = np.full(len(LABELS) - 1, -(1 << 20), np.int32)
    bias[known] = trees["tree_bias"]
    return {
        "label_feature": trees["feature"],
        "label_border": trees["border"],
        "label_leaf": leaf,
        "label_tree_bias": bias,
    }


def cross_validate(
    corpus: Corpus, targets: NDArray[np.float32], weight: NDArray[np.float32], trees: int, log: Log
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Try the model on publishers it has not seen.

    Returns:
        float32[lines], log odds by models that saw no page of the line's publisher, nor did any model below them;
        uint8[heads, lines], head values by weights that did not see it: what the final trees may learn from.
    """
    fold_of = np.array([page.fold for page in corpus.pages])
    allowed = np.array([page.allowed for page in corpus.pages])
    heads = np.zeros((FOLDS, len(HEADS), len(corpus.page)), np.uint8)
    for fold in range(FOLDS):
        for other in range(fold, FOLDS):
            pages = allowed & (fold_of != fold) & (fold_of != other)
            values = head_values(corpus, *train_words(corpus, pages, targets, weight, fold * FOLDS + other))
            for left, right in ((fold, other), (other, fold)):
                lines = corpus.fold == right
                heads[left][:, lines] = values[:, lines]
    score = np.zeros(len(corpus.page), np.float32)
    unseen = np.zeros((len(HEADS), len(corpus.page)), np.uint8)
    for fold in range(FOLDS):
        model, around = train_trees(corpus, allowed & (fold_of != fold), heads[fold], trees, fold)
        lines = np.flatnonzero(corpus.fold == fold)
        score[lines] = model.predict(around[:, lines].T.astype(np.float32), prediction_type="RawFormulaVal")
        unseen[:, lines] = heads[fold][:, lines]
        log(f"fold {fold} done")
    return score, unseen


def figures(corpus: Corpus, score: NDArray[np.float32]) -> dict[str, Any]:
    """Line figures of the cross-validation on residue pages as they came, for each strictness."""
    came = np.array([not page.whole and not page.made and not page.partial for page in corpus.pages])[corpus.page]
    keep, drop = came & (corpus.verdict == KEEP), came & (corpus.verdict == DROP)
    out = {}
    for name, threshold in _THRESHOLDS.items():
        gone = score >= threshold
        out[name] = {
            "drop_lines_removed": round(float(gone[drop].mean()), 4),
            "keep_lines_lost": round(float(gone[keep].mean()), 4),
            "keep_bytes_lost": round(float(corpus.size[keep & gone].sum() / corpus.size[keep].sum()), 5),
        }
    return out


def need(*libraries: str) -> None:
    """Say what to install before any work is done.

    Raises:
        UsageError: a library of the extra [train] is missing.
    """
    for name in libraries:
        try:
            importlib.import_module(name)
        except ImportError:
            msg = f"training needs {name}; install it with: pip install 'news-corpus-pipeline[train]'"
            raise UsageError(msg) from None


def train(files: Sequence[Path], output: Path, trees: int, log: Log) -> NDArray[np.float32]:
    """Train, write the weights file, and return the cross-validated log odds of the gold's lines in order."""
    need("catboost", "torch")
    corpus = load_corpus(files)
    log(f"{len(corpus.pages)} pages, {len(corpus.page)} lines, {corpus.row_count} token weights")
    allowed = np.array([page.allowed for page in corpus.pages])
    targets, weight = head_targets(corpus, page_weights(corpus, 0.5, 0.3))
    score, unseen = cross_validate(corpus, targets, weight, trees, log)
    model, around = train_trees(corpus, allowed, unseen, trees, 0)
    label_model = train_label_trees(corpus, allowed, around, 1)
    heads, head_bias = train_words(corpus, allowed, targets, weight, 99)
    kinds = (corpus.label[:, None] == np.arange(1, len(LABELS))[None, :]).astype(np.float32)
    labels, label_bias = train_words(
        corpus, allowed, kinds, np.repeat(weight[:, 1:2] * (corpus.label > 0)[:, None], kinds.shape[1], 1), 98
    )
    about = {
        "features": NAMES,
        "tree_scale": TREE_SCALE,
        "thresholds": _THRESHOLDS,
        "gold": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
        "licences": {name: LICENCES[name] for name in sorted({page.data_set for page in corpus.pages if page.allowed})},
        "pages": int(sum(page.allowed and not page.made for page in corpus.pages)),
        "recombined_pages": int(sum(bool(page.made) for page in corpus.pages)),
        "publishers": len({page.house for page in corpus.pages if page.allowed}),
        "cross_validated": figures(corpus, score),
    }
    arrays: dict[str, Any] = {
        "about": np.array(json.dumps(about, sort_keys=True)),
        "heads": heads,
        "head_bias": head_bias,
        "labels": labels,
        "label_bias": label_bias,
        "scale": _SCALE,
        **export_trees(model, output.parent, TREE_SCALE),
    }
    arrays.update(_export_label_trees(label_model, output.parent))
    for name, known in zip(("words", "pairs", "lines"), corpus.vocabulary, strict=True):
        arrays[name] = np.diff(known, prepend=0).astype(np.uint32)
    np.savez_compressed(output, **arrays)
    return score[: corpus.first[sum(not page.made for page in corpus.pages)]]
