"""Rule packs: TOML files that say what boilerplate looks like, each rule with its proof.

A pack holds the rules of one label. Whatever is wrong with a file ends in one `RuleError` that names the file and,
where there is one, the rule.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import re2
from pydantic import ValidationError

from pipeline.errors import RuleError
from pipeline.strip.rules import parsed
from pipeline.strip.rules.schema import MAX_RULES, Pack

MAX_PACK_BYTES: Final = 256 * 1024
MAX_PATTERN_BYTES: Final = 2 * 1024
# With the fragments it names put in; RE2's own memory limit below is what keeps a pattern cheap.
MAX_EXPANDED_BYTES: Final = 16 * 1024
MAX_PACKS: Final = 1000

BUILT_IN: Final = Path(__file__).parent

# Patterns see lines with plain quotation marks; written with curly ones they mean the same (and stay TOML literals).
_PLAIN_QUOTES: Final = str.maketrans("\u2018\u2019\u201c\u201d", "''\"\"")

# What a pattern may take: compiled, and for the states it meets while it searches; RE2 forgets them when there are too
# many. With the most for each, 750 patterns grow with the corpus; with this they take 13 MB less after 40 MB of news
# already, and search as fast. Where the most is too little RE2 gives up compiling, so a pattern of 2 KiB cannot claim
# the machine's memory.
_USUAL_MEMORY: Final = 2 << 20
_MOST_MEMORY: Final = 16 << 20


def read_packs(directories: tuple[Path, ...] = ()) -> dict[Path, Pack]:
    """Read the built-in packs and those of a user's folders, in the order of folders and file names.

    Raises:
        RuleError: a folder or file that cannot be read or used, or a rule id that is there twice.
    """
    packs: dict[Path, Pack] = {}
    for directory in (BUILT_IN, *directories):
        for path in _pack_files(directory):
            packs[path] = read_pack(path)
    _refuse_duplicates(packs)
    return packs


def read_pack(path: Path) -> Pack:
    """Read and validate one pack; a user's patterns are compiled too.

    Raises:
        RuleError: names the file, the rule where there is one, and what to do.
    """
    content = _content(path)
    if path.parent == BUILT_IN and (known := parsed.pack_of(content)):
        return known
    data = parse(path, content)
    try:
        pack = Pack.model_validate(data)
    except ValidationError as error:
        raise RuleError(f"{path}: {_first_problem(error, data)}") from None
    if path.parent == BUILT_IN:
        return pack  # the tests compile these; here it would cost a third of a second at every start
    for name, pattern in named_patterns(pack, str(path)):
        compiled = compile_pattern(pattern, name)
        if "cut" in compiled.groupindex and not _may_cut(pack, name):
            raise RuleError(f"{name}: the group `cut` needs a rule with `span = true`.")
    return pack


def named_patterns(pack: Pack, place: str) -> list[tuple[str, str]]:
    """Every pattern of a pack with its fragments put in, and what to call it in a message."""
    fragments = expand_definitions(pack.define, place)
    named = []
    for rule in pack.rule:
        where = f"{place}: rule {rule.id!r}"
        patterns = [*rule.patterns, rule.unless] if rule.unless else rule.patterns
        named += [(where, expand(pattern, fragments, where)) for pattern in patterns]
    for block in pack.block:
        for part in ("starts", "ends", "inner", "stops"):
            where = f"{place}: block {block.id!r}, {part}"
            named += [(where, expand(pattern, fragments, where)) for pattern in block.patterns(part)]
    return named


def _may_cut(pack: Pack, name: str) -> bool:
    return any(rule.span and name.endswith(f": rule {rule.id!r}") for rule in pack.rule)


def expand_definitions(define: dict[str, str], place: str) -> dict[str, str]:
    """A pack's fragments; each may use those before it.

    Raises:
        RuleError: a fragment that is not defined before it is used.
    """
    fragments: dict[str, str] = {}
    for name, text in define.items():
        fragments[name] = expand(text, fragments, f"{place}: fragment {name!r}")
    return fragments


def expand(pattern: str, define: dict[str, str], where: str) -> str:
    """Put the fragments that a pattern names as `{{name}}` in their places, each as a group of its own.

    Raises:
        RuleError: a fragment that the pack does not define, or a pattern that is too long.
    """
    pieces = pattern.split("{{")
    text = pieces[0]
    for piece in pieces[1:]:
        name, closed, rest = piece.partition("}}")
        if not closed or name not in define:
            raise RuleError(
                f"{where}: {{{{{name[:40]}}}}} is not in the pack's [define] table; define it or write it out."
            )
        text += f"(?:{define[name]}){rest}"
    if len(pattern) > MAX_PATTERN_BYTES or len(text) > MAX_EXPANDED_BYTES:
        limit = f"{MAX_PATTERN_BYTES} bytes, {MAX_EXPANDED_BYTES} with its fragments put in"
        raise RuleError(f"{where}: the pattern is longer than {limit}; split it into several.")
    return text


@lru_cache(maxsize=8192)
def compile_pattern(pattern: str, where: str, *, cased: bool = False) -> re2._Regexp:
    """Compile an RE2 pattern without regard to the form of quotation marks, or, unless it is `cased`, to case.

    Raises:
        RuleError: RE2 refuses the pattern.
    """
    pattern = pattern.translate(_PLAIN_QUOTES)
    if "\\Q" in pattern:
        raise RuleError(f"{where}: \\Q is not supported; escape each character instead.")
    try:
        try:
            return re2.compile(pattern, _options(_USUAL_MEMORY, cased=cased))
        except re2.error:
            return re2.compile(pattern, _options(_MOST_MEMORY, cased=cased))
    except re2.error as error:
        detail = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise RuleError(f"{where}: RE2 refuses the pattern: {detail}. {_advice(detail)}") from None
    except UnicodeEncodeError:
        raise RuleError(f"{where}: the pattern holds half a surrogate pair; write the character itself.") from None


def _options(memory: int, *, cased: bool) -> re2.Options:
    options = re2.Options()
    options.case_sensitive = cased
    options.log_errors = False
    options.max_mem = memory
    return options


def _advice(detail: str) -> str:
    if "perl operator" in detail:
        return "RE2 has no look-around; put the other case into `no_match`, `where` or a weak rule."
    if "escape" in detail:
        return "RE2 has no back-references; spell the alternatives out."
    return "See the RE2 syntax for what can be written."


def _pack_files(directory: Path) -> list[Path]:
    try:
        files = sorted(path for path in directory.iterdir() if path.suffix == ".toml")
    except OSError as error:
        raise RuleError(f"{directory}: the rule folder cannot be read ({error.strerror}).") from None
    if len(files) > MAX_PACKS:
        raise RuleError(f"{directory}: {len(files)} packs; at most {MAX_PACKS} are read, so merge some.")
    return files


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_PACK_BYTES + 1)
    except OSError as error:
        raise RuleError(f"{path}: the rule pack cannot be read ({error.strerror}).") from None
    if len(content) > MAX_PACK_BYTES:
        raise RuleError(f"{path}: the rule pack is over {MAX_PACK_BYTES // 1024} KiB; split it.")
    return content


def parse(path: Path, content: bytes) -> dict[str, Any]:
    """What the TOML of a pack says.

    Raises:
        RuleError: it cannot be read.
    """
    import tomllib  # noqa: PLC0415 - the built-in packs are there without it

    try:
        return tomllib.loads(content.decode("utf-8").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        raise RuleError(f"{path}: the rule pack is not UTF-8 (byte {error.start}); save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{path}: the rule pack is not valid TOML: {error}.") from None
    except (RecursionError, ValueError, OverflowError) as error:
        # tomllib passes on what int(), float() and datetime() say about a value, and nests by recursion.
        raise RuleError(f"{path}: the rule pack holds a value that cannot be read: {type(error).__name__}.") from None


def _first_problem(error: ValidationError, data: dict[str, object]) -> str:
    """The first thing wrong with a pack, with the rule it is in, in words."""
    problem = error.errors(include_url=False)[0]
    place = problem["loc"]
    message = problem["msg"]
    if problem["type"] == "extra_forbidden":
        message = f"unknown key {place[-1]!r}; remove it or correct its name"
    elif problem["type"] == "missing":
        message = f"key {place[-1]!r} is missing"
    rest = error.error_count() - 1
    return f"{_describe(place, data)}{message}.{f' ({rest} more)' if rest else ''}"


def _describe(place: tuple[int | str, ...], data: dict[str, object]) -> str:
    """Where in the file a problem is: `rule 'id', match: `."""
    names = [str(part) for part in place if isinstance(part, str)]
    if len(place) > 1 and place[0] in ("rule", "block") and isinstance(place[1], int):
        entries = data[str(place[0])]
        entry = entries[place[1]] if isinstance(entries, list) else None
        name = entry.get("id") if isinstance(entry, dict) else None
        names[0] = f"{names[0]} {name!r}" if isinstance(name, str) else f"{names[0]} number {place[1] + 1}"
    return f"{', '.join(names)}: " if names else ""


def _refuse_duplicates(packs: dict[Path, Pack]) -> None:
    seen: dict[str, Path] = {}
    for path, pack in packs.items():
        for name in (*(rule.id for rule in pack.rule), *(block.id for block in pack.block)):
            if name in seen:
                raise RuleError(f"{path}: rule {name!r} is already in {seen[name]}; give it another id.")
            seen[name] = path
    if len(seen) > MAX_RULES:
        raise RuleError(f"{len(seen)} rules in all packs; at most {MAX_RULES} can be used at once.")
