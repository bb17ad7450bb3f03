"""`typedtasks breaking`: what a change of the tasks breaks, for callers and clients, and for what waits already."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, Literal, TypeAlias, cast

from typedtasks.broker import Broker
from typedtasks.cli.baseline import read_baseline
from typedtasks.cli.breaking_report import Comparison, print_github, print_json, print_text
from typedtasks.cli.loading import UsageError, load_broker
from typedtasks.cli.pending import examine
from typedtasks.inventory import State
from typedtasks_codegen import GenerationError, names_in, read_contract
from typedtasks_codegen.compatibility import Category, Ignore, IgnoreInvalid, Order, compare_contracts, read_ignores, sift
from typedtasks_codegen.compatibility.types import Data

__all__ = ["Request", "find_breaking"]

Format: TypeAlias = Literal["text", "json", "github"]

_PROJECT: Final = "pyproject.toml"
_PRINT: Final = {"text": print_text, "json": print_json, "github": print_github}


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    target: str
    against: str | None
    pending: str | None
    queues: Sequence[str]
    states: Collection[State]
    order: Literal["either", "both"] | Order
    categories: Collection[Category]
    ignores: str | None
    format: Format


def find_breaking(request: Request, today: date | None = None) -> int:
    """Print what has changed since a contract, or what of the waiting payloads would fail, or both.

    Returns 1 when something breaks or would fail. Raises `UsageError` for what cannot be read. `today` decides which ignores
    have expired; it is the day in UTC unless given.
    """
    if request.against is None and request.pending is None:
        raise UsageError(
            "breaking compares with --against contract.json, or looks at what waits with --pending URL: give one or both."
        )
    # All that may be wrong with the command line is said before the slow part begins.
    baseline = None if request.against is None else read_baseline(request.against)
    ignores = _ignores(request.ignores)
    broker = load_broker(request.target)
    comparison = None
    if baseline is not None:
        changes = sift(compare_contracts(baseline, _contract(broker, baseline)), ignores, today or datetime.now(UTC).date())
        comparison = Comparison(request.target, str(request.against), changes, request.order, frozenset(request.categories))
    pending = None
    if request.pending is not None:
        queues = dict.fromkeys((*broker.queues, *_queues(baseline), *request.queues))
        pending = asyncio.run(examine(broker, request.pending, tuple(queues), request.states))
    _PRINT[request.format](broker.tasks, comparison, pending)
    return 1 if (comparison and not comparison.is_compatible) or (pending and pending.failing) else 0


def _contract(broker: Broker, baseline: Data) -> Data:
    """Return the contract of today's tasks, with the names that the committed one has given: what is added renames nothing."""
    try:
        return cast("Data", read_contract(broker, given=names_in(baseline)).as_json())
    except GenerationError as error:
        raise UsageError(str(error)) from None


def _queues(contract: Data | None) -> list[str]:
    """Return the queues to which clients of a contract send."""
    return [] if contract is None else [task["queue"] for task in contract["tasks"].values()]


def _ignores(where: str | None) -> list[Ignore]:
    """Return the entries of a file, or of the project's own where none is named."""
    path = Path(where or _PROJECT)
    if where is None and not path.is_file():
        return []
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)
        raise UsageError(f"The ignores in {path} cannot be read: {reason}.") from None
    if path.name == _PROJECT:
        data = _table(_table(_table(data, "tool"), "typedtasks"), "breaking")
    unknown = [key for key in data if key != "ignore"]
    if unknown:
        raise UsageError(f"The ignores in {path}: {unknown[0]!r} is not known; each entry is a table [[ignore]].")
    try:
        return read_ignores(data.get("ignore", []))
    except IgnoreInvalid as reason:
        raise UsageError(f"The ignores in {path}: {reason}.") from None


def _table(data: Mapping[str, object], key: str) -> dict[str, object]:
    found = data.get(key, {})
    return cast("dict[str, object]", found) if isinstance(found, dict) else {}
