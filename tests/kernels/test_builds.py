"""Whole builds with and without the kernels."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import SEEDS
from tests.kernels.twins import NEEDS_KERNELS

_BUILD = """
import sys
if sys.argv.pop(1) == "without":
    sys.modules["pipeline.kernels._compiled"] = None
from pipeline import kernels
from pipeline.cli import main
assert (kernels.compiled is None) == (sys.modules["pipeline.kernels._compiled"] is None)
main()
"""


def build(how: str, output: Path) -> dict[str, bytes]:
    """The published files of a build of the seeds by name."""
    command = [sys.executable, "-c", _BUILD, how, "build", str(SEEDS), "-o", str(output), "--dedupe", "near"]
    subprocess.run(command, check=True, capture_output=True)
    corpus = output / "corpus"
    return {str(file.relative_to(corpus)): file.read_bytes() for file in corpus.rglob("*") if file.is_file()}


@NEEDS_KERNELS
def test_a_machine_without_a_compiler_publishes_the_same_bytes(tmp_path: Path) -> None:
    """Every file of a corpus is the same, manifest and report included, whoever did the work."""
    compiled, plain = build("with", tmp_path / "with"), build("without", tmp_path / "without")
    assert "manifest.json" in compiled
    assert compiled == plain
