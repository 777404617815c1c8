"""`pipeline completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from pipeline.cli.program import main


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that makes SHELL complete the commands, options and values of this program.

    In bash put `eval "$(pipeline completion bash)"` into ~/.bashrc; in zsh the same with zsh into ~/.zshrc, after
    compinit; in fish `pipeline completion fish | source` into ~/.config/fish/config.fish.
    """
    script = get_completion_class(shell)
    if script is None:
        raise click.BadParameter(shell)
    click.echo(script(main, {}, "pipeline", "_PIPELINE_COMPLETE").source())
