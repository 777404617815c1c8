"""The local engine: in place, or in a pool of processes that outlives a killed worker."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Final, TypeVar

from pipeline.engine.step import outlive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.context import BaseContext

    from pipeline.engine.step import Step

Task = TypeVar("Task")
Result = TypeVar("Result")

# How a worker ends when a task is too much for it: the system kills it, or gives it no memory and it says so.
_DEATHS: Final = (BrokenProcessPool, MemoryError)

# Modules that every worker needs: the fork server imports them once, and each worker starts with them in place. The
# command line is among them because a worker runs the script it was started from again.
_PRELOAD: Final = ["pipeline.lean", "pipeline.build", "pipeline.cli"]


@dataclass(frozen=True, slots=True)
class LocalEngine:
    """Runs steps on this machine.

    Attributes:
        workers: processes; 1 runs in this process.
    """

    workers: int

    def map(self, step: Step[Task, Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Run a step on every task; yields index and result as tasks finish, in any order.

        Raises:
            PipelineError: a step raised it, or a task keeps killing its workers.
        """
        if self.workers == 1 or len(tasks) < 2:
            for index, task in enumerate(tasks):
                yield index, self._in_place(step, task)
        else:
            yield from self._pooled(step, tasks)

    def _in_place(self, step: Step[Task, Result], task: Task) -> Result:
        try:
            return step(task)
        except MemoryError:
            return self._alone(step, task)

    def _pooled(self, step: Step[Task, Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        waiting = deque(range(len(tasks)))
        while waiting:
            running: dict[Future[Result], int] = {}
            broken: list[int] = []
            with _pool(min(self.workers, len(waiting))) as pool:
                while (waiting and not broken) or running:
                    while waiting and not broken and len(running) < 2 * self.workers:
                        index = waiting.popleft()
                        try:
                            with _uninterrupted():  # a worker that nobody knows of yet could not be ended
                                running[pool.submit(step, tasks[index])] = index
                        except BrokenProcessPool:
                            broken.append(index)
                    finished, _ = wait(running, return_when=FIRST_COMPLETED) if running else ((), ())
                    for future in finished:
                        index = running.pop(future)
                        try:
                            yield index, future.result()
                        except _DEATHS:
                            broken.append(index)
            # A dead worker breaks the pool for all that was under way; only the guilty task dies again when alone.
            for index in sorted(broken):
                yield index, self._alone(step, tasks[index])

    def _alone(self, step: Step[Task, Result], task: Task) -> Result:
        return outlive(step, task, partial(_in_own_process, step), _DEATHS)


def prepare() -> None:
    """Start what workers are forked from: it imports what they need while this process imports the same for itself.

    Without it that happens when the first step begins: half a second in which no worker works.
    """
    _context()


def _context() -> BaseContext:
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    if "forkserver" in methods:
        context.set_forkserver_preload(_PRELOAD)
        # Workers have the terminal of their parent. Control-C is for the parent, which ends them: a worker that heard
        # it too would print where it was. What blocks a signal hands that down to those it starts.
        with _uninterrupted():
            forkserver.ensure_running()
    return context


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    context = _context()
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield pool
        except KeyboardInterrupt:
            # Who presses control-C does not wait for shards under way: what is not whole is made again.
            for process in list(pool._processes.values()):  # noqa: SLF001 - has a public name from Python 3.14 on
                process.kill()
            raise


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Control-C has to wait until this is over."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_own_process(step: Step[Task, Result], task: Task) -> Result:
    with _pool(1) as pool:
        return pool.submit(step, task).result()


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
