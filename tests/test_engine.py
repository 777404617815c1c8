"""The engine: pools, order, and workers that die."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pipeline.engine import LocalEngine, blame_by_halves
from pipeline.errors import PipelineError


@dataclass(frozen=True)
class Numbers:
    """A task: numbers to add up, of which some kill the worker unless they are left out."""

    values: tuple[int, ...]
    deadly: frozenset[int] = frozenset()
    left_out: frozenset[int] = frozenset()


class Add:
    """A step that adds numbers up and dies on a deadly one, as a worker dies that the system kills."""

    def __call__(self, task: Numbers) -> int:
        for value in task.values:
            if value in task.deadly and value not in task.left_out:
                os.kill(os.getpid(), signal.SIGKILL)
        return sum(value for value in task.values if value not in task.left_out)

    def blame(self, task: Numbers, dies: Callable[[Numbers], bool]) -> Numbers:
        guilty = blame_by_halves(len(task.values), lambda low, high: dies(replace(task, values=task.values[low:high])))
        return replace(task, left_out=frozenset(task.values[index] for index in guilty))


class Fail(Add):
    """A step that reports an error."""

    def __call__(self, task: Numbers) -> int:
        raise PipelineError(f"no way with {task.values}")


@dataclass(frozen=True)
class Cursed(Add):
    """A step that dies whatever it works on."""

    marker: Path

    def __call__(self, _task: Numbers) -> int:
        if self.marker.exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return 0


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_task_gives_its_own_result(workers: int) -> None:
    """Results carry the index of their task, however many workers there are."""
    tasks = [Numbers((number, number)) for number in range(7)]
    assert sorted(LocalEngine(workers).map(Add(), tasks)) == [(number, 2 * number) for number in range(7)]


@pytest.mark.parametrize("deadly", [0, 4, 8], ids=["first", "middle", "last"])
def test_only_what_kills_a_worker_is_left_out(deadly: int) -> None:
    """The pool outlives a killed worker, and every other number of every task is counted."""
    tasks = [Numbers((1, 2, 3)), Numbers(tuple(range(10, 19)), frozenset({10 + deadly})), Numbers((7,))]
    whole = sum(range(10, 19))
    assert dict(LocalEngine(2).map(Add(), tasks)) == {0: 6, 1: whole - 10 - deadly, 2: 7}


def test_an_error_of_a_step_reaches_the_caller() -> None:
    """What a step reports is raised as it is, not taken for a dead worker."""
    with pytest.raises(PipelineError, match="no way"):
        list(LocalEngine(2).map(Fail(), [Numbers((1,)), Numbers((2,))]))


def test_a_step_that_always_dies_ends_in_a_clear_error(tmp_path: Path) -> None:
    """When no single record is to blame, the build fails and says so instead of trying for ever."""
    marker = tmp_path / "cursed"
    marker.touch()
    with pytest.raises(PipelineError, match="died again and again"):
        list(LocalEngine(2).map(Cursed(marker), [Numbers((1, 2)), Numbers((3,))]))
