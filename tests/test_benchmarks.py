"""The benchmark runs as the documentation says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT


def test_the_benchmark_measures_every_kind_of_build(tmp_path: Path) -> None:
    """On a corpus too small to tell anything it prints its whole table and draws its picture."""
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--megabytes", "0.2", "--work", str(tmp_path)]
    done = subprocess.run([*command, "--plot", str(tmp_path / "plot.svg")], check=True, capture_output=True, text=True)
    for row in ("floor", "start-up", "--dedupe exact", "nothing changed", "one file changed", "--dedupe near", "strip"):
        assert row in done.stdout
    assert (tmp_path / "plot.svg").read_text().startswith("<svg")
