"""What a rule pack may say, as models that refuse everything else."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from pipeline.records import LABELS

MAX_RULES: Final = 1000
# A rule that takes whole lines away looks at lines up to this length unless it says otherwise: longer lines are body.
DEFAULT_MAX_LENGTH: Final = 500

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Where(_Part):
    """Conditions on a line beside its text; lengths are in UTF-8 bytes, head and tail count the document's lines.

    An `unquoted` rule leaves a line alone that begins with a quotation mark: somebody is speaking in it.
    A line that is among the first `head` or among the last `tail` lines is in place; without both, every line is.
    """

    max_length: int | None = Field(None, ge=1, le=1_000_000)
    min_length: int = Field(0, ge=0, le=1_000_000)
    head: int = Field(0, ge=0, le=10_000)
    tail: int = Field(0, ge=0, le=10_000)
    unquoted: bool = False


class Rule(_Part):
    """One pattern, or several that mean the same, with the examples that prove it.

    A `strong` rule removes alone; a `weak` one needs support from its neighbours. A `span` rule removes the part of the
    line that its group `cut` matches (the whole match if there is no such group). A line that matches `unless` too is
    left alone. `reason` says why a rule may fire
    where body text is known to stand.
    """

    id: Id
    pattern: list[Text] | Text
    match: list[Text] = Field(min_length=2, max_length=200)
    no_match: list[Text] = Field(min_length=2, max_length=200)
    unless: Text = ""
    span: bool = False
    strength: Literal["strong", "weak"] = "strong"
    where: Where = Where.model_construct()
    reason: str = ""

    @property
    def patterns(self) -> list[str]:
        """The alternatives, as a list."""
        return [self.pattern] if isinstance(self.pattern, str) else list(self.pattern)


class BlockExample(_Part):
    """Lines of a document, and which of them (counted from 0) the block takes."""

    lines: list[Text] = Field(min_length=1, max_length=200)
    removed: list[int] = Field(max_length=200)


class Block(_Part):
    """Several lines that go as one unit.

    It begins at a line that matches `starts`. With `ends` it reaches to the first line that matches it, and nothing
    goes if none does within `max_lines`; without `ends` it takes the lines that follow as long as they match `inner`
    or are no longer than `inner_max_length` bytes; with `inner_headline` such a line must also not end like a
    sentence. A line that matches `stops`, one longer than `line_max_length`, and where the block is `unquoted` one
    that begins with a quotation mark, is never inside.
    """

    id: Id
    starts: list[Text] | Text
    ends: list[Text] | Text = ()  # type: ignore[assignment]  # an empty default means: no such pattern
    inner: list[Text] | Text = ()  # type: ignore[assignment]  # as above
    stops: list[Text] | Text = ()  # type: ignore[assignment]  # as above
    max_lines: int = Field(ge=2, le=500)
    min_lines: int = Field(2, ge=1, le=500)
    inner_max_length: int = Field(0, ge=0, le=10_000)
    inner_headline: bool = False
    unquoted: bool = False
    line_max_length: int = Field(1500, ge=1, le=10_000)
    where: Where = Where.model_construct()
    example: list[BlockExample] = Field(min_length=2, max_length=100)

    def patterns(self, part: str) -> list[str]:
        """The patterns of `starts`, `ends`, `inner` or `stops`, as a list."""
        value = getattr(self, part)
        return [value] if isinstance(value, str) else list(value)


class Pack(_Part):
    """The rules of one label; `define` names fragments that patterns, and later fragments, use as `{{name}}`."""

    label: str
    language: str = ""
    define: dict[str, Text] = Field(default_factory=dict, max_length=100)
    rule: list[Rule] = Field(default_factory=list, max_length=MAX_RULES)
    block: list[Block] = Field(default_factory=list, max_length=MAX_RULES)

    @model_validator(mode="after")
    def _known_label(self) -> Self:
        if self.label not in LABELS[1:]:
            raise ValueError(f"label {self.label!r} is not one of {', '.join(LABELS[1:])}")
        if not self.rule and not self.block:
            raise ValueError("the pack has no [[rule]] and no [[block]]")
        return self
