"""The judge of `typedtasks breaking`: it runs both versions of a task, and compares what happened with what was said.

`python -m tests.breaking.pairs` takes every pair of the types in `kinds.py`, bare and inside other types, as argument and as
result: what one version writes, the other reads. A break that is not reported is MISSED; one that is reported, and of which no
value gives an example, is FALSE. `--only TEXT` takes the pairs in whose name TEXT is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from tests.breaking.kinds import HEAD, KINDS
from typedtasks import Broker, PayloadInvalid
from typedtasks.contract import Boundary, Misfit
from typedtasks_codegen import read_contract
from typedtasks_codegen.compatibility import Category, Change, Order, compare_contracts, parse_contract
from typedtasks_codegen.compatibility.types import Data

__all__ = ["WRAPPERS", "Verdict", "Version", "judge", "versions"]

WRAPPERS: Final = {
    "{}": ("W = x", "v"),
    "list[{}]": ("W = list[x]", "[v, v]"),
    "dict[str, {}]": ("W = dict[str, x]", "{'k': v}"),
    "{} | None": ("W = Optional[x]", "v"),
    "a field of {}": ("class W(BaseModel):\n    w: x", "W(w=v)"),
}
_TASKS: Final = """
@broker.task(name="argument")
def argument(value: W) -> None: ...

@broker.task(name="result")
def result() -> W: raise NotImplementedError
"""


@dataclass(frozen=True)
class Version:
    """A version of both tasks: what is said of it, and what it reads and writes."""

    name: str
    contract: Data
    argument: Boundary[object]
    result: Boundary[object]
    arguments: Sequence[bytes]
    """What it writes."""
    results: Sequence[bytes]

    def refuses_argument(self, written: bytes) -> bool:
        """Return whether a worker of this version refuses a message."""
        try:
            self.argument.decode_arguments(written)
        except Misfit:
            return True
        return False

    def refuses_result(self, written: bytes) -> bool:
        """Return whether a client of this version refuses a result."""
        try:
            self.result.decode_result(written)
        except Misfit:
            return True
        return False


@dataclass(frozen=True)
class Verdict:
    """What is wrong with what was said of a pair in one direction."""

    before: str
    after: str
    where: str
    is_missed: bool
    example: str

    def __str__(self) -> str:
        kind = "MISSED" if self.is_missed else "FALSE "
        return f"{kind} {self.before}  ->  {self.after}  ({self.where}): {self.example}"


def versions(wrapper: str) -> Iterator[Version]:
    """Yield a version for each type, inside a wrapper."""
    around, made = WRAPPERS[wrapper]
    for kind, (text, values) in KINDS.items():
        if kind == "None" and wrapper == "{} | None":
            continue
        yield _version(wrapper.format(kind), f"{HEAD}\n{text}\n{around}\n{_TASKS}", [_inside(made, one) for one in values])


def judge(before: Version, after: Version) -> Iterator[Verdict]:
    """Yield what is wrong with what is said of a change."""
    changes = compare_contracts(before.contract, after.contract)
    arguments = [change for change in changes if change.task == "argument"]
    results = [change for change in changes if change.task == "result"]
    for where, said, written, refuses in (
        (
            "arguments of old clients",
            _says(arguments, Category.WIRE, Order.WORKERS_FIRST),
            before.arguments,
            after.refuses_argument,
        ),
        ("arguments that wait", _says(arguments, Category.WIRE_IN_FLIGHT), before.arguments, after.refuses_argument),
        (
            "arguments of new clients",
            _says(arguments, Category.WIRE, Order.CLIENTS_FIRST),
            after.arguments,
            before.refuses_argument,
        ),
        ("results of new workers", _says(results, Category.WIRE, Order.WORKERS_FIRST), after.results, before.refuses_result),
        ("results that are kept", _says(results, Category.WIRE_IN_FLIGHT), before.results, after.refuses_result),
        ("results of old workers", _says(results, Category.WIRE, Order.CLIENTS_FIRST), before.results, after.refuses_result),
    ):
        refused = next((one for one in written if refuses(one)), None)
        if bool(said) != (refused is not None):
            text = " ".join(sorted({change.rule.id for change in said})) if refused is None else refused.decode()[:80]
            yield Verdict(before.name, after.name, where, refused is not None, text)


def _inside(made: str, value: str) -> str:
    """Return the source of a value inside what is around it, in which it is called v."""
    return f"(lambda v: {made})({value})"


def _says(changes: list[Change], category: Category, order: Order | None = None) -> list[Change]:
    orders = list(Order) if order is None else [order]
    return [change for change in changes if any(category in change.rule.breaks_in(one) for one in orders)]


def _version(name: str, text: str, values: Sequence[str]) -> Version:
    module = ModuleType("service")
    sys.modules["service"] = module  # where types are looked up by name
    try:
        # Without dont_inherit the annotations would be strings, as they are in this file.
        exec(compile(text, "service", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - it was made here
        broker: Broker = module.__dict__["broker"]
        argument, result = broker.tasks["argument"].boundary, broker.tasks["result"].boundary
        made = [eval(value, module.__dict__) for value in values]
        written = [argument.encode_arguments((value,), {}) for value in made]
        return Version(
            name,
            parse_contract(json.dumps(read_contract(broker).as_json())),
            argument,
            result,
            written,
            [result.encode_result(value) for value in made],
        )
    except (Misfit, PayloadInvalid) as error:
        raise AssertionError(f"{name}: {error}") from error
    finally:
        del sys.modules["service"]


def main() -> int:
    """Judge all pairs. Returns 1 where something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="pairs in whose name this text is")
    parser.add_argument("--wrapper", choices=list(WRAPPERS), help="one wrapper; by default all")
    options = parser.parse_args()
    pairs = missed = false = 0
    for wrapper in [options.wrapper] if options.wrapper else WRAPPERS:
        made = list(versions(wrapper))
        for before in made:
            for after in made:
                if options.only not in f"{before.name} -> {after.name}":
                    continue
                pairs += 1
                for verdict in judge(before, after):
                    missed += verdict.is_missed
                    false += not verdict.is_missed
                    print(verdict)
    print(f"{pairs:,} pairs: {missed} missed, {false} false")
    return 1 if missed or false else 0


if __name__ == "__main__":
    sys.exit(main())
