"""One pattern of a rule or block, compiled when the first line comes that it could match."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.strip.rules.packs import compile_pattern

if TYPE_CHECKING:
    import re2

    from pipeline.strip.rules.loosened import Loosened


@dataclass(frozen=True)
class Probe:
    """A pattern, and what it speaks for.

    Attributes:
        pattern: with its fragments put in.
        place: what to call it in a message.
        target: index into `Rules.targets`.
        cuts: it removes the part of a line that its group `cut` matches, or all that it matches.
        veto: a pattern that keeps a match from counting; empty where there is none.
        loosened: what the pattern is searched with first.
    """

    pattern: str
    place: str
    target: int
    cuts: bool
    veto: str
    loosened: Loosened

    @cached_property
    def regexp(self) -> re2._Regexp:
        """What a match is searched with."""
        return compile_pattern(self.pattern, self.place)

    @cached_property
    def loose(self) -> re2._Regexp:
        """For many lines at once: touches every line that `regexp` matches, and costs a tenth."""
        return compile_pattern(self.loosened.pattern, self.place, cased=self.loosened.lowered)

    @cached_property
    def unless(self) -> re2._Regexp | None:
        """What must not match, or None."""
        return compile_pattern(self.veto, self.place) if self.veto else None

    @cached_property
    def cut(self) -> int:
        """Number of the group to cut, 0 for the whole match."""
        return int(self.regexp.groupindex.get("cut", 0))
