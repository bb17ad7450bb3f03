"""How a command logs: text for people, JSON for machines; on standard error."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal

from typing_extensions import override

from typedtasks.cli.showing import shown_text

__all__ = ["set_up_logging"]


class _JsonLines(logging.Formatter):
    @override
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.process,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class _TextLines(logging.Formatter):
    """Lines that cannot steer a terminal: what messages and exceptions say may come from anywhere."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        return shown_text(super().format(record))


def set_up_logging(format: Literal["text", "json"], level: str) -> None:
    """Send the log of the whole process to standard error, one event a line."""
    handler = logging.StreamHandler(sys.stderr)
    text = _TextLines("%(asctime)s %(levelname)-7s [%(process)d] %(message)s", datefmt="%H:%M:%S")
    handler.setFormatter(_JsonLines() if format == "json" else text)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
