"""A program that is edited at random: after each edit the daemon, a warm cache and a cold one say the same."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.typing.plugin import Daemon, configure, mypy, write

_PROGRAM: Final = {
    "models.py": """
from dataclasses import dataclass
from pydantic import BaseModel
class Bad: ...
@dataclass
class Line:
    price: <int/object/Bad/list[int]>
class Other(BaseModel, arbitrary_types_allowed=True):
    x: <int/Line/Bad>
    <y: Line/y: "Other"/pass>
""",
    "orders.py": """
from dataclasses import dataclass
from typing import Generic, TypeVar
from models import Bad, Line, Other
T = TypeVar("T")
@dataclass
class Box(Generic[T]):
    inside: <T/list[T]/Bad>
    <again: "Box[list[T]]"/pass>
@dataclass
class Order:
    lines: <list[Line]/Line/int/dict[str, Other]/Box[Other]>
    <other: Other/box: Box[Line]/pass>
""",
    "dependencies.py": """
from typing import Annotated
from typedtasks import Broker, Depends, Injected
broker = Broker("memory://")
class Db: ...
def get_db() -> Db: return Db()
DbDep = <Annotated[Db, Depends(get_db)]/Db/Annotated[Db, 1]/Injected[Db]>
<Mark = Depends(get_db)/Mark: Db = Db()>
""",
    "tasks.py": """
from typing import Annotated
from dependencies import Db, DbDep, Mark, broker, get_db
from orders import Box, Order
from typedtasks import Broker, Depends
Own = <Annotated[Db, Depends(get_db)]/DbDep/Db>
Marked = Annotated[Db, Mark]
@broker.task
async def pay(order: Order, db: DbDep<= Depends(get_db)/>) -> None: ...
@broker.task<(name="pay")/(name="own", timeout=0)/>
async def own(order: list[Order], db: Own, n: Annotated[int, 5]) -> None: ...
def inside(b: Broker) -> None:
    <Own = Annotated[Db, 2]/pass>
    @b.task
    async def local(order: <Order/Box[Order]>, db: <Own/DbDep/Marked/Annotated[Db, Depends(get_db)]>) -> None: ...
""",
    "more.py": """
from dependencies import Db, broker
from orders import Box, Order
from tasks import Own<, inside/>
@broker.task
async def third(o: Order, db: Own) -> <Box[int]/None/Order>: ...
""",
    "caller.py": """
from more import third
from orders import Order
from tasks import own, pay
async def main(order: Order) -> None:
    await pay.enqueue(order)
    await own.enqueue([order], 1)
    await third.options(<delay=1/timeout=0>).enqueue(order)
""",
}
_CHOICE: Final = re.compile(r"<([^<>]*)>")
"""`<this/that>` in a module is one of these."""


@pytest.mark.parametrize("seed", [1, 2])
def test_the_daemon_a_warm_cache_and_a_cold_one_say_the_same_after_each_edit(seed: int, tmp_path: Path, daemon: Daemon) -> None:
    """Where classes gain and lose fields, aliases and marks change what they mean, and tasks what they take."""
    random = Random(seed)
    edited, seen = list(_PROGRAM), 0
    configure(tmp_path)
    for number in range(6):
        for name in edited:
            write(tmp_path / name, _CHOICE.sub(lambda found: random.choice(found[1].split("/")), _PROGRAM[name]))
        shutil.rmtree(tmp_path / ".cold", ignore_errors=True)
        cold = mypy(tmp_path, "--cache-dir", ".cold")
        assert mypy(tmp_path) == cold, (number, edited)
        assert daemon.errors() == cold, (number, edited)
        seen += len(cold)
        edited = random.sample(list(_PROGRAM), random.choice([1, 1, 2]))
    assert seen > 20
