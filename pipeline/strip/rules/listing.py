"""The rules as `pipeline rules list` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.strip.rules import Rules


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
