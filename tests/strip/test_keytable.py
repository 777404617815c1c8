"""The table that known keys are found with."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.strip.rules.keytable import KeyTable


@pytest.mark.parametrize("count", [0, 1, 2, 1_000, 40_000])
def test_finds_every_known_key_and_no_other(count):
    """Each known key gives its number, wherever it stands among unknown ones; nothing else is found."""
    keys = np.unique(np.random.default_rng(1).integers(0, 1 << 63, 2 * count, dtype=np.uint64))
    known, unknown = keys[::2], keys[1::2]
    mixed = np.concatenate([unknown, known, known[:1]])

    number, place = KeyTable(known).find(mixed)

    assert place.tolist() == list(range(len(unknown), len(mixed)))
    assert (known[number] == mixed[place]).all()


def test_keys_that_differ_in_one_bit_are_told_apart():
    """Keys of short words differ in few bits; all of them get slots of their own."""
    keys = np.array([1 << bit for bit in range(64)], np.uint64)
    number, place = KeyTable(keys).find(keys[::-1])
    assert number.tolist() == list(range(63, -1, -1))
    assert place.tolist() == list(range(64))
