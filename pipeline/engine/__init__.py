"""The engine: run one step over many shards, here or on a cluster, and outlive workers that die.

An engine is `map(step, tasks)` and nothing more. A step is a picklable callable whose result for a task lies in a work
folder under the task's key, so a build that was interrupted, or whose input changed a little, finds what is finished
and does the rest; and doing a task twice, at once or one after the other, does no harm.
"""

from __future__ import annotations

from pipeline.engine.local import LocalEngine, cores, prepare
from pipeline.engine.step import Engine, Step, blame_by_halves, longest_first

__all__ = ["Engine", "LocalEngine", "Step", "blame_by_halves", "cores", "longest_first", "prepare"]
