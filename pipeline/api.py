"""The Python API: what `import pipeline` offers, with arguments that are easy to write by hand."""

from __future__ import annotations

from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipeline.build import build as run_build
from pipeline.config import Config
from pipeline.strip.article import clean_article

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.build import Built, Progress
    from pipeline.strip.article import Article

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
