"""Turn scraped news articles into a clean, validated, reversible Parquet corpus.

    import pipeline

    article = pipeline.clean(text)                      # article.text, article.removed
    built = pipeline.build("articles/", "output")       # built.corpus, built.counts
    pipeline.check(built.corpus).ok

The names in `__all__` are stable. They are loaded when they are first used, so `import pipeline` costs nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pipeline.api import build, clean, clean_many
    from pipeline.build import Built
    from pipeline.config import Config
    from pipeline.corpus.check import check
    from pipeline.corpus.diff import diff
    from pipeline.corpus.push import publish, push
    from pipeline.corpus.restore import restore
    from pipeline.corpus.why import why
    from pipeline.errors import PipelineError, UsageError
    from pipeline.strip.article import Article, Removed

__all__ = [
    "Article",
    "Built",
    "Config",
    "PipelineError",
    "Removed",
    "UsageError",
    "build",
    "check",
    "clean",
    "clean_many",
    "diff",
    "publish",
    "push",
    "restore",
    "why",
]

_HOMES: Final = {
    "Article": "pipeline.strip.article",
    "Built": "pipeline.build",
    "Config": "pipeline.config",
    "PipelineError": "pipeline.errors",
    "Removed": "pipeline.strip.article",
    "UsageError": "pipeline.errors",
    "build": "pipeline.api",
    "check": "pipeline.corpus.check",
    "clean": "pipeline.api",
    "clean_many": "pipeline.api",
    "diff": "pipeline.corpus.diff",
    "publish": "pipeline.corpus.push",
    "push": "pipeline.corpus.push",
    "restore": "pipeline.corpus.restore",
    "why": "pipeline.corpus.why",
}


def _load(name: str) -> Any:
    return getattr(import_module(_HOMES[name]), name)


class _Named(ModuleType):
    """A module that travels by its name, so that a function of a user's script that mentions it can go to a worker."""

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (self.__name__,)


class _CallableModule(_Named):
    """A module such as `pipeline.build`, which the API offers as a function too: its call is that function's."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return _load(self.__name__.rpartition(".")[2])(*arguments, **options)


class _Package(_Named):
    """The package: importing one of its modules binds the module's name here, and must not hide the function."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _HOMES and isinstance(value, ModuleType):
            value.__class__ = _CallableModule
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return _load(name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
