"""Runs of one decoder: how many cases, what went wrong, and how long the slowest took."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Case", "Report", "Target", "fuzz"]

LONGEST: Final = 0.1
"""Seconds of processor time that one case may take: a busy machine makes nothing longer."""
_LONGEST_WAIT: Final = 2.0
"""Seconds that may pass meanwhile."""
_TRIES: Final = 5
"""A slow case is run again: the machine may have done something else."""

Case = Callable[[], None]


@dataclass(frozen=True)
class Target:
    """One decoder. `make` returns a case by chance; running it raises nothing but what the decoder documents (`refusals`)."""

    name: str
    make: Callable[[random.Random], Case]
    refusals: tuple[type[BaseException], ...] = ()


@dataclass
class Report:
    """What came out."""

    target: str
    cases: int = 0
    refused: int = 0
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list[str])


async def fuzz(target: Target, first: int, cases: int, seed: int = 0) -> Report:
    """Run some cases of a target. It wants a running event loop, as many of the decoders do."""
    report = Report(target.name)
    log = logging.getLogger("typedtasks")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        for number in range(first, first + cases):
            _run(target, number, seed, report)
            if not number % 50:
                await asyncio.sleep(0)  # lets the loop forget cancelled timers
    finally:
        log.setLevel(level)
    return report


def _run(target: Target, number: int, seed: int, report: Report) -> None:
    again = f"python -m tests.fuzz --target {target.name} --seed {seed} --case {number}"
    fastest = LONGEST + 1
    for _ in range(_TRIES):
        case = target.make(random.Random(f"{target.name} {seed} {number}"))
        begun, worked = time.perf_counter(), time.thread_time()
        try:
            case()
        except target.refusals:
            report.refused += 1
        except BaseException as error:  # noqa: BLE001 - that nothing else comes is what is tested
            report.failures.append(f"{type(error).__name__}: {error!s:.300}\n  again: {again}")
        passed = time.perf_counter() - begun
        fastest = min(fastest, time.thread_time() - worked if passed < _LONGEST_WAIT else passed)
        if fastest < LONGEST:
            break
    else:
        report.failures.append(f"it took {fastest:.3f} s\n  again: {again}")
    report.slowest = max(report.slowest, fastest)
    report.cases += 1
