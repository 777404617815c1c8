"""What processes of the pipeline's own do without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SEEDS = Path(__file__).parent.parent / "seeds"


def run(*arguments: str) -> str:
    """Standard error of a Python process that ended well."""
    return subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True).stderr


def test_a_build_loads_no_pandas(tmp_path: Path) -> None:
    """The command does not import pandas, which pyarrow would by itself."""
    pytest.importorskip("pandas", reason="pandas is in the extra `test`")
    imported = run("-X", "importtime", "-m", "pipeline", "build", str(SEEDS), "-o", str(tmp_path / "out"))
    names = {line.rpartition("|")[2].strip() for line in imported.splitlines() if line.startswith("import time")}
    assert "pyarrow" in names
    assert not [name for name in names if name.startswith("pandas.")]


def test_a_program_of_somebody_else_keeps_pandas() -> None:
    """Who imports the library still gets frames of tables."""
    pytest.importorskip("pandas", reason="pandas is in the extra `test`")
    run(
        "-c",
        "import pipeline, pyarrow; pipeline.clean('A text.');"
        "assert pyarrow.table({'a': [1]}).to_pandas().shape == (1, 1)",
    )


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads as Linux lists them")
def test_no_thread_waits_for_linear_algebra() -> None:
    """NumPy starts no threads of its own: they would wait in a busy loop."""
    run("-c", "import pipeline.lean, numpy, os; assert len(os.listdir('/proc/self/task')) == 1")
