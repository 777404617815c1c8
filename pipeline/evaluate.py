"""Measure the cleaner against labelled lines: precision, recall and body loss, as `pipeline evaluate` prints them.

Gold is JSON Lines, one document each, plain or gzip: `lines`, a list of `text` and `label` (keep, drop, mixed with the
kept character ranges as `spans`; title, neutral and unknown count for nothing), and where known `cls`, `gold_text`,
`lang`, `extractor`, `publisher_domain`, `url`; or a sheet of labelled lines (`pipeline.strip.model.sheet`). Documents
of one `extractor` and `track` are cleaned as one corpus, so repetition across documents has its say, and a page that
stands there once per extractor does not repeat itself.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from pipeline.errors import InputError
from pipeline.records import complete
from pipeline.strip.cleaner import load_cleaner, sightings_of
from pipeline.strip.model import sheet
from pipeline.strip.repetition import SIGHTINGS, templates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline.config import Config

_BATCH: Final = 500
_TOKEN: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f\u1000-\u109f]|[^\W_]+")
# A line counts as lost or removed when less than half of its words are left.
_HALF: Final = 0.5
# A document counts as harmed when a body line is lost, or more than this share of its body's characters.
_HARM: Final = 0.02
# Gold classes that are no boilerplate proper: captions, readers' comments, repeated body.
NOT_PROPER: Final = frozenset(
    (
        "caption",
        "photo_credit",
        "credit",
        "user_comment",
        "caption_or_inline_other",
        "duplicate_of_body",
        "long_text_other",
    )
)


@dataclass(frozen=True, slots=True)
class JudgedLine:
    """A gold line and what the cleaner did to it.

    Attributes:
        text: the line.
        gold: its gold label.
        cls: its gold class, empty where there is none.
        kept: for each of its words whether it is left.
        spans: character ranges to keep of a mixed line.
        label: what the cleaner called the first span that touches it, empty where none does.
        score: of that span.
    """

    text: str
    gold: str
    cls: str
    kept: tuple[bool, ...]
    spans: tuple[tuple[int, int], ...]
    label: str
    score: float

    @property
    def share_kept(self) -> float:
        """Share of its words that are left."""
        return sum(self.kept) / len(self.kept) if self.kept else 0.0


@dataclass(slots=True)
class Tally:
    """Sums over documents; every figure of `figures` comes from these."""

    documents: int = 0
    f1: float = 0.0
    exact: int = 0
    harmed: int = 0
    lines: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)

    def figures(self) -> dict[str, float | int | None]:
        """Named figures; shares are between 0 and 1, None where nothing is to be counted."""
        lines, characters = self.lines, self.characters
        removed = lines["lost"] + lines["removed"]
        return {
            "documents": self.documents,
            "token_f1": _share(self.f1, self.documents),
            "proper_removed": _share(lines["proper_removed"], lines["proper"]),
            "lines_removed": _share(lines["removed"], lines["drop"]),
            "removal_precision": _share(lines["removed"], removed),
            "body_lines_lost": _share(lines["lost"], lines["keep"]),
            "body_characters_lost": _share(characters["lost"], characters["keep"]),
            "exact_documents": _share(self.exact, self.documents),
            "harmed_documents": _share(self.harmed, self.documents),
        }


@dataclass(slots=True)
class Evaluation:
    """The figures of a run.

    Attributes:
        total: over all documents.
        groups: by the values of the field that was asked for.
        classes: gold class to (lines, removed).
        labels: label of the cleaner to (lines removed, of those junk).
        calibration: tenth of the score to (lines removed, of those junk).
        worst: (characters lost, name, judged lines) of the documents that lost most body.
    """

    total: Tally = field(default_factory=Tally)
    groups: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    classes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    labels: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    calibration: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    worst: list[tuple[float, str, list[JudgedLine]]] = field(default_factory=list)


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def read_gold(path: Path, **wanted: str | None) -> Iterator[dict[str, Any]]:
    """The documents of a gold file whose fields have the wanted values; None wants nothing.

    Raises:
        InputError: the file cannot be read or a line is no gold document.
    """
    if path.suffix == sheet.SUFFIX:
        for document in sheet.documents(sheet.read_sheet(path)):
            if all(value is None or document.get(name) == value for name, value in wanted.items()):
                yield document
        return
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                document = json.loads(line)
                if not isinstance(document, dict) or not isinstance(document.get("lines"), list):
                    msg = f"{path}, line {number}: a gold document is an object with a list `lines`"
                    raise InputError(msg)
                if all(value is None or document.get(name) == value for name, value in wanted.items()):
                    yield document
    except (OSError, EOFError, ValueError) as error:
        msg = f"cannot read gold from {path}: {error}"
        raise InputError(msg) from None


def evaluate(
    documents: Iterable[dict[str, Any]], config: Config, *, by: str | None = None, worst: int = 0
) -> Evaluation:
    """Clean gold documents and count what was right.

    Args:
        documents: as `read_gold` gives them.
        config: its `rules` and `strictness` count.
        by: a field to group by, such as extractor, lang or dataset.
        worst: how many of the documents that lost most body to keep.
    """
    corpora: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for document in documents:
        corpora[str(document.get("extractor")), str(document.get("track"))].append(document)
    result = Evaluation()
    for corpus in corpora.values():
        for document, lines in _judged(corpus, config):
            tally = _count(document, lines, result)
            _add(result.total, tally)
            if by:
                _add(result.groups[str(document.get(by))], tally)
            if worst and tally.characters["lost"]:
                name = str(document.get("doc_id") or document.get("file"))
                result.worst.append((tally.characters["lost"], name, lines))
                result.worst = sorted(result.worst, key=lambda entry: -entry[0])[:worst]
    return result


def wrong_lines(documents: Iterable[dict[str, Any]], config: Config) -> tuple[int, list[tuple[str, JudgedLine]]]:
    """The lines whose gold verdict the cleaner does not give, each with the name of its document.

    Returns:
        How many lines have a verdict, and those that came out wrong.
    """
    told, wrong = 0, []
    for document, lines in _judged(list(documents), config):
        name = str(document.get("doc_id") or document.get("file"))
        for line in lines:
            if line.gold in ("keep", "drop") and line.kept:
                told += 1
                if (line.share_kept < _HALF) != (line.gold == "drop"):
                    wrong.append((name, line))
    return told, wrong


def _judged(corpus: Sequence[dict[str, Any]], config: Config) -> Iterator[tuple[dict[str, Any], list[JudgedLine]]]:
    """Each document of one corpus with its lines as the cleaner leaves them."""
    cleaner = load_cleaner(config.rules, config.strictness, config.model)
    batches = [_batch(corpus[start : start + _BATCH]) for start in range(0, len(corpus), _BATCH)]
    seen = pa.Table.from_batches([sightings_of(batch) for batch in batches], SIGHTINGS)
    known = templates([lambda: seen], config.memory)
    place = 0
    for batch in batches:
        for spans in cleaner.strip(batch, known).column("removed").to_pylist():
            yield corpus[place], list(_lines(corpus[place], spans))
            place += 1


def _batch(documents: Sequence[dict[str, Any]]) -> pa.RecordBatch:
    columns = {
        "text": ["\n".join(line["text"] for line in document["lines"]) for document in documents],
        "source": [document.get("publisher_domain") or document.get("publisher") for document in documents],
        "url": [document.get("url") for document in documents],
    }
    return complete({name: pa.array(values, pa.string()) for name, values in columns.items()}, len(documents))


def _lines(document: dict[str, Any], spans: Sequence[dict[str, Any]]) -> Iterator[JudgedLine]:
    """The gold lines of a document; spans and lines are both in order, so one pass pairs them."""
    start, first = 0, 0
    for line in document["lines"]:
        end = start + len(line["text"].encode())
        while first < len(spans) and spans[first]["end"] <= start:
            first += 1
        touching = []
        for span in spans[first:]:
            if span["start"] >= end:
                break
            touching.append(span)
        kept = tuple(_kept_words(line["text"], start, touching))
        told: dict[str, Any] = touching[0] if touching else {"label": "", "score": 0.0}
        ranges = tuple((low, high) for low, high in line.get("spans") or line.get("keep_spans") or ())
        yield JudgedLine(line["text"], line["label"], line.get("cls") or "", kept, ranges, told["label"], told["score"])
        start = end + 1


def _kept_words(text: str, start: int, spans: Sequence[dict[str, Any]]) -> Iterator[bool]:
    """For each word of a line whether no span touches it; `start` is the line's byte offset in its document."""
    for word in _TOKEN.finditer(text):
        if not spans:
            yield True
            continue
        low = start + len(text[: word.start()].encode())
        high = low + len(word.group().encode())
        yield not any(span["start"] < high and low < span["end"] for span in spans)


def _count(document: dict[str, Any], lines: Sequence[JudgedLine], result: Evaluation) -> Tally:
    tally = Tally(documents=1)
    exact = True
    for line in _best_reading(lines):
        if not line.kept or line.gold not in ("keep", "drop", "mixed"):
            continue
        gone = line.share_kept < _HALF
        if line.gold == "keep":
            exact &= line.share_kept >= 0.99
            tally.lines["keep"] += 1
            tally.lines["lost"] += gone
            tally.characters["keep"] += len(line.text)
            tally.characters["lost"] += round(len(line.text) * (1 - line.share_kept))
        elif line.gold == "drop":
            exact &= line.share_kept <= 0.01
            _count_junk(line, gone=gone, tally=tally, result=result)
        else:
            _count_mixed(line, tally)
        if gone and line.label:
            junk = int(line.gold == "drop")
            result.labels[line.label].update(removed=1, junk=junk)
            result.calibration[min(int(line.score * 10), 9)].update(removed=1, junk=junk)
    tally.exact = int(exact)
    lost = tally.characters["lost"] / tally.characters["keep"] if tally.characters["keep"] else 0.0
    tally.harmed = int(tally.lines["lost"] > 0 or lost > _HARM)
    tally.f1 = _token_f1(document, lines)
    return tally


def _count_junk(line: JudgedLine, *, gone: bool, tally: Tally, result: Evaluation) -> None:
    tally.lines.update(drop=1, removed=int(gone))
    if line.cls not in NOT_PROPER:
        tally.lines.update(proper=1, proper_removed=int(gone))
    result.classes[line.cls or "other"].update(lines=1, removed=int(gone))


def _count_mixed(line: JudgedLine, tally: Tally) -> None:
    """Of a line that is partly body the characters of its body words count."""
    for word, kept in zip(_TOKEN.finditer(line.text), line.kept, strict=True):
        if any(low <= word.start() and word.end() <= high for low, high in line.spans):
            tally.characters.update(keep=len(word.group()), lost=0 if kept else len(word.group()))


def _best_reading(lines: Sequence[JudgedLine]) -> list[JudgedLine]:
    """Of equal lines with different labels the text alone cannot say which one was kept: take the better reading."""
    places = defaultdict(list)
    for place, line in enumerate(lines):
        places[" ".join(line.text.split())].append(place)
    kept = [line.kept for line in lines]
    for same in places.values():
        lost = [place for place in same if lines[place].gold == "keep" and not any(kept[place])]
        left = [place for place in same if lines[place].gold == "drop" and kept[place] and all(kept[place])]
        for one, other in zip(lost, left, strict=False):
            kept[one], kept[other] = kept[other], kept[one]
    return [
        line if line.kept == words else JudgedLine(line.text, line.gold, line.cls, words, line.spans, "", 0.0)
        for line, words in zip(lines, kept, strict=True)
    ]


def _token_f1(document: dict[str, Any], lines: Sequence[JudgedLine]) -> float:
    """F1 of the words that are left against the words of the gold text (of the keep lines where there is none)."""
    gold = document.get("gold_text")
    if gold is None:
        gold = [line.text for line in lines if line.gold == "keep"]
    texts = [gold] if isinstance(gold, str) else gold
    wanted = Counter(word.lower() for text in texts for word in _TOKEN.findall(text))
    found = Counter(
        word.lower()
        for line in lines
        if line.gold in ("keep", "drop", "mixed")
        for word, kept in zip(_TOKEN.findall(line.text), line.kept, strict=True)
        if kept
    )
    common = (wanted & found).total()
    if not common:
        return float(not wanted and not found)
    precision, recall = common / found.total(), common / wanted.total()
    return 2 * precision * recall / (precision + recall)


def _add(total: Tally, one: Tally) -> None:
    total.documents += one.documents
    total.f1 += one.f1
    total.exact += one.exact
    total.harmed += one.harmed
    total.lines.update(one.lines)
    total.characters.update(one.characters)
