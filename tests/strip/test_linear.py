"""Time grows with the input, not with its square, whatever the input is."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

import pipeline.read
import pipeline.strip
from pipeline.config import Config
from pipeline.strip.article import clean_article
from pipeline.strip.rules.loosened import loosened
from pipeline.strip.rules.packs import compile_pattern, named_patterns, read_packs
from tests.linear import RATIO, growth, repeated

SIZES = (1_000, 10_000, 100_000)
PUNCTUATION = "([{<«“‘\"'-–—•|/\\.,;:!?…’”»>}])"


def patterns() -> Iterator[tuple[str, str, list[str]]]:
    """Every pattern of every shipped pack with its fragments: its name, itself, and lines that its rule takes."""
    for path, pack in read_packs().items():
        examples = {f"rule {rule.id!r}": list(rule.match) for rule in pack.rule}
        for block in pack.block:
            lines = [line for example in block.example for line in example.lines]
            examples |= {f"block {block.id!r}, {part}": lines for part in ("starts", "ends", "inner", "stops")}
        for name, pattern in named_patterns(pack, path.name):
            yield name, pattern, examples[name.removeprefix(f"{path.name}: ")]


def near_misses(search: Callable[[bytes], object], lines: list[str]) -> list[str]:
    """Texts that begin to match and do not, however often they are repeated: the engine has to read all of them."""
    line = max(lines, key=len)
    cuts = [f"{line[:cut]}{end}" for cut in range(len(line), 0, -1) for end in ("", " ", "\u00b6")]
    return [text for text in cuts if search((text * 9).encode()) is None][:3] or ["\u00b6"]


def evil(search: Callable[[bytes], object], lines: list[str]) -> list[Callable[[int], bytes]]:
    """Makers of strings of any size that cost a backtracking engine dearly."""
    first, _, rest = max(lines, key=len).partition(" ")
    units = [*near_misses(search, lines), f"{first} ", f"{PUNCTUATION}{first}", PUNCTUATION, first[:1], " ", "1 ", "é"]
    texts = [partial(repeated, unit) for unit in units]
    texts.append(lambda size: f"{first}{' ' * size}{rest}")
    texts.append(lambda size: f"{first} {'word ' * (size // 5)}{rest}")
    return [lambda size, text=text: text(size).encode() for text in texts]  # type: ignore[misc]


def test_all_rules_together_take_linear_time() -> None:
    """Every shipped pattern on text that begins to match it again and again: ten times the text, ten times the time."""
    searches = [(compile_pattern(pattern, name).search, lines) for name, pattern, lines in patterns()]
    units = [near_misses(search, lines)[0] for search, lines in searches]
    assert len(units) > 500

    def search(given: list[bytes]) -> None:
        for (search, _), text in zip(searches, given, strict=True):
            search(text)

    ratios = growth(search, lambda size: [repeated(unit, size).encode() for unit in units], (1_000, 10_000))
    assert max(ratios) <= RATIO, ratios


@pytest.mark.long
def test_every_rule_takes_linear_time_on_everything_evil() -> None:
    """Each pattern, as it is and loosened, on 1,000, 10,000 and 100,000 bytes of each of its evil strings."""
    worst = []
    for name, pattern, lines in patterns():
        for form in dict.fromkeys((pattern, loosened(pattern).pattern)):
            search = compile_pattern(form, name).search
            for number, make in enumerate(evil(search, lines)):
                worst.append((max(growth(search, make, SIZES)), name, form, number))
    assert max(worst)[0] <= RATIO, sorted(worst)[-5:]


def own_patterns() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes]]]:
    """The fixed patterns of Python's own engine, which backtracks, in all modules that see data."""
    for package in (pipeline.read, pipeline.strip):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if found.name == "pipeline.strip.model.train":
                continue
            for name, value in vars(importlib.import_module(found.name)).items():
                several = value if isinstance(value, tuple) else (value,)
                for number, one in enumerate(several):
                    if isinstance(one, re.Pattern):
                        yield f"{found.name}.{name}[{number}]", one


OWN = dict(own_patterns())
# These are matched where the one before ended, and never searched for.
CHAINED = ("pipeline.read.web._NAME[0]", "pipeline.read.web._ATTRIBUTE[0]")


def find_all(name: str, text: str | bytes) -> int:
    """Find a pattern everywhere, as the program would; how often."""
    pattern: re.Pattern[Any] = OWN[name]
    if name not in CHAINED:
        return sum(1 for _ in pattern.finditer(text))
    place = count = 0
    while (found := pattern.match(text, place)) and found.end() > place:
        place, count = found.end(), count + 1
    return count


@pytest.mark.parametrize("name", OWN)
def test_the_few_other_patterns_take_linear_time(name: str) -> None:
    """What Python's engine runs was written so that it cannot run away: found everywhere in text of its own pieces."""
    pattern = OWN[name]
    source = pattern.pattern.decode("latin-1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    pieces = [piece for piece in re.split(r"[\\()\[\]{}|^$?*+]+", source) if piece][:12]
    units = ["".join(pieces), *pieces, " ", "1 ", "1 jan ", "jan ", "a. ", '."', "| ", "—", "[", "\\", "%", "<", "by "]
    for unit in dict.fromkeys(units):
        for made in (
            partial(repeated, unit),
            lambda size, unit=unit: unit + " " * size,
            lambda size, unit=unit: unit + "a" * size,
        ):
            make = (lambda size, made=made: made(size).encode()) if isinstance(pattern.pattern, bytes) else made
            ratios = growth(partial(find_all, name), make, (1_000, 10_000))
            assert max(ratios) <= RATIO, (unit, ratios)


# Texts that no one writes: each is a unit over and over, with something before and after it.
SHAPES: dict[str, tuple[str, str, str]] = {
    "one word": ("", "a", ""),
    "one line": ("", "harbour council ", ""),
    "white space in a line": ("a", " ", "b"),
    "zero width in a line": ("a", "\u200b\u00a0\u2028", "b"),
    "line feeds": ("x", "\n", "y"),
    "line feeds and returns": ("x", "\r\n", "y"),
    "empty lines of all kinds": ("x", "\n\u00a0\n\u200b\r", "y"),
    "scripts": ("", "a漢я🙂é\n漢 字\nпривет мир\n", ""),
    "quotation marks": ("", "“”‘’\"'«»\n", ""),
    "punctuation": ("", "((([[[{{{...,,,;;;:::---", ""),
    "equal lines": ("", "Sign up\n", ""),
    "openers of blocks": ("", "Recommended:\n", ""),
    "openers and closers": ("", "Please donate today\nOnce\nMonthly\nContinue\n", ""),
    "boilerplate and body": (
        "",
        "Sign up for our newsletter\nThe council voted to keep the old harbour bridge open.\n",
        "",
    ),
    "captions": ("", "The old bridge. Photo: Anna Example\n", ""),
    "dates": ("", "1 jan 2 feb 2017 ", ""),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_cleaner_takes_linear_time(name: str) -> None:
    """A text of each odd shape takes ten times as long when it is ten times as long."""
    before, unit, after = SHAPES[name]
    ratios = growth(
        lambda text: clean_article(text, Config()),
        lambda size: before + repeated(unit, size) + after,
        (10_000, 100_000),
        floor=0.01,
    )
    assert max(ratios) <= RATIO, ratios


@pytest.mark.long
@pytest.mark.parametrize("name", SHAPES)
def test_the_cleaner_takes_linear_time_on_long_texts(name: str) -> None:
    """The same from 200 kB over 2 MB to the largest text there may be."""
    before, unit, after = SHAPES[name]
    ratios = growth(
        lambda text: clean_article(text, Config()),
        lambda size: before + repeated(unit, size) + after,
        (160_000, 1_600_000, 16_000_000),
        floor=0.05,
    )
    # Ten times the arrays no longer fit the processor's caches; a square would make it a hundred.
    assert max(ratios) <= 2 * RATIO, ratios
