"""A process that publishes once when told, to be hurt by test_faults: everything it needs is loaded before."""

from __future__ import annotations

import select
import sys
import tempfile
from pathlib import Path

from pipeline.errors import WriteError
from tests.finished import ordinary, publish

NEW = ordinary(30, seed=2)


def main(output: Path) -> int:
    """Publish `NEW` into `output` after a line on standard input; 3 and one line when it could not be written."""
    with tempfile.TemporaryDirectory() as elsewhere:  # a first time, so that no import is hurt instead of a publish
        publish(Path(elsewhere), NEW)
    print("ready", flush=True)
    select.select([sys.stdin], [], [])  # waits without a read, which would be hurt as well
    try:
        publish(output, NEW)
    except WriteError as error:
        print(error, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
