"""A package's folder: compared with what should be there, and replaced as a whole."""

from __future__ import annotations

import difflib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from typedtasks_codegen.package import LIST
from typedtasks_codegen.refusal import GenerationError

__all__ = ["difference", "write_folder"]


def difference(folder: Path, files: Mapping[str, str]) -> str:
    """Return a unified diff from what is there to what should be; empty where they are the same. Raises `GenerationError`."""
    there = _read(folder)
    _refuse_foreign(folder, there)
    parts: list[str] = []
    for name in sorted({*there, *files}):
        old, new = there.get(name), files.get(name)
        if old == new:
            continue
        before, after = (f"a/{name}" if old is not None else "/dev/null"), (f"b/{name}" if new is not None else "/dev/null")
        lines = list(difflib.unified_diff(_lines(old), _lines(new), before, after, lineterm=""))
        parts += lines or [f"--- {before}", f"+++ {after}"]  # an empty file has no lines to differ in
    return "".join(f"{line}\n" for line in parts)


def write_folder(folder: Path, files: Mapping[str, str]) -> bool:
    """Put the files into the folder in the place of those that were generated before, all or none.

    Returns whether anything changed. Raises `GenerationError` where the folder holds what was not generated, or cannot be written.
    """
    try:
        if not difference(folder, files) and folder.is_dir():
            return False
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as staging:
            new, old = Path(staging, "new"), Path(staging, "old")
            for name, text in files.items():
                path = new / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
            _swap(folder, new, old)
    except OSError as error:
        raise GenerationError(f"{folder} cannot be written: {error.strerror or error}. Nothing was changed.") from None
    return True


def _swap(folder: Path, new: Path, old: Path) -> None:
    existed = folder.exists()
    if existed:
        shutil.copymode(folder, new)
        os.rename(folder, old)
    try:
        os.rename(new, folder)
    except OSError:
        if existed:
            os.rename(old, folder)
        raise


def _read(folder: Path) -> dict[str, str]:
    if not folder.exists():
        return {}
    if not folder.is_dir() or folder.is_symlink():
        raise GenerationError(f"{folder} is not a folder; choose another --out or --package.")
    try:
        return {name: (folder / name).read_bytes().decode("utf-8", "backslashreplace") for name in _names(folder)}
    except OSError as error:
        raise GenerationError(f"{folder} cannot be read: {error.strerror or error}.") from None


def _names(folder: Path) -> Iterator[str]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in [*names, *(name for name in folders if Path(root, name).is_symlink())]:
            yield Path(root, name).relative_to(folder).as_posix()


def _refuse_foreign(folder: Path, there: Mapping[str, str]) -> None:
    foreign = sorted(set(there) - set(there.get(LIST, "").splitlines()))
    if foreign:
        raise GenerationError(
            f"{folder} holds {foreign[0]!r}, which typedtasks did not write; nothing was changed. "
            "Move it away, or choose another --out or --package."
        )


def _lines(text: str | None) -> list[str]:
    return [] if text is None else text.splitlines()
