"""The standard streams of a command: all there, whatever starts it, and able to take any text."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Final

__all__ = ["set_up_streams"]

_STANDARD: Final = 3


def set_up_streams() -> None:
    """Open what is closed of the three standard descriptors, and have characters that a stream does not know escaped.

    A file that was opened under the number of a closed standard error would get whatever is written there: an SQLite file, too.
    """
    for number in range(_STANDARD):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
    # They are None where the descriptors were closed when Python began.
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays open as long as the process
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as above
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
