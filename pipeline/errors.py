"""Every error the library raises on purpose; `cli/program.py` turns each into one clear line and an exit code."""

from __future__ import annotations


class PipelineError(Exception):
    """Something a user can act on; the message says what happened, where, and what to do next."""

    exit_code = 1


class UsageError(PipelineError):
    """The call itself is wrong: a missing input, an output inside an input, a bad option."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or value that cannot be used; names the file and the key."""


class RuleError(UsageError):
    """A rule pack that cannot be used; names the file and the rule id."""


class LockedError(UsageError):
    """Another build holds the output; names the process."""


class InputError(PipelineError):
    """An input that is there but cannot be read at all, such as a folder without permission."""


class CorpusError(PipelineError):
    """A published corpus that is missing, damaged or of an unknown format."""


class WriteError(PipelineError):
    """The output could not be written: a full or read-only disk, a failing device."""
