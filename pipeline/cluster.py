"""Which engine a build runs on, and whether every node of a cluster can do its part."""

from __future__ import annotations

import socket
import uuid
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pipeline.engine import LocalEngine
from pipeline.engine.ray import RayEngine
from pipeline.errors import UsageError
from pipeline.stages import code_digest
from pipeline.write.durable import new_folder, writing

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.config import Config
    from pipeline.engine import Engine
    from pipeline.memory import Shares


def engine_of(config: Config, shares: Shares, work: Path) -> Engine:
    """The engine of a build.

    Args:
        config: settings.
        shares: what each worker may take.
        work: the work folder; made if need be.

    Raises:
        UsageError: there is no Ray cluster, or a node of it does not see the work folder or has other code.
    """
    if config.engine == "local":
        return LocalEngine(shares.workers)
    engine = RayEngine(config.ray_address, config.workers, shares.worker)
    _refuse_strangers(engine, work)
    return engine


def absolute(output: Path, config: Config) -> tuple[Path, Config]:
    """The output and the settings with absolute paths: the nodes of a cluster work in folders of their own."""
    paths = {
        "rules": tuple(folder.resolve() for folder in config.rules),
        "model": config.model and config.model.resolve(),
    }
    return output.resolve(), config.model_copy(update=paths)


@dataclass(frozen=True, slots=True)
class _Node:
    """What a node of a cluster says of itself: its name, its code, and whether it sees a file."""

    host: str
    code: str
    sees: bool


def _look(file: Path) -> _Node:
    return _Node(socket.gethostname(), code_digest(), file.exists())


def _refuse_strangers(engine: RayEngine, work: Path) -> None:
    """Raise UsageError when a node cannot take part: now, not after hours of work."""
    sign = work / f".sign-{uuid.uuid4().hex}"
    with writing(work):
        new_folder(work)
        sign.touch()
    try:
        nodes = engine.everywhere(partial(_look, sign))
    finally:
        sign.unlink(missing_ok=True)
    for node in nodes:
        if not node.sees:
            msg = (
                f"the node {node.host} does not see {work}: the output folder, or that of --work, must lie on a file "
                "system that all nodes share, under the same path"
            )
            raise UsageError(msg)
        if node.code != code_digest():
            msg = f"the node {node.host} has another version of this package; install the same one on all nodes"
            raise UsageError(msg)
