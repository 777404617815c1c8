"""The Ray engine: the same shards as tasks on an existing Ray cluster.

Steps read and write files, so every node has to see the work folder under the same path, and to have the same code:
`everywhere` lets a build find out before it begins. Ray tries a task again when its node or its worker dies; a task
that dies again is treated as in a pool, and the guilty record alone set aside.
"""

from __future__ import annotations

import logging
import socket
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from pipeline.engine.step import outlive
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipeline.engine.step import Step

Task = TypeVar("Task")
Result = TypeVar("Result")

# Once more after a node or a worker died: what dies twice is looked at record by record.
_RETRIES: Final = 1
# Tasks that wait at the nodes for each that runs, so that none stands idle.
_QUEUED: Final = 2
_KNOCK_SECONDS: Final = 10


class RayEngine:
    """Runs steps on a Ray cluster.

    Args:
        address: of the cluster, such as `10.0.0.1:6379`; None for the one that this machine is part of.
        workers: how many tasks run at once at most; None for as many as the cluster has processors.
        memory: bytes that a task may take; Ray starts no more on a node than it has memory for.

    Raises:
        UsageError: Ray is not installed, or there is no cluster.
    """

    def __init__(self, address: str | None, workers: int | None, memory: int) -> None:
        try:
            import ray  # noqa: PLC0415 - an extra
        except ImportError:
            msg = "--engine ray needs an extra: pip install 'news-corpus-pipeline[ray]'; or use --engine local"
            raise UsageError(msg) from None
        self._ray: Any = ray
        if not ray.is_initialized():
            try:
                _knock(address)
                ray.init(address=address or "auto", log_to_driver=False, logging_level=logging.ERROR)
            except (OSError, RuntimeError, ValueError) as error:
                words = (str(error).splitlines() or [type(error).__name__])[0]
                msg = (
                    f"no Ray cluster answers at {address or 'this machine'} ({words}); "
                    "start one with `ray start --head`, name it with --ray-address, or use --engine local"
                )
                raise UsageError(msg) from None
        self._workers = workers
        self._memory = memory
        errors = ray.exceptions
        self._deaths = (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, MemoryError)

    def map(self, step: Step[Task, Result], tasks: Sequence[Task]) -> Iterator[tuple[int, Result]]:
        """Run a step on every task; yields index and result as tasks finish, in any order.

        Raises:
            PipelineError: a step raised it, or a task keeps killing its workers.
        """
        held = self._ray.put(step)
        run = self._remote(_RETRIES)
        waiting = deque(range(len(tasks)))
        running: dict[Any, int] = {}
        while waiting or running:
            most = self._workers or _QUEUED * int(self._ray.cluster_resources().get("CPU", 1))
            while waiting and len(running) < most:
                index = waiting.popleft()
                running[run.remote(held, tasks[index])] = index
            [done], _ = self._ray.wait(list(running), num_returns=1)
            index = running.pop(done)
            try:
                result = self._get(done)
            except self._deaths:
                result = outlive(step, tasks[index], partial(self._alone, held), self._deaths)
            yield index, result

    def everywhere(self, call: Callable[[], Result]) -> list[Result]:
        """What a call gives on each node of the cluster."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy as On  # noqa: PLC0415 - an extra

        nodes = [node["NodeID"] for node in self._ray.nodes() if node["Alive"]]
        run = self._ray.remote(_call)
        return [
            self._get(done)
            for done in [
                run.options(num_cpus=0, scheduling_strategy=On(node, soft=False)).remote(call) for node in nodes
            ]
        ]

    def _remote(self, retries: int) -> Any:
        return self._ray.remote(_run).options(num_cpus=1, memory=self._memory, max_retries=retries)

    def _alone(self, held: Any, task: Task) -> Any:
        return self._get(self._remote(0).remote(held, task))

    def _get(self, done: Any) -> Any:
        """The result of a task; what its step raised is raised here as it was."""
        try:
            return self._ray.get(done)
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None


def _knock(address: str | None) -> None:
    """Raise OSError where nobody answers: Ray itself would try for minutes, and then end the process."""
    place = urlsplit(address if address and "://" in address else f"ray://{address or ''}")
    if place.port:
        socket.create_connection((place.hostname, place.port), _KNOCK_SECONDS).close()


def _run(step: Step[Task, Result], task: Task) -> Result:
    return step(task)


def _call(call: Callable[[], Result]) -> Result:
    return call()
