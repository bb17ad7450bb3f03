"""What Redis alone does on this machine, as its own `redis-benchmark` measures it. The bare loops are in `benchmarks/bare`."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Mapping
from typing import Final

from benchmarks.environments import Environment
from benchmarks.libraries import BARE, Library
from benchmarks.measures import Measure, Metric
from benchmarks.processes import Failed
from tests.redis_server import redis_server

__all__ = ["CEILINGS"]

_XADD: Final = ("xadd", "stream", "*", "b", "x" * 60)


def redis(library: Library, environment: Environment, quick: bool) -> Mapping[str, float]:
    """`redis-benchmark` with one connection and values of 60 bytes: one command after the other, and 100 in a pipeline."""
    if shutil.which("redis-benchmark") is None:
        raise Failed("redis-benchmark is not on PATH; it comes with Redis")
    with redis_server() as server:
        few, many = (2_000, 50_000) if quick else (50_000, 1_000_000)
        return {
            "redis_set": _rate(server.port, few, 1, "-t", "set", "-d", "60"),
            "redis_set_pipelined": _rate(server.port, many, 100, "-t", "set", "-d", "60"),
            "redis_xadd": _rate(server.port, few, 1, *_XADD),
            "redis_xadd_pipelined": _rate(server.port, many, 100, *_XADD),
        }


def _rate(port: int, count: int, pipeline: int, *what: str) -> float:
    """Return the requests per second that redis-benchmark reports."""
    command = ["redis-benchmark", "-p", str(port), "-c", "1", "-n", str(count), "-P", str(pipeline), "--csv", *what]
    lines = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout.splitlines()
    return float(list(csv.DictReader(lines))[-1]["rps"])


CEILINGS: Final = (
    Measure(
        "Redis alone",
        redis,
        (
            Metric("redis_set", "SET, one by one", "/s"),
            Metric("redis_set_pipelined", "SET, 100 in a pipeline", "/s"),
            Metric("redis_xadd", "XADD, one by one", "/s"),
            Metric("redis_xadd_pipelined", "XADD, 100 in a pipeline", "/s"),
        ),
        (BARE,),
    ),
)
