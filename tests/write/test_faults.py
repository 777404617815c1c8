"""Every file-system call of a publish is hurt in turn; afterwards the corpus reads well and the next build works.

strace does it to a real process: a kill, a full disk or a failing device at exactly the n-th call of a kind.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.corpus.check import check
from pipeline.write.publish import BUILDS
from tests.finished import ordinary, publish
from tests.write.victim import NEW

ROOT = Path(__file__).parents[2]
OLD = ordinary(30, seed=1)
FAULTS = {"kill": "signal=SIGKILL", "full": "error=ENOSPC", "failing": "error=EIO"}
# All calls that touch the file system; the rest of a process is of no interest here.
CALLS = (
    "openat,close,read,pread64,write,pwrite64,lseek,fsync,fdatasync,ftruncate,flock,fchmod,chmod,fchmodat,mkdir,rmdir,"
    "unlink,unlinkat,rename,symlink,readlink,getdents64,newfstatat,stat,lstat,statx"
)


def strace(pid: int, log: Path, *options: str) -> subprocess.Popen[bytes]:
    """Follow a process that waits; returns once it is attached."""
    command = ["strace", "-f", "-o", str(log), "-e", f"trace={CALLS}", *options, "-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    line = tracer.stderr.readline()
    if b"attached" not in line:
        tracer.kill()
        pytest.skip(f"strace cannot follow a process here: {line.decode().strip()}")
    return tracer


@pytest.fixture(scope="module")
def victims() -> Iterator[subprocess.Popen[str]]:
    """A process that makes others, which publish."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.write.victim"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        assert process.stdin is not None
        process.stdin.close()


def run(victims: subprocess.Popen[str], output: Path, log: Path, *options: str) -> tuple[int, str]:
    """Publish in a process under strace; its exit code and what it said."""
    answer = tell(victims, f"{output}")
    tracer = strace(int(answer), log, *options)
    code = int(tell(victims, "go"))
    tracer.communicate()
    return code, (output.parent / "said").read_text()


def tell(victims: subprocess.Popen[str], line: str) -> str:
    """What is answered to a line."""
    assert victims.stdin is not None
    assert victims.stdout is not None
    victims.stdin.write(f"{line}\n")
    victims.stdin.flush()
    return victims.stdout.readline()


def published(output: Path) -> str:
    """The name of the build that readers get, after a whole check of it."""
    report = check(output / "corpus")
    assert report.ok, report.findings
    return (output / "corpus").resolve().name


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory, victims: subprocess.Popen[str]) -> list[tuple[str, int]]:
    """Each call of a publish by kind and count, as strace numbers them: by thread."""
    folder = tmp_path_factory.mktemp("points")
    publish(folder / "output", OLD)
    code, said = run(victims, folder / "output", folder / "log")
    assert (code, said) == (0, "")
    calls = re.findall(r"^(\d+) +(\w+)\(", (folder / "log").read_text(), re.MULTILINE)
    most: Counter[str] = Counter()
    for (_, call), count in Counter(calls).items():
        most[call] = max(most[call], count)
    return [(call, number) for call, count in sorted(most.items()) for number in range(1, count + 1)]


def hurt(
    victims: subprocess.Popen[str], folder: Path, fault: str, call: str, number: int, names: tuple[str, str]
) -> str:
    """One fault at one call: what became of the build."""
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    publish(output, OLD)
    code, said = run(victims, output, folder / "log", "-e", f"inject={call}:{FAULTS[fault]}:when={number}")
    where = f"{fault} at {call} {number}: exit {code}, {said!r}, {(folder / 'log').read_text()[-2000:]}"
    injected = "INJECTED" in (folder / "log").read_text() or "SIGKILL" in (folder / "log").read_text()
    assert code in ((-9, 0) if fault == "kill" else (0, 3)), where
    assert said.count("\n") == (code == 3), where
    assert published(output) in names, where
    if code == 0:
        assert published(output) == names[1], where
    publish(output, NEW)
    assert published(output) == names[1], where
    assert len(list((output / BUILDS).iterdir())) <= 2, where
    assert sorted(path.name for path in output.iterdir()) == [BUILDS, ".lock", "corpus"], where
    return f"{injected}, exit {code}"


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The names of the former and of the new build."""
    folder = tmp_path_factory.mktemp("names")
    return publish(folder, OLD).resolve().name, publish(folder, NEW).resolve().name


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_one_call_in_many(
    victims: subprocess.Popen[str],
    tmp_path: Path,
    fault: str,
    points: list[tuple[str, int]],
    names: tuple[str, str],
) -> None:
    """A fault at the last call of a kind that changes something leaves a whole corpus and a working output."""
    changing = {"kill": ("rename", "symlink", "unlink"), "full": ("write", "mkdir", "fsync"), "failing": ("openat",)}
    last = dict(points)
    for call in changing[fault]:
        hurt(victims, tmp_path, fault, call, last[call], names)


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_every_call(
    victims: subprocess.Popen[str],
    tmp_path: Path,
    fault: str,
    points: list[tuple[str, int]],
    names: tuple[str, str],
) -> None:
    """A fault at any call of a publish leaves a whole corpus and a working output."""
    assert len(points) >= 60
    outcomes: Counter[str] = Counter()
    broken = []
    for call, number in points:
        try:
            outcomes[hurt(victims, tmp_path, fault, call, number, names)] += 1
        except AssertionError as error:
            broken.append(str(error))
    print(f"{fault}: {len(points)} points, {dict(outcomes)}")
    assert not broken, "\n\n".join([f"{len(broken)} of {len(points)} are broken", *broken])
