"""The strip stage with a fault, for test_deaths: apart from the tests, so that a worker loads little."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from pipeline import stages
from pipeline.config import Config
from pipeline.read import Shard
from pipeline.stages import ReadStep, ShardTask, StripStep


def killed() -> None:
    """As the system kills what takes too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def exits() -> None:
    """As a library in C gives up."""
    os.abort()


def out_of_memory() -> None:
    """As under a limit on memory: an allocation is refused."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
    try:
        pa.allocate_buffer(1 << 30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


DEATHS: dict[str, Callable[[], None]] = {"killed": killed, "aborted": exits, "out of memory": out_of_memory}


@dataclass(frozen=True)
class Deadly(StripStep):
    """The strip stage, in a worker of its own, with a fault: one document is its death."""

    death: str
    parent: int

    def __call__(self, task: ShardTask) -> None:
        assert os.getpid() != self.parent
        validate = stages.validate

        def faulty(batch: pa.RecordBatch) -> pa.RecordBatch:
            for row in batch.select(["id", "outcome", "metadata"]).to_pylist():
                if row["outcome"] is None and "deadly" in (row["metadata"] or ""):
                    DEATHS[self.death]()
            return validate(batch)

        stages.validate = faulty
        try:
            StripStep.__call__(self, task)
        finally:
            stages.validate = validate


@dataclass(frozen=True)
class DeadlyRead(ReadStep):
    """The read stage with a fault: one file is the death of the worker that reads it."""

    death: str
    name: str

    def __call__(self, task: ShardTask) -> None:
        read = stages.read_shard

        def faulty(shard: Shard, config: Config) -> Iterator[pa.RecordBatch]:
            if any(part.file.uri.endswith(self.name) and not part.deadly for part in shard.slices):
                DEATHS[self.death]()
            return read(shard, config)

        stages.read_shard = faulty
        try:
            ReadStep.__call__(self, task)
        finally:
            stages.read_shard = read
