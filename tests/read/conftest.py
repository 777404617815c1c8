"""What the tests of the readers share: one way to read bytes as a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.config import Config
from pipeline.read import discover, plan, read_shard
from pipeline.records import RECORDS

Read = Callable[..., list[dict[str, Any]]]


def read_all(*inputs: Path | str, config: Config | None = None) -> pa.Table:
    """All records of some inputs, every batch checked in full."""
    config = config or Config()
    batches = []
    for shard in plan(discover([str(entry) for entry in inputs], config), config):
        for batch in read_shard(shard, config):
            assert batch.schema == RECORDS
            assert 0 < batch.num_rows <= config.batch_rows
            batch.validate(full=True)
            batches.append(batch)
    return pa.Table.from_batches(batches, RECORDS)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write bytes to a file of some name and read it: a list of rows."""

    def run(name: str, data: bytes, **settings: Any) -> list[dict[str, Any]]:
        (tmp_path / name).write_bytes(data)
        return read_all(tmp_path / name, config=Config(**settings)).to_pylist()

    return run
