"""The Python API: what `import pipeline` offers, with arguments that are easy to write by hand."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import pyarrow as pa

from pipeline.build import build as run_build
from pipeline.config import Config
from pipeline.corpus.why import article_of
from pipeline.records import complete
from pipeline.strip.article import clean_article
from pipeline.strip.cleaner import load_cleaner

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipeline.build import Built, Progress
    from pipeline.strip.article import Article

# What `clean_many` works on at once: enough for the vectorised steps to pay, little enough for any memory.
BATCH: Final = 500
BATCH_CHARACTERS: Final = 4_000_000

Name = str | PathLike[str]


def clean(
    text: str,
    *,
    strictness: Literal["careful", "balanced", "thorough"] = "balanced",
    rules: Name | Sequence[Name] = (),
) -> Article:
    r"""Clean one article.

    The rules and the model are loaded at the first call and kept.

    >>> import pipeline
    >>> article = pipeline.clean("The bridge stays open, the council said.\n\nSign up for our free newsletter\n")
    >>> article.text
    'The bridge stays open, the council said.\n'
    >>> [(span.label, span.text) for span in article.removed]
    [('newsletter', '\nSign up for our free newsletter\n')]

    Args:
        text: the article, its lines separated by line breaks.
        strictness: how much to remove.
        rules: folders of rule packs of your own, beside the built-in ones.

    Returns:
        The clean `text`, the `removed` spans with label, evidence, score and byte offsets, and what moved to a field of
        its own: `title`, `byline`, `published`, `captions`. Kept text and removed spans rebuild the input.

    Raises:
        RuleError: a pack of rules cannot be used.
        pydantic.ValidationError: an argument is none of those that are allowed; a ValueError.
    """
    return clean_article(text, Config(strictness=strictness, rules=tuple(map(Path, _listed(rules)))))


def clean_many(
    texts: Iterable[str],
    *,
    strictness: Literal["careful", "balanced", "thorough"] = "balanced",
    rules: Name | Sequence[Name] = (),
) -> Iterator[Article]:
    """Clean many articles, each as `clean` does, some ten times as fast because they are worked on together.

    >>> import pipeline
    >>> [article.text for article in pipeline.clean_many(["One text of a few words.", "Another one."])]
    ['One text of a few words.', 'Another one.']

    Args:
        texts: the articles; at most BATCH of them, or some BATCH_CHARACTERS, are taken ahead.
        strictness: how much to remove.
        rules: folders of rule packs of your own, beside the built-in ones.

    Yields:
        An article for each text, in order.

    Raises:
        RuleError: a pack of rules cannot be used.
        pydantic.ValidationError: an argument is none of those that are allowed; a ValueError.
    """
    config = Config(strictness=strictness, rules=tuple(map(Path, _listed(rules))))
    cleaner = load_cleaner(config.rules, config.strictness, config.model)
    for batch in _batches(texts):
        stripped = cleaner.strip(complete({"text": pa.array(batch, pa.string())}, len(batch)))
        for row in stripped.to_pylist():
            yield article_of(row, row["removed"] or ())


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if len(batch) == BATCH or size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def build(
    inputs: Name | Sequence[Name],
    output: Name = "output",
    *,
    config: Config | None = None,
    progress: Progress | None = None,
    retry: bool = False,
) -> Built:
    """Build a clean corpus and publish it as `output/corpus`, as `pipeline build` does.

    Unlike the command it looks for no `pipeline.toml`. It starts processes: call it below
    ``if __name__ == "__main__":`` in a script, or with `Config(workers=1)`.

    Args:
        inputs: a file, folder, glob or URI, or several.
        output: folder for the corpus; made if need be.
        config: settings; the defaults unless told.
        progress: told the stage, how many shards are done, and how many there are.
        retry: read what the last build quarantined again.

    Returns:
        Where the corpus is, what was counted, which files were found.

    Raises:
        UsageError: an input is missing, the output lies inside an input, a rule is wrong.
        PipelineError: the build failed; the corpus that was there is untouched.
    """
    told = progress or (lambda *_: None)
    return run_build([fspath(name) for name in _listed(inputs)], Path(output), config or Config(), told, retry=retry)


def _listed(names: Name | Sequence[Name]) -> Sequence[Name]:
    return [names] if isinstance(names, (str, PathLike)) else names
