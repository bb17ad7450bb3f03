"""The contract that a broker is compared with: a file, or a file as git has it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from typedtasks.cli.loading import UsageError
from typedtasks_codegen.compatibility import ContractInvalid, parse_contract
from typedtasks_codegen.compatibility.types import Data

__all__ = ["read_baseline"]

_PATIENCE = 30.0


def read_baseline(where: str) -> Data:
    """Return the contract in a file, or in `git:REF:path`. Raises `UsageError` where there is none that can be read."""
    text = _from_git(where) if where.startswith("git:") else _from_file(where)
    try:
        return parse_contract(text)
    except ContractInvalid as reason:
        raise UsageError(f"{where} cannot be compared with: {reason}.") from None


def _from_file(where: str) -> str:
    try:
        return Path(where).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is no text in UTF-8"
        hint = (
            "; --against takes a contract.json, which `typedtasks generate` writes" if isinstance(error, IsADirectoryError) else ""
        )
        raise UsageError(f"--against {where} cannot be read: {reason}{hint}.") from None


def _from_git(where: str) -> str:
    reference, colon, path = where.removeprefix("git:").partition(":")
    if not reference or not colon or not path or reference.startswith("-"):
        raise UsageError(
            f"--against {where} names no file of a commit: write git:REF:path, such as git:main:clients/contract.json."
        )
    named = _run_git("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
    if named.returncode == 128:
        raise UsageError(f"--against {where}: {_last_line(named.stderr) or 'this is no git repository'}.")
    if named.returncode:
        raise UsageError(f"--against {where}: git knows no commit {reference!r} here. In CI, fetch it first: git fetch --depth=1.")
    shown = _run_git("cat-file", "blob", f"{named.stdout.decode().strip()}:{path}")
    if shown.returncode:
        hint = f"; a path begins at the top of the repository: ./{path} is one in the working directory" if path[0] != "." else ""
        raise UsageError(f"--against {where}: there is no file {path!r} in {reference}{hint}.")
    try:
        return shown.stdout.decode()
    except UnicodeDecodeError:
        raise UsageError(f"--against {where} cannot be read: it is no text in UTF-8.") from None


def _run_git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=False, timeout=_PATIENCE)
    except FileNotFoundError:
        raise UsageError("--against git:... needs git, which is not installed here.") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"git {arguments[0]} did not answer within {_PATIENCE:.0f} seconds.") from None


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[0].removeprefix("fatal: ").rstrip(".") if lines else ""
