"""Quality is a floor that only rises: figures on the benchmark's development set, pinned with the digest of the gold.

The weights have seen these publishers, so the figures here are higher than on unseen ones (docs/model.md has those, by
cross-validation). They guard against getting worse unawares. Raise a floor when a change beats it; never lower one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import Config
from pipeline.evaluate import evaluate, read_gold

GOLD = {
    "dev.jsonl.gz": "77c57ace544ff35b2e8d8f71357387822f48bfb15a00ff6e45d6bcad207a0b7b",
    "appeals_dev.jsonl": "a417729c5131508eda1c8b1f8b1ef4cbb2909c7084da9e319ce1bafa434f0150",
}
MODERN = {"tier": "core", "lang": "en", "era": "modern"}

# (figure, bound): at least the bound for what should be high, at most for what is named lost or harmed.
FLOORS: dict[str, tuple[str, dict[str, str], dict[str, float]]] = {
    "modern residue": (
        "dev.jsonl.gz",
        {**MODERN, "track": "residue"},
        {
            "token_f1": 0.988,
            "proper_removed": 0.83,
            "removal_precision": 0.965,
            "exact_documents": 0.745,
            "body_characters_lost": 0.0006,
            "harmed_documents": 0.045,
        },
    ),
    "modern whole pages": (
        "dev.jsonl.gz",
        {**MODERN, "track": "full"},
        {"token_f1": 0.94, "body_characters_lost": 0.017},
    ),
    "appeals": (
        "appeals_dev.jsonl",
        {},
        {"lines_removed": 0.95, "removal_precision": 0.98, "exact_documents": 0.85, "body_lines_lost": 0.0055},
    ),
}


@pytest.mark.parametrize("name", FLOORS)
def test_quality_does_not_fall(bench: Path, name: str) -> None:
    """Every figure of the development set is at its floor or better."""
    file, wanted, floors = FLOORS[name]
    path = bench / file
    if hashlib.sha256(path.read_bytes()).hexdigest() != GOLD[file]:
        pytest.skip(f"{path} is another version than the one the floors were measured on")
    figures: dict[str, Any] = evaluate(read_gold(path, **wanted), Config()).total.figures()
    worse = {
        figure: (figures[figure], bound)
        for figure, bound in floors.items()
        if (figures[figure] > bound if "lost" in figure or "harmed" in figure else figures[figure] < bound)
    }
    assert not worse
