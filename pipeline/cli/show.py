"""How commands show what they found: JSON, counts, and the lines of an article."""

from __future__ import annotations

import json
from typing import Any, Final

import click

# Boilerplate in red, what moved to a column in blue: the eye finds what goes, the body stays as it is.
_COLOURS: Final = {"title": "blue", "caption": "blue", "byline": "blue", "published": "blue"}
# An article must not steer the terminal: its control characters are shown as their pictures.
_PICTURES: Final = {**{code: 0x2400 + code for code in range(32) if code != ord("\t")}, 0x7F: 0x2421}
VISIBLE: Final = {**_PICTURES, **dict.fromkeys(range(0x80, 0xA0), 0xFFFD)}


def show_line(text: str, label: str, evidence: str) -> None:
    """Print a line of an article: as it is where it stays, with a mark, its label and the evidence where it goes."""
    text = text.translate(VISIBLE)
    if not label:
        click.echo(f"  {'':<12} {text}" if text else "")
        return
    mark = ">" if label in _COLOURS else "-"
    line = click.style(f"{mark} {label:<12} {text}", fg=_COLOURS.get(label, "red"))
    click.echo(line + click.style(f"  [{evidence}]", dim=True))


def echo_json(value: dict[str, Any]) -> None:
    """One JSON object on a line of its own, in UTF-8 whatever the locale; half a surrogate pair stays escaped."""
    click.echo(json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace"))


def listed(counts: dict[str, int]) -> str:
    """Counts behind a colon, the largest first: `: share 3, related 1`."""
    ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    return ": " + ", ".join(f"{name} {number}" for name, number in ordered) if ordered else ""
