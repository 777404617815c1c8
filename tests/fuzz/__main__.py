"""Run the fuzz targets: `python -m tests.fuzz [TARGET]... [--minutes N]`. Needs `pip install atheris`.

Each target gets N minutes. What was found stays in `.fuzz/TARGET/`: the corpus grows from run to run, and `crash-…`,
`timeout-…` or `oom-…` holds the bytes of a finding; `--try FILE TARGET` runs a target on it once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from os import environ
from pathlib import Path
from typing import NoReturn

HOME = Path(".fuzz")
# Seconds for one input (by the clock: machines are shared), MB of memory, and bytes of an input.
LIMITS = ("-timeout=120", "-rss_limit_mb=4096", "-max_len=8192")
# Minutes of one process: what atheris counts costs it some 50 kB of memory a run (without it none is lost).
_TURN = 1.0
NAMES = (
    "text",
    "json-lines",
    "separated",
    "parquet",
    "page",
    "archive",
    "retry",
    "settings-and-packs",
    "span-cutter",
    "cleaner",
    "kernels",
)


def fuzz(name: str, options: list[str]) -> NoReturn:
    """Run one target in this process until libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["pipeline"]):
        from tests.fuzz.seeds import seeds_of
        from tests.fuzz.targets import TARGETS
    home = HOME / name
    (home / "corpus").mkdir(parents=True, exist_ok=True)
    for data in seeds_of(name):
        (home / "corpus" / sha256(data).hexdigest()[:16]).write_bytes(data)

    def run(data: bytes) -> None:
        if data:
            TARGETS[name](data)

    atheris.Setup([sys.argv[0], str(home / "corpus"), f"-artifact_prefix={home}/", *options], run)
    atheris.Fuzz()
    raise SystemExit


def _run(name: str, minutes: float) -> bool:
    """Run one target, process after process, for some minutes or until it finds something."""
    end = time.monotonic() + 60 * minutes
    while (left := (end - time.monotonic()) / 60) > 0.02:
        command = [sys.executable, "-m", "tests.fuzz", name, "--minutes", str(min(left, _TURN)), "--here"]
        with tempfile.TemporaryDirectory() as scratch:
            if subprocess.run(command, env={**environ, "TMPDIR": scratch}, check=False).returncode:
                return False
    return True


def main() -> int:
    """Run each target that was asked for in a process of its own; 1 when one of them found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", default=NAMES, help=f"one of {', '.join(NAMES)}; all unless told")
    parser.add_argument("--minutes", type=float, default=10, help="for each target (default 10)")
    parser.add_argument("--try", dest="file", type=Path, help="run one target once, on the bytes of this file")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if unknown := set(given.target) - set(NAMES):
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if given.file:
        from tests.fuzz.targets import TARGETS

        TARGETS[given.target[0]](given.file.read_bytes())
        return 0
    if given.here:
        fuzz(given.target[0], [f"-max_total_time={given.minutes * 60:.0f}", *LIMITS])
    failed = False
    for name in given.target:
        sound = _run(name, given.minutes)
        failed |= not sound
        print(f"== {name}: {'nothing found' if sound else f'FOUND SOMETHING, see {HOME / name}'}", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
