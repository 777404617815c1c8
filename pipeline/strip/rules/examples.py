"""Prove the rules by the examples that stand in their packs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.strip.blocks import find_blocks
from pipeline.strip.lines import split_lines

if TYPE_CHECKING:
    from pipeline.strip.rules import Rules


@dataclass(frozen=True, slots=True)
class ExampleFailure:
    """An example that a rule or block does not treat as its pack says."""

    id: str
    example: str
    problem: str


def check_examples(rules: Rules) -> list[ExampleFailure]:
    """Try every example of every pack, each as a document of its own; what fails, in the order of the packs."""
    return _check_rules(rules) + _check_blocks(rules)


def _check_rules(rules: Rules) -> list[ExampleFailure]:
    cases = [
        (rule.id, text, expected)
        for pack in rules.packs
        for rule in pack.rule
        for expected, texts in ((True, rule.match), (False, rule.no_match))
        for text in texts
    ]
    lines = split_lines(pa.array([text for _, text, _ in cases], pa.string()))
    hits = rules.match(lines)
    matched = {
        (int(lines.document[line]), rules.targets[target].id)
        for line, target in zip(hits.line.tolist(), hits.target.tolist(), strict=True)
        if rules.targets[target].part == "rule"
    }
    return [
        ExampleFailure(name, text, "must match and does not" if expected else "must not match and does")
        for number, (name, text, expected) in enumerate(cases)
        if ((number, name) in matched) != expected
    ]


def _check_blocks(rules: Rules) -> list[ExampleFailure]:
    cases = [(block, example) for block in rules.blocks for example in block.block.example]
    lines = split_lines(pa.array(["\n".join(example.lines) for _, example in cases], pa.string()))
    taken: dict[tuple[int, str], list[int]] = {}
    for first, last, number in find_blocks(lines, rules.match(lines), rules):
        document = int(lines.document[first])
        base = int(lines.first[document])
        taken.setdefault((document, rules.blocks[number].block.id), []).extend(range(first - base, last + 1 - base))
    failures = []
    for number, (block, example) in enumerate(cases):
        removed = taken.get((number, block.block.id), [])
        if removed != list(example.removed):
            problem = f"must take lines {list(example.removed)} and takes {removed}"
            failures.append(ExampleFailure(block.block.id, " / ".join(example.lines), problem))
    return failures
