"""What an engine is, what it runs, and what becomes of a task that kills its worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline.errors import PipelineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Task = TypeVar("Task")
Result = TypeVar("Result")
ResultOut = TypeVar("ResultOut", covariant=True)


class Step(Protocol[Task, ResultOut]):
    """What the engine runs: pure but for files under the task's own key."""

    def __call__(self, task: Task) -> ResultOut:
        """Work on one task."""

    def blame(self, task: Task, dies: Callable[[Task], bool]) -> Task:
        """The task again, with the records that kill a worker set aside.

        Args:
            task: a task that killed its worker twice.
            dies: tells whether a (smaller) task kills a worker of its own.
        """


class Engine(Protocol):
    """Where steps run."""

    def map(self, step: Step[Task, Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Run a step on every task; yields index and result as tasks finish, in any order.

        Raises:
            PipelineError: a step raised it, or a task keeps killing its workers.
        """


def longest_first(costs: Sequence[int]) -> list[int]:
    """The order to begin tasks in, so that none is left with the longest when all others are done.

    >>> longest_first([3, 9, 3])
    [1, 0, 2]
    """
    return sorted(range(len(costs)), key=lambda task: -costs[task])


def outlive(
    step: Step[Task, Result], task: Task, alone: Callable[[Task], Result], deaths: tuple[type[BaseException], ...]
) -> Result:
    """The result of a task during which a worker died: tried again, then without the records that are to blame.

    Args:
        step: what to run.
        task: the task.
        alone: runs the step on a task in a worker of its own.
        deaths: what `alone` raises when that worker dies.

    Raises:
        PipelineError: the worker dies whatever is left out.
    """

    def dies(smaller: Task) -> bool:
        try:
            alone(smaller)
        except deaths:
            return True
        return False

    try:
        return alone(task)
    except deaths:
        task = step.blame(task, dies)
    try:
        return alone(task)
    except deaths:
        msg = f"the worker on {task} died again and again and no single record is to blame; is there enough memory?"
        raise PipelineError(msg) from None


def blame_by_halves(count: int, dies: Callable[[int, int], bool]) -> set[int]:
    """The records of a shard that kill a worker, found by halving ranges: about 2 log2(count) trials each.

    Args:
        count: records in the shard.
        dies: tells whether the range [low, high) kills a worker.

    >>> sorted(blame_by_halves(100, lambda low, high: low <= 7 < high or low <= 99 < high))
    [7, 99]
    """
    guilty, open_ranges = set(), [(0, count)]
    while open_ranges:
        low, high = open_ranges.pop()
        if low >= high or not dies(low, high):
            continue
        if high - low == 1:
            guilty.add(low)
        else:
            middle = (low + high) // 2
            open_ranges += [(low, middle), (middle, high)]
    return guilty
