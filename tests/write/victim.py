"""Publishes when told, each time in a process of its own, to be hurt by test_faults: all it needs is loaded before.

Speaks in lines: it is told an output folder and answers with the process that waits; on a second line that one
publishes, and the answer is how it ended. What it had to say is in the file `said` beside the output.
"""

from __future__ import annotations

import os
import select
import sys
import tempfile
from pathlib import Path

from pipeline.errors import WriteError
from tests.finished import ordinary, publish

NEW = ordinary(30, seed=2)


def main() -> None:
    """Publish `NEW` into every output that is told, until there are no more."""
    with tempfile.TemporaryDirectory() as elsewhere:  # a first time, so that no import is hurt instead of a publish
        publish(Path(elsewhere), NEW)
    print("ready", flush=True)
    while output := sys.stdin.readline().strip():
        victim = os.fork()
        if not victim:
            os._exit(publish_when_told(Path(output)))
        print(victim, flush=True)
        _, status = os.waitpid(victim, 0)
        sys.stdin.readline()
        print(os.waitstatus_to_exitcode(status), flush=True)


def publish_when_told(output: Path) -> int:
    """3 and one line when it could not be written."""
    said = os.open(output.parent / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    select.select([sys.stdin], [], [])  # waits without a read, which would be hurt as well
    try:
        publish(output, NEW)
    except WriteError as error:
        os.write(said, f"{error}\n".encode())
        return 3
    except BaseException as error:  # noqa: BLE001 - all else is a finding, and must not reach the parent's code
        os.write(said, f"{error!r}\n\n".encode())
        return 1
    return 0


if __name__ == "__main__":
    main()
