"""A process of the pipeline's own does without pandas and without plugins of pydantic: to import this module is enough.

Where pandas is installed pyarrow imports it unasked, with the first array that is made: 0.3 s and 40 MB in every
process, for nothing. Pydantic looks for plugins in the metadata of all that is installed. Who calls the library from a
program of their own keeps both.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


class _WithoutPandas:
    """Asked first for every module, and says of one that it is not there."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        """None leaves a module to the finders that come next."""
        del path, target
        if name == "pandas":
            msg = "the pipeline's own processes do without pandas"
            raise ModuleNotFoundError(msg, name=name)


os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
sys.meta_path.insert(0, _WithoutPandas())
