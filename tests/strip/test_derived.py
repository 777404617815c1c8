"""What is stored of the built-in patterns is what the code derives from them."""

from __future__ import annotations

import os

from pipeline.strip.rules import parsed
from pipeline.strip.rules.derived import DERIVED, render
from pipeline.strip.rules.loosened import loosened
from pipeline.strip.rules.packs import (
    BUILT_IN,
    compile_pattern,
    expand,
    expand_definitions,
    named_patterns,
    parse,
    read_pack,
    read_packs,
)
from pipeline.strip.rules.schema import Pack


def built_in_patterns() -> set[str]:
    """Every built-in pattern as it is compiled."""
    found = set()
    for pack in read_packs().values():
        fragments = expand_definitions(pack.define, pack.label)
        patterns = [pattern for rule in pack.rule for pattern in rule.patterns]
        patterns += [
            pattern
            for block in pack.block
            for part in ("starts", "ends", "inner", "stops")
            for pattern in block.patterns(part)
        ]
        found |= {expand(pattern, fragments, pack.label) for pattern in patterns}
    return found


def test_what_is_stored_is_up_to_date() -> None:
    """Deriving all from the built-in patterns gives the file; `UPDATE_DERIVED=1` writes it."""
    content = render(built_in_patterns())
    if os.environ.get("UPDATE_DERIVED"):
        DERIVED.write_text(content, encoding="utf-8")
    assert DERIVED.read_text(encoding="utf-8") == content


def test_the_stored_packs_are_up_to_date() -> None:
    """What the TOML of the built-in packs says is valid, and gives the file; `UPDATE_DERIVED=1` writes it."""
    packs = {path: parse(path, path.read_bytes()) for path in sorted(BUILT_IN.glob("*.toml"))}
    content = parsed.render({path.read_bytes(): data for path, data in packs.items()})
    if os.environ.get("UPDATE_DERIVED"):
        parsed.PARSED.write_text(content, encoding="utf-8")
        parsed.known.cache_clear()
    assert parsed.PARSED.read_text(encoding="utf-8") == content
    for path, data in packs.items():
        assert read_pack(path) == Pack.model_validate(data), path.name


def test_a_pack_that_was_changed_is_read_anew() -> None:
    """One byte more than when its content was stored, and nothing is known of a pack."""
    content = (BUILT_IN / "copyright.toml").read_bytes()
    assert parsed.pack_of(content) is not None
    assert parsed.pack_of(content + b"#") is None


def test_every_built_in_pattern_compiles() -> None:
    """Packs of the package are not compiled when they are read, so all of their patterns are compiled here."""
    for pack in read_packs().values():
        for name, pattern in named_patterns(pack, pack.label):
            compile_pattern(pattern, name)
            compile_pattern(loosened(pattern).pattern, name)
