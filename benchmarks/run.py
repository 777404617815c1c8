"""Measure a build against the floor: Arrow reads JSON Lines and writes Parquet, nothing in between.

    python benchmarks/run.py                     # 60 MB that are made here
    python benchmarks/run.py --megabytes 300 --plot docs/scale.svg
    CORPUS=/data/documents python benchmarks/run.py      # a folder of .jsonl files of your own

Everything is measured in the same run, since the figures of a shared machine mean little by themselves: CPU seconds of
the whole process tree (user and system), start-up included, and the floor next to them.
"""

# ruff: noqa: T201, S603, S311, INP001 - run by hand: it prints, runs this package, and draws the same texts every time

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FILES = 100
CHANGED = 5

FLOOR = """
import sys, glob, os
import pyarrow as pa, pyarrow.json as pj, pyarrow.parquet as pq
pa.set_cpu_count(1); pa.set_io_thread_count(1)
writer = None
for file in sorted(glob.glob(sys.argv[1] + "/*.jsonl")):
    table = pj.read_json(file, read_options=pj.ReadOptions(use_threads=False, block_size=8 << 20))
    writer = writer or pq.ParquetWriter(sys.argv[2], table.schema, compression="zstd", compression_level=3)
    writer.write_table(table, row_group_size=20_000)
writer.close()
"""


@dataclass(frozen=True)
class Measured:
    """One command: CPU and wall seconds of its process tree, and the private memory of that tree at its peak, in MB.

    `leader` is the part of the CPU seconds that the process spent which leads the workers: what more workers do not
    make shorter.
    """

    cpu: float
    wall: float
    peak: float
    leader: float


def measure(*command: str) -> Measured:
    """Run a command to its end."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        peaks: list[float] = [0.0]
        spent: dict[int, float] = {process.pid: 0.0}
        watch = threading.Thread(target=_watch, args=(process, peaks, spent))
        watch.start()
        _, complaint = process.communicate()
        watch.join()
    if process.returncode:
        sys.exit(complaint.decode())
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # Workers of a pool are nobody's children that is waited for: what they spent is known from looking at them only.
    return Measured(max(cpu, sum(spent.values())), time.monotonic() - start, max(peaks), spent[process.pid])


def _watch(process: subprocess.Popen[bytes], peaks: list[float], spent: dict[int, float]) -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    while process.poll() is None:
        tree = _tree(process.pid)
        for member in tree:
            with contextlib.suppress(OSError, IndexError):
                fields = Path(f"/proc/{member}/stat").read_text().rsplit(")", 1)[1].split()
                spent[member] = (int(fields[11]) + int(fields[12])) / ticks
        peaks.append(sum(map(_private, tree)) / 1024)
        time.sleep(0.1)


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(entry.parent.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def _private(process: int) -> int:
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Private_"))


def make_corpus(folder: Path, megabytes: float) -> None:
    """Articles of words of the seeds, with boilerplate that the rule packs show as examples; the same every time.

    Three of a hundred are copies of an earlier one, five nearly so, each of 300 sources has its own lines.
    """
    from pipeline.strip.rules import load_packs  # noqa: PLC0415 - not needed with a corpus of one's own

    draw = random.Random(7)
    vocabulary = sorted({word for file in sorted((ROOT / "seeds").glob("*.txt")) for word in file.read_text().split()})
    examples = [text for pack in load_packs().packs for rule in pack.rule for text in rule.match if "\n" not in text]
    sources = [draw.choices(examples, k=draw.randint(4, 12)) for _ in range(300)]
    count = min(FILES, max(1, int(10 * megabytes)))
    files = [(folder / f"part-{number:03d}.jsonl").open("w", encoding="utf-8") for number in range(count)]
    size = number = 0
    former: list[list[str]] = []
    while size < megabytes * 1e6:
        lines = _article(draw, vocabulary, former)
        former = [*former[-999:], lines]
        source = draw.randrange(len(sources))
        closing = [line for line in sources[source] if draw.random() < 0.7]
        record = {"id": f"{number}", "text": "\n".join([*lines, *closing]), "source": f"source {source}"}
        size += files[number % count].write(json.dumps(record, ensure_ascii=False) + "\n")
        number += 1
    for file in files:
        file.close()


def _article(draw: random.Random, vocabulary: list[str], former: list[list[str]]) -> list[str]:
    chance = draw.random()
    if former and chance < 0.08:
        lines = list(draw.choice(former))
        if chance >= 0.03:
            lines[draw.randrange(len(lines))] = " ".join(draw.choices(vocabulary, k=12))
        return lines
    return [" ".join(draw.choices(vocabulary, k=draw.randint(20, 160))) + "." for _ in range(draw.randint(4, 12))]


STAGES = """
import pipeline.lean  # as the program does
import sys, time, pathlib
import numpy as np
import pyarrow as pa
from pipeline import dedupe, shards
from pipeline.config import Config
from pipeline.read import discover, plan, read_shard
from pipeline.records import RECORDS
from pipeline.strip.cleaner import load_cleaner, sightings_of
from pipeline.validate import validate
from pipeline.write.dataset import write_part
spent, last = {}, time.process_time()
def lap(name):
    global last
    now = time.process_time(); spent[name] = spent.get(name, 0) + now - last; last = now
work, config = pathlib.Path(sys.argv[2]), Config()
found = discover([sys.argv[1]], config); shard_list = plan(found, config); lap("find and hash")
clean = load_cleaner((), config.strictness).strip; lap("load rules and model")
known = np.array([1], np.uint64)
for number, shard in enumerate(shard_list):
    batches = list(read_shard(shard, config)); lap("read")
    for batch in batches: sightings_of(batch)
    lap("sightings of lines")
    shards.write_shard(work / "s.arrow", batches, RECORDS); lap("spill")
    batches = [clean(batch, known) for batch in batches]; lap("strip")
    batches = [validate(batch) for batch in batches]; lap("validate")
    for batch in batches: dedupe.fingerprints(batch, 0)
    lap("fingerprints")
    for batch in batches: dedupe.signatures_of(batch)
    lap("signatures (near)")
    shards.write_shard(work / "s.arrow", batches, RECORDS); lap("spill")
    write_part(batches, work / "parts", number); lap("write")
print(*(f"{name}={value}" for name, value in spent.items()), sep="\\n")
"""


def by_stage(corpus: Path, work: Path) -> dict[str, float]:
    """CPU seconds of each stage, all shards in one process."""
    done = subprocess.run(
        [sys.executable, "-c", STAGES, str(corpus), str(work)], check=True, capture_output=True, text=True
    )
    return {name: float(value) for name, value in (line.split("=") for line in done.stdout.splitlines())}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=60, help="size of the corpus that is made")
    parser.add_argument("--work", type=Path, help="folder for all files; a temporary one unless told")
    parser.add_argument("--plot", type=Path, help="write the shares of the stages as an SVG picture")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(dir=options.work) as name:
        work = Path(name)
        corpus = work / "corpus"
        if given := os.environ.get("CORPUS"):
            shutil.copytree(given, corpus)
        else:
            corpus.mkdir()
            make_corpus(corpus, options.megabytes)
        report(corpus, work, options.plot)


def report(corpus: Path, work: Path, plot: Path | None) -> None:
    """Measure every kind of build over one corpus."""
    size = sum(file.stat().st_size for file in corpus.iterdir()) / 1e6
    floor = measure(sys.executable, "-c", FLOOR, str(corpus), str(work / "floor.parquet"))
    print(f"{size:.0f} MB in {len(list(corpus.iterdir()))} files; load {os.getloadavg()[0]:.1f}\n")
    print(f"{'':<34}{'CPU s':>8}{'MB/CPU s':>10}{'of floor':>10}{'wall s':>8}{'peak MB':>9}")

    def show(label: str, found: Measured) -> Measured:
        speed, share = size / found.cpu, floor.cpu / found.cpu
        print(f"{label:<34}{found.cpu:8.2f}{speed:10.1f}{share:10.3f}{found.wall:8.1f}{found.peak:9.0f}")
        return found

    def build(label: str, output: str, *options: str, workers: int = 1) -> Measured:
        command = [sys.executable, "-m", "pipeline", "build", str(corpus), "-o", str(work / output)]
        return show(label, measure(*command, "--workers", f"{workers}", *options))

    show("floor: JSON Lines to Parquet", floor)
    show(
        "start-up: the four seeds",
        measure(sys.executable, "-m", "pipeline", "build", str(ROOT / "seeds"), "-o", str(work / "seeds")),
    )
    full = build("full build, --dedupe exact", "exact")
    again = build("  nothing changed", "exact")
    files = sorted(corpus.iterdir())
    rebuilds = []
    for file in files[:: max(len(files) // CHANGED, 1)][:CHANGED]:  # a file may lie in a small shard or in a large one
        _change(file)
        rebuilds.append(build(f"  {file.name} changed", "exact"))
    changed = sum(rebuild.cpu for rebuild in rebuilds) / len(rebuilds)
    near = build("full build, --dedupe near", "near", "--dedupe", "near")
    two = build("two workers, --dedupe exact", "two", workers=2)
    tenth = work / "tenth"
    tenth.mkdir()
    for file in sorted(corpus.iterdir())[::10]:
        (tenth / file.name).hardlink_to(file)
    small = sum(file.stat().st_size for file in tenth.iterdir()) / 1e6
    build_tenth = measure(
        sys.executable, "-m", "pipeline", "build", str(tenth), "-o", str(work / "small"), "--workers", "1"
    )
    print(
        f"\na tenth of the corpus: {small / build_tenth.cpu:.1f} MB per CPU second, "
        f"{build_tenth.peak:.0f} MB at its peak"
    )
    # Wall time tells nothing on a shared machine: what two free cores would do follows from who spent the CPU time.
    free = two.leader + (two.cpu - two.leader) / 2
    print(
        f"two workers: {two.cpu:.2f} CPU s, {two.leader:.2f} of them alone; "
        f"{full.cpu / free:.2f} times as fast as one where two cores are free"
    )
    print(
        f"nothing changed: {again.cpu / full.cpu:.1%} of a full build; one file changed: "
        f"{changed / full.cpu:.1%} ({len(rebuilds)} files in turn)"
    )
    print(f"near costs {near.cpu - full.cpu:.2f} s more than exact\n")
    stages = by_stage(corpus, work)
    total = sum(stages.values())
    for stage, seconds in sorted(stages.items(), key=lambda entry: -entry[1]):
        print(f"  {stage:<24}{seconds:8.2f} s{seconds / total:8.1%}{seconds / floor.cpu:8.2f} floors")
    if plot:
        plot.write_text(_picture(stages, floor.cpu, size), encoding="utf-8")


def _change(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    lines[0] = re.sub(r'"text": "', '"text": "Changed since the last build. ', lines[0], count=1)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _picture(stages: dict[str, float], floor: float, size: float) -> str:
    """One bar a stage, in CPU milliseconds for a megabyte; the floor is the red line."""
    bars = sorted(stages.items(), key=lambda entry: -entry[1])
    scale = 420 / bars[0][1]
    height = 26 * len(bars) + 40
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" font-family="sans-serif">',
        f'<rect width="760" height="{height}" fill="white"/>',
    ]
    for row, (stage, seconds) in enumerate(bars):
        top = 10 + 26 * row
        width = max(seconds * scale, 1)
        parts += [
            f'<text x="170" y="{top + 15}" text-anchor="end">{stage}</text>',
            f'<rect x="180" y="{top}" width="{width:.0f}" height="20" fill="#4477aa"/>',
            f'<text x="{186 + width:.0f}" y="{top + 15}">{1000 * seconds / size:.1f} ms/MB</text>',
        ]
    place = 180 + floor * scale
    parts += [
        f'<line x1="{place:.0f}" x2="{place:.0f}" y1="4" y2="{height - 26}" stroke="#cc3311" stroke-width="2"/>',
        f'<text x="{place + 4:.0f}" y="{height - 8}" fill="#cc3311">floor {1000 * floor / size:.1f} ms/MB</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
