"""What several commands understand in the same way: where the broker is, queues, numbers and times."""

from __future__ import annotations

import argparse
import re
from datetime import datetime, timedelta
from typing import Final

from typedtasks.clock import seconds
from typedtasks.errors import DefinitionError
from typedtasks.ids import is_queue_name

__all__ = ["TARGET", "add_json", "add_queue", "moment", "names", "positive"]

TARGET: Final = "where the broker is, as module:name, for example app.tasks:broker"

_AGO: Final = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)([smhdw])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def positive(text: str) -> int:
    """Return a whole number above zero."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def names(text: str) -> list[str]:
    """Return the queues of a list with commas."""
    found = [name.strip() for name in text.split(",") if name.strip()]
    if not found:
        raise argparse.ArgumentTypeError("no queue is named; write for example default,slow")
    for name in found:
        if not is_queue_name(name):
            raise argparse.ArgumentTypeError(f"{name!r} is not a queue name: 1 to 64 letters, digits, '_' or '-'")
    return found


def moment(text: str) -> datetime | timedelta:
    """Return a time in ISO 8601 (without a zone: of this machine), or how long ago it was, such as `90s`, `2h` or `1.5d`."""
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return timedelta(seconds=seconds(float(ago[1]) * _UNITS[ago[2]], "the time"))
        time = datetime.fromisoformat(text)
        return time.astimezone() if time.tzinfo is None else time
    except (ValueError, OverflowError, DefinitionError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time: write one in ISO 8601 such as 2026-05-01T12:00:00+02:00, or how long ago it was, such as 2h"
        ) from None


def add_queue(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Add `--queue`, which may be given again, and may hold several names."""
    default = "" if required else " (default: the broker's own, and those that its tasks name)"
    parser.add_argument(
        "--queue",
        type=names,
        action="extend",
        required=required,
        metavar="A,B",
        help=f"the queues that are meant{default}; may be repeated",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")
