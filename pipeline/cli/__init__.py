"""The command line: the only part that prints, reads the environment or sets an exit code.

Each module holds the commands of one kind. What needs pyarrow is imported inside the commands: `pipeline --help` must
answer at once.
"""

from pipeline.cli import build, clean, completion, corpus, evaluate, review, rules, stages, train
from pipeline.cli.program import main

__all__ = ["build", "clean", "completion", "corpus", "evaluate", "main", "review", "rules", "stages", "train"]
