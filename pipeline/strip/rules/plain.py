"""What patterns see of a line, and the way back from there to the bytes of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline import kernels

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Of a line longer than both together, patterns see its first and last bytes with a line break between them: what is in
# the middle of a long line is body.
HEAD_BYTES: Final = 240
TAIL_BYTES: Final = 240

# Typographic forms that patterns need not know: they see the plain sign.
_PLAIN: Final = (
    (b"\xe2\x80\x98", b"'"),
    (b"\xe2\x80\x99", b"'"),
    (b"\xe2\x80\x9c", b'"'),
    (b"\xe2\x80\x9d", b'"'),
    (b"\xe2\x80\xaf", b" "),
    (b"\xe2\x80\x8b", b""),
    (b"\xc2\xa0", b" "),
    (b"\xc2\xad", b""),
)
# The first bytes of those forms.
_MARK_LEAD, _LATIN_LEAD = b"\xe2\x80", b"\xc2"
# What a line that quotes somebody begins with.
_OPENING_QUOTES: Final = tuple(sign.encode() for sign in "\"'\u201c\u2018\u00ab\u201e\u201a")


def begins_with_quote(content: bytes) -> bool:
    """Whether the first sign is a quotation mark: somebody is speaking in the line."""
    return content.startswith(_OPENING_QUOTES)


def begin_with_quote(buffer: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool[lines], what `begins_with_quote` says of many lines of a buffer."""
    first, second, third = (
        np.where(start + place < end, buffer[np.minimum(start + place, len(buffer) - 1)], 0) for place in range(3)
    )
    quoted: NDArray[np.bool_] = np.zeros(len(start), np.bool_)
    for sign in _OPENING_QUOTES:
        hit = first == sign[0]
        for byte, wanted in zip((second, third), sign[1:], strict=False):
            hit &= byte == wanted
        quoted |= hit
    return quoted


def plain_lines(
    buffer: NDArray[np.uint8], start: NDArray[np.int64], end: NDArray[np.int64]
) -> tuple[bytes, NDArray[np.int64]]:
    """What `plain` gives for each of many lines of a buffer; all at once, which is several times as fast.

    Returns:
        the lines, a break after each; int64[lines + 1], where in them each begins.
    """
    edges = np.zeros(len(start) + 1, np.int64)
    if not len(start):
        return b"", edges
    if kernels.compiled is None:
        raw = buffer.tobytes()
        lines = _plain_lines([raw[low:high] for low, high in zip(start.tolist(), end.tolist(), strict=True)])
        np.cumsum([len(line) + 1 for line in lines], out=edges[1:])
        return b"".join([line + b"\n" for line in lines]), edges
    text = np.empty(int(np.minimum(end - start, HEAD_BYTES + TAIL_BYTES + 1).sum()) + len(start), np.uint8)
    kernels.compiled.plain_lines(buffer, start, end, HEAD_BYTES, TAIL_BYTES, text, edges[1:])
    return text[: edges[-1]].tobytes(), edges


def _plain_lines(contents: list[bytes]) -> list[bytes]:
    # A line holds no break, so breaks keep the lines apart; the one inside a long line waits as a carriage return.
    joined = b"\n".join([_ends(content, b"\r") for content in contents])
    for fancy, simple in _PLAIN:
        joined = joined.replace(fancy, simple)
    return [line.replace(b"\r", b"\n") for line in joined.split(b"\n")]


def _ends(content: bytes, between: bytes) -> bytes:
    """Head and tail of a long line; a short one as it is."""
    if len(content) <= HEAD_BYTES + TAIL_BYTES:
        return content
    head = content[:HEAD_BYTES].decode("utf-8", "ignore").encode()
    tail = content[-TAIL_BYTES:].decode("utf-8", "ignore").encode()
    return head + between + tail


def plain(content: bytes) -> bytes:
    """A line with plain quotation marks and blanks; of a long one only head and tail."""
    content = _ends(content, b"\n")
    if not content.isascii() and (_MARK_LEAD in content or _LATIN_LEAD in content):
        for fancy, simple in _PLAIN:
            content = content.replace(fancy, simple)
    return content


def original_offset(content: bytes, offset: int) -> int:
    """Where an offset in `plain(content)` lies in `content`."""
    long = len(content) > HEAD_BYTES + TAIL_BYTES
    head = len(plain(content[:HEAD_BYTES].decode("utf-8", "ignore").encode())) if long else 0
    if long and offset > head:
        whole = len(plain(content))
        return len(content) - _advance(content[::-1], whole - offset, reverse=True)
    return _advance(content, offset, reverse=False)


def _advance(content: bytes, count: int, *, reverse: bool) -> int:
    """How many bytes of the original stand for the first `count` bytes of its plain form."""
    forms = [(fancy[::-1] if reverse else fancy, len(simple)) for fancy, simple in _PLAIN]
    place = 0
    while count > 0:
        for fancy, width in forms:
            if content.startswith(fancy, place):
                place += len(fancy)
                count -= width
                break
        else:
            place += 1
            count -= 1
    return place
