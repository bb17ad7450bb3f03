"""The programs that stand in pages of the documentation."""

from __future__ import annotations

import re
from pathlib import Path

from tests.processes import ROOT

__all__ = ["BLOCK", "files_of"]

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of(page: str, folder: Path) -> None:
    """Write every block of Python or TOML that begins with its file's name into that file."""
    for language, code in BLOCK.findall((ROOT / page).read_text()):
        name = re.match(r"# (\S+\.(?:py|toml))\n", code)
        if language in ("python", "toml") and name:
            path = folder / name[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code)
