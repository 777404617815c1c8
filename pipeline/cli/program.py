"""The program `pipeline`: its name and help, and how an error of the library becomes one line and an exit code."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys
from typing import Any, NoReturn

import click

from pipeline.errors import PipelineError


class _Command(click.Command):
    """A command that turns the library's errors into one clear line and their exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # what cannot be written shows now, not when the interpreter goes
        except PipelineError as error:
            _fail(ctx, str(error), error.exit_code)
        except OSError as error:
            gone = isinstance(error, BrokenPipeError) and _reader_has_gone()
            _drop_output()
            if gone:  # `pipeline clean x | head`: nothing is wrong, nothing is left to say
                ctx.exit(0)
            _fail(ctx, f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 1)
        except MemoryError:
            _fail(ctx, "out of memory; try fewer --workers or a smaller --max-document", 1)
        return result


def _fail(ctx: click.Context, message: str, code: int) -> NoReturn:
    click.secho(f"{ctx.command_path}: {message}", fg="red", err=True)
    ctx.exit(code)


def _reader_has_gone() -> bool:
    """Whether nobody reads our standard output any more; a pipe to a worker may break as well."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), select.POLLERR)
    return bool(poll.poll(0))


def _drop_output() -> None:
    """Send what is still buffered nowhere, or the interpreter would fail on it once more at its end."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Group(click.Group):
    """A group whose commands report errors in one line."""

    command_class = _Command
    group_class = type  # a subgroup is of this class too

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run as the program of this process; who tests a command calls `main` in a process that has other uses."""
        import pipeline.lean  # noqa: F401 - to import it is what it is for

        return super().__call__(*args, **kwargs)


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - what click hands over
    """Print the version, and whether the inner loops are compiled: speed is the only thing that differs."""
    if wanted and not context.resilient_parsing:
        from importlib.metadata import version

        from pipeline.kernels import compiled

        click.echo(f"pipeline, version {version('news-corpus-pipeline')}")
        loops = "NumPy; install again where there is a C compiler" if compiled is None else "compiled"
        click.echo(f"inner loops: {loops}")
        context.exit()


@click.group("pipeline", cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_version, help="Show the version and exit."
)
def main() -> None:
    """Turn scraped news articles into a clean Parquet corpus.

    `pipeline build` strips newsletter prompts, donation appeals, links to other stories and other boilerplate,
    validates every record, sets duplicates aside and publishes a dataset. What was removed is in a ledger; nothing is
    lost.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        click.get_current_context().color = False
    # A file name that is no text, or a terminal that knows only ASCII, is no reason to fail.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
