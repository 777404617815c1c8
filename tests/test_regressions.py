"""Documents that the cleaner once got wrong stay right; see tests/regressions/README.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import Config
from pipeline.evaluate import read_gold, wrong_lines

CASES = sorted((Path(__file__).parent / "regressions").glob("*.tsv"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_what_was_put_right_stays_right(case: Path) -> None:
    """Every line with a verdict comes out as its sheet says."""
    told, wrong = wrong_lines(read_gold(case), Config())
    assert told
    assert [(name, line.gold, line.text) for name, line in wrong] == []
