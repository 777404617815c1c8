"""The fuzz targets hold for their own seeds, and for some bytes that nobody chose: none of them rots."""

from __future__ import annotations

import random

import pytest

from tests.fuzz.__main__ import NAMES
from tests.fuzz.seeds import seeds_of
from tests.fuzz.targets import TARGETS

# Runs on random bytes, and as many on damaged seeds; fewer of what takes longer.
RUNS = {"cleaner": 15, "kernels": 8, "separated": 40, "json-lines": 60, "page": 60, "archive": 60}
USUAL = 120


@pytest.mark.parametrize("name", [*TARGETS])
def test_a_target_holds(name: str) -> None:
    """No seed, no damaged seed and no random bytes break a promise."""
    if name in ("page", "archive"):
        pytest.importorskip("trafilatura", reason="the extra [html] is not installed")
    if name == "archive":
        pytest.importorskip("fastwarc", reason="the extra [warc] is not installed")
    draw = random.Random(name)
    seeds = seeds_of(name)
    for data in seeds[:40]:
        TARGETS[name](data)
    for _ in range(RUNS.get(name, USUAL)):
        TARGETS[name](draw.randbytes(draw.randint(1, 80)))
        damaged = bytearray(draw.choice(seeds))
        for _ in range(draw.randint(1, 5)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        TARGETS[name](bytes(damaged))


def test_every_target_can_be_run_by_name() -> None:
    """The command knows the targets without loading them."""
    assert [*TARGETS] == [*NAMES]
