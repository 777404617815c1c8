"""Labelled lines for training: read, grouped by publisher, weighed by licence, and multiplied by recombination."""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pipeline.records import LABELS
from pipeline.strip.model import sheet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# The licence of each data set shipped weights may learn from; of `hand_news` only pages that are not AGPL.
LICENCES: Final = {
    "aeb": "MIT",
    "fundus_eval": "MIT",
    "fundus_tests": "MIT",
    "fundus_hist": "MIT",
    "fundus_apply": "MIT / Apache-2.0",
    "mercury_fix": "MIT",
    "hand_news": "MIT / Apache-2.0",
    "wcxb": "CC-BY-4.0",
    "traf_eval": "Apache-2.0",
    "appeals_dev": "labels our own",
    sheet.DATA_SET: "the user's own",
}

# The benchmark's classes, and the label of each.
_LABEL_OF: Final = {
    "nav_tag_menu": "navigation",
    "nav": "navigation",
    "video_gallery_ui": "navigation",
    "media_ui": "navigation",
    "related_list_item": "related",
    "related_list_heading": "related",
    "read_more_link": "related",
    "user_comment": "comments",
    "comment_ui": "comments",
    "share_tools": "share",
    "embedded_social": "share",
    "dateline_timestamp": "published",
    "dateline": "published",
    "subscription_paywall_app": "subscription",
    "caption_or_inline_other": "caption",
    "photo_credit": "caption",
    "credit": "caption",
    "privacy_cookie_consent": "consent",
    "copyright_notice": "copyright",
    "ad_marker": "advert",
    "donation_support": "donation",
}
_ASKS: Final = frozenset(("newsletter", "donation", "subscription"))
# Small widgets that may stand anywhere in an article.
_WIDGETS: Final = _ASKS | frozenset(
    (
        "app_promo",
        "author_bio",
        "event_promo",
        "contact",
        "disclaimer",
        "advert",
        "consent",
        "share",
        "related",
        "copyright",
    )
)

# Registrable names that belong to one house, and the one they go by.
_HOUSES: Final = {
    **dict.fromkeys(("nbcnews", "cnbc", "msnbc", "today"), "nbcu"),
    **dict.fromkeys(("azcentral", "freep", "usatoday", "tallahassee", "jsonline"), "gannett"),
    **dict.fromkeys(("foxbusiness", "foxnews"), "fox"),
    "tageszeitung": "taz",
}
_SECOND_LEVEL: Final = frozenset(("co", "com", "org", "net", "gov", "ac", "ne", "or", "go", "edu", "in"))

KEEP, DROP, UNKNOWN = 0, 1, -1


@dataclass(frozen=True)
class Page:
    """One labelled document.

    Attributes:
        verdict: for each line `KEEP`, `DROP`, or `UNKNOWN` where it is neither rewarded nor punished.
        label: for each line its index in `LABELS` (0 for a kept line), -1 where unknown.
        made: how it was recombined from a page of the benchmark, empty for a page as it came.
    """

    name: str
    data_set: str
    house: str
    language: str
    whole: bool
    partial: bool
    allowed: bool
    lines: list[str]
    verdict: list[int]
    label: list[int]
    made: str = ""
    fold: int = field(default=-1)


def house_of(domain: str) -> str:
    """The publisher behind a domain, so that no publisher is in two folds.

    >>> house_of("www.theguardian.co.uk") == house_of("guardian.com")
    True
    """
    parts = domain.lower().strip().removeprefix("www.").split(".")
    if len(parts) >= 3 and parts[-2] in _SECOND_LEVEL:
        parts = parts[:-2]
    elif len(parts) >= 2:
        parts = parts[:-1]
    name = parts[-1]
    if name.startswith("the") and len(name) > 6:
        name = name[3:]
    return _HOUSES.get(name, name)


def read_pages(files: Sequence[Path]) -> list[Page]:
    """All pages of some gold files (JSON lines, `.gz` or not), in order."""
    return [_page(record) for file in files for record in _records(file)]


def _records(file: Path) -> Iterator[dict[str, Any]]:
    if file.suffix == sheet.SUFFIX:
        return sheet.documents(sheet.read_sheet(file))
    raw = file.read_bytes()
    text = gzip.decompress(raw) if file.suffix == ".gz" else raw
    return (json.loads(line) for line in text.splitlines() if line.strip())


def _page(record: dict[str, Any]) -> Page:
    appeal = "publisher_domain" not in record
    data_set = "appeals_dev" if appeal else record["dataset"]
    rows = [(" ".join(row["text"].split()), row) for row in record["lines"]]
    rows = [(text, row) for text, row in rows if text]
    publisher = record["group"] if appeal else record["publisher_domain"]
    return Page(
        name=record["doc_id"],
        data_set=data_set,
        house=house_of(publisher if "." in publisher else f"{publisher}.x"),
        language=record["lang"],
        whole=record.get("track") == "full",
        partial=record.get("tier") == "partial",
        allowed=data_set in LICENCES and not (record.get("licence") or "").startswith("AGPL"),
        lines=[text for text, _ in rows],
        verdict=[{"keep": KEEP, "drop": DROP}.get(row["label"], UNKNOWN) for _, row in rows],
        label=[_label(row) for _, row in rows],
    )


def _label(row: dict[str, Any]) -> int:
    if row["label"] == "keep":
        return 0
    if row["label"] == "title":
        return LABELS.index("title")
    if row["label"] != "drop":
        return -1
    kind = row.get("cls") or row.get("sub") or "other"
    kind = _LABEL_OF.get(kind, kind)
    return LABELS.index(kind if kind in LABELS else "other")


def set_folds(pages: Sequence[Page], folds: int, seed: int = 1) -> list[Page]:
    """Give each page its fold, a publisher's pages all the same one; larger publishers first, to the emptiest fold."""
    size: dict[str, float] = defaultdict(float)
    for page in pages:
        size[page.house] += 1 + (0 if page.whole else 60)
    order = sorted(size, key=lambda house: (-size[house], house))
    load = [0.0] * folds
    chosen = {}
    for house in order:
        chosen[house] = min(range(folds), key=lambda fold: (load[fold], (fold + seed) % folds))
        load[chosen[house]] += size[house]
    return [replace(page, fold=chosen[page.house]) for page in pages]


def recombine(pages: Sequence[Page], copies: int = 2, seed: int = 5) -> list[Page]:
    """More documents like those an extractor leaves, out of allowed pages; no text crosses from one fold into another.

    A whole page gives its body with some of the junk beside and between it; a residue page gets an appeal or another
    small widget of a different publisher put between its paragraphs.
    """
    chance = random.Random(seed)  # noqa: S311 - which training pages are mixed is no secret
    widgets = _widgets(pages)
    out = []
    for page in pages:
        if not page.allowed or page.partial:
            continue
        made = (
            [_cut_page(page, chance) for _ in range(copies)] if page.whole else [_with_widgets(page, widgets, chance)]
        )
        out += [new for new in made if new is not None]
    return out


def _take(page: Page, places: Sequence[int], made: str) -> Page:
    return replace(
        page,
        lines=[page.lines[place] for place in places],
        verdict=[page.verdict[place] for place in places],
        label=[page.label[place] for place in places],
        whole=False,
        made=made,
    )


def _some(chance: random.Random, mean: float) -> int:
    return int(chance.expovariate(1 / mean))


def _cut_page(page: Page, chance: random.Random) -> Page | None:
    kept = [place for place, verdict in enumerate(page.verdict) if verdict == KEEP]
    if len(kept) < 3:
        return None
    low, high = kept[0], kept[-1]
    before = 0 if chance.random() < 0.45 else 1 + _some(chance, 2.5)
    places = list(range(max(0, low - before), low))
    often = chance.choice((0.0, 0.2, 0.5, 0.8))
    place = low
    while place <= high:
        stop = place + 1
        if page.verdict[place] == KEEP:
            places.append(place)
        else:
            while stop <= high and page.verdict[stop] != KEEP:
                stop += 1
            if chance.random() < often:
                size = min(stop - place, 1 + _some(chance, 4))
                start = place if chance.random() < 0.6 else chance.randint(place, stop - size)
                places += range(start, start + size)
        place = stop
    after = 0 if chance.random() < 0.4 else 1 + _some(chance, chance.choice((2, 4, 10, 25)))
    end = min(len(page.lines), high + 1 + after)
    places += range(high + 1, end)
    if chance.random() < 0.12 and len(page.lines) - end > 10:
        start = chance.randint(end, len(page.lines) - 10)
        places += range(start, min(len(page.lines), start + 1 + _some(chance, 6)))
    return _take(page, places, "cut") if len(places) <= 400 else None


_Widget = tuple[Page, int, int, int]


def _widgets(pages: Sequence[Page]) -> dict[tuple[int, str], list[_Widget]]:
    """Runs of lines to put elsewhere, by fold and language: page, first and last line + 1, weight."""
    asks = {LABELS.index(name) for name in _ASKS}
    small = {LABELS.index(name) for name in _WIDGETS}
    donation = LABELS.index("donation")
    out: dict[tuple[int, str], list[_Widget]] = defaultdict(list)
    for page in pages:
        if not page.allowed or page.partial:
            continue
        for low, high in _runs(page.verdict):
            found = [place for place in range(low, high) if page.label[place] in asks]
            if found and found[-1] - found[0] < 12:
                heavy = page.data_set == "appeals_dev" or any(page.label[place] == donation for place in found)
                out[page.fold, page.language].append((page, found[0], found[-1] + 1, 3 if heavy else 1))
            elif not found and not page.whole and high - low <= 3 and small & set(page.label[low:high]):
                out[page.fold, page.language].append((page, low, high, 1))
    return out


def _runs(verdict: Sequence[int]) -> Iterator[tuple[int, int]]:
    place = 0
    while place < len(verdict):
        stop = place
        while stop < len(verdict) and verdict[stop] == DROP:
            stop += 1
        if stop > place:
            yield place, stop
        place = stop + 1


def _with_widgets(page: Page, widgets: dict[tuple[int, str], list[_Widget]], chance: random.Random) -> Page | None:
    choice = widgets.get((page.fold, page.language), [])
    kept = [place for place, verdict in enumerate(page.verdict) if verdict == KEEP]
    if len(choice) < 5 or len(kept) < 4 or (page.data_set == "appeals_dev" and chance.random() < 0.5):
        return None
    lines, verdict, label = list(page.lines), list(page.verdict), list(page.label)
    places = []
    for _ in range(chance.choice((1, 1, 2, 3))):
        source, low, high, _ = chance.choices(choice, [widget[3] for widget in choice])[0]
        at = chance.choice(
            (len(page.lines), chance.choice(kept), chance.choice(kept), kept[-1] + 1, kept[0], chance.choice(kept[:3]))
        )
        if source.house != page.house:
            places.append((at, source, low, high))
    for at, source, low, high in sorted(places, key=lambda entry: -entry[0]):
        lines[at:at] = source.lines[low:high]
        verdict[at:at] = source.verdict[low:high]
        label[at:at] = source.label[low:high]
    return replace(page, lines=lines, verdict=verdict, label=label, made="widgets")
