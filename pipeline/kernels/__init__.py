"""Inner loops in C, for those who have a compiler when they install; everybody else gets the same bytes from NumPy.

Each kernel stands for one NumPy function elsewhere in the package and gives the very same answer, several times as
fast: a pass over the bytes instead of a dozen. Kernels take and fill arrays, hold no state, and believe no offset
before they have checked it. The Python side allocates what they fill, the C side loops; nothing is decided here.
"""

from __future__ import annotations

try:
    from pipeline.kernels import _compiled as compiled
except ImportError:  # no compiler was there, or the machine stores numbers the other way round
    compiled = None  # type: ignore[assignment]

__all__ = ["compiled"]
