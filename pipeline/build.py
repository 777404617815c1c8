"""The straight path: read -> strip -> validate -> dedupe -> write, and one atomic switch at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline import dedupe, shards
from pipeline.against import OlderPart, OlderStep, digest_of, older_parts
from pipeline.cluster import absolute, engine_of
from pipeline.engine import Engine, Step, cores, longest_first
from pipeline.errors import PipelineError
from pipeline.language import refuse_without_library
from pipeline.memory import Shares, give_back, share_out
from pipeline.read import Discovery, Shard, discover, plan
from pipeline.retry import LastBuild, last_build
from pipeline.shards import is_finished
from pipeline.stages import (
    GLOBAL_SHARDS,
    ReadStep,
    ShardTask,
    StripStep,
    WriteStep,
    WriteTask,
    build_key,
    keep_for_next,
    shard_task,
    versions,
    with_templates,
)
from pipeline.strip.cleaner import load_cleaner
from pipeline.strip.repetition import templates
from pipeline.unchanged import NOTE, note_published, published_counts
from pipeline.write import publish
from pipeline.write.counts import PartCounts, total
from pipeline.write.dataset import Input, finish

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.config import Config

Task = TypeVar("Task", bound="Costly")
Result = TypeVar("Result")

# Where finished shards wait for the rest of an interrupted build, and finished parts for the next one.
WORK = ".work"

# Told the stage, how many shards are done, and how many there are.
Progress = Callable[[str, int, int], None]


class Costly(Protocol):
    """What is known of a task before it is done."""

    @property
    def cost(self) -> int:
        """How much work it is, as bytes."""


@dataclass(frozen=True, slots=True)
class Built:
    """A finished build: where it is, what it counted, what was found."""

    corpus: Path
    counts: PartCounts
    discovery: Discovery


def build(
    inputs: Sequence[str], output: Path, config: Config, progress: Progress = lambda *_: None, *, retry: bool = False
) -> Built:
    """Build a corpus from inputs and publish it as `output/corpus`.

    Args:
        inputs: files, folders, globs or URIs.
        output: folder of the corpus; made if need be.
        config: settings.
        progress: told about every finished shard.
        retry: read the quarantine of the corpus that is published there again; without inputs, all of that corpus.

    Raises:
        UsageError: an input is missing, the output lies inside an input, the configuration or a rule is wrong.
        PipelineError: the build failed; the corpus that was there is untouched.
    """
    publish.check_output(output, inputs)
    refuse_without_library(config)
    discovery = Discovery((), {}, (), {}) if retry and not inputs else discover(inputs, config)
    shares = shares_of(config)
    if config.engine == "ray":
        output, config = absolute(output, config)
    with publish.lock(output), publish.staging(output) as folder:
        work = output / WORK
        run = partial(_run, engine_of(config, shares, work), progress)
        again = [last_build(output / publish.CORPUS, quarantine_only=bool(inputs))] if retry else []
        sources: list[Shard | LastBuild] = [*again, *plan(discovery, config)]
        files = [file for build in again for file in build.files()]
        tasks = [shard_task(source, number, work, config) for number, source in enumerate(sources)]
        older = older_parts(config, work)
        inputs_read: list[Input] = [*files, *discovery.files]
        named = versions(config) | digest_of(older)
        key, corpus = build_key(tasks, inputs_read, discovery.skipped, config, named), output / publish.CORPUS
        if (counts := published_counts(work, key, corpus)) is not None:
            _refuse_quarantine(counts, config)
            return Built(corpus, counts, discovery)
        if (config.rules or config.model) and not all(is_finished(task.file("sightings")) for task in tasks):
            load_cleaner(
                config.rules, config.strictness, config.model
            )  # what cannot be used shows now, not after reading
        run("read", ReadStep(config), tasks)
        sightings = [partial(shards.read_table, task.file("sightings")) for task in tasks]
        known = templates(sightings, shares.step, work)
        tasks = [with_templates(task, known) for task in tasks]
        run("strip", StripStep(config), tasks)
        if older:
            run("against", OlderStep(config.dedupe == "near"), older)
        verdicts = _verdicts([*older, *tasks], len(older), config, shares.step, work)
        parts = [WriteTask(task, verdict, folder) for task, verdict in zip(tasks, verdicts, strict=True)]
        part_counts = run("write", WriteStep(config), parts)
        counts = total(part_counts)
        _refuse_quarantine(counts, config)
        finish(folder, counts, inputs_read, discovery.skipped, config, named)
        corpus = publish.switch(output, folder)
        if "worker-died" not in counts.quarantine:  # which may go well the next time
            note_published(work, key, corpus)
        kept = (task.file(stage) for task in older for stage in GLOBAL_SHARDS)
        keep_for_next(work, parts, part_counts, [work / NOTE, *kept])
    return Built(corpus, counts, discovery)


def shares_of(config: Config) -> Shares:
    """How many workers a build uses, and what they and the global steps may take of `config.memory`.

    On a cluster the bound is that of the leading process; each task there takes what one worker does.

    Raises:
        UsageError: there is no room for one worker.
    """
    workers = 1 if config.engine == "ray" else config.workers or cores()
    return share_out(config.memory, workers, config.max_document)


def _verdicts(
    tasks: Sequence[ShardTask | OlderPart], older: int, config: Config, memory: int, work: Path
) -> list[dedupe.Verdicts]:
    """What repeats what; of `tasks` the first `older` are those of an older corpus."""
    opened = {stage: [partial(shards.read_table, task.file(stage)) for task in tasks] for stage in GLOBAL_SHARDS}
    return dedupe.find(
        opened["fingerprints"],
        texts=config.dedupe != "none",
        memory=memory,
        near=opened["signatures"] if config.dedupe == "near" else None,
        published=older,
        folder=work,
    )


def _refuse_quarantine(counts: PartCounts, config: Config) -> None:
    """With `strict` a record in quarantine fails the build while the former corpus is still in its place."""
    reasons = counts.to_json()["quarantine"]
    if config.strict and reasons:
        listed = ", ".join(f"{reason} {number}" for reason, number in sorted(reasons.items()))
        msg = f"records would go to quarantine ({listed}) and --strict was given; nothing was published"
        raise PipelineError(msg)


def _run(
    engine: Engine, progress: Progress, stage: str, step: Step[Task, Result], tasks: Sequence[Task]
) -> list[Result]:
    """Run one step over all shards, those first that take longest; results in input order."""
    order = longest_first([task.cost for task in tasks])
    results: dict[int, Result] = {}
    progress(stage, 0, len(tasks))
    for place, result in engine.map(step, [tasks[index] for index in order]):
        results[order[place]] = result
        progress(stage, len(results), len(tasks))
    give_back()
    return [results[index] for index in range(len(tasks))]
