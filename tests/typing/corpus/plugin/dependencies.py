"""What the tasks of `injected.py` have injected: in another module, so that a cache is between."""

from typing import Annotated, TypeAlias

from typing_extensions import TypeAliasType

import typedtasks
from typedtasks import Depends, Injected


class Db: ...


def get_db() -> Db:
    return Db()


DbDep = Annotated[Db, Depends(get_db)]
Chained: TypeAlias = DbDep
Old = TypeAliasType("Old", Annotated[Db, typedtasks.Depends(get_db)])
ByType = Injected[Db]
MARK = Depends(get_db)
ByMark = Annotated[Db, MARK]


async def elsewhere(a: int, db: Db = Depends(get_db), *, same: Annotated[Db, Depends(get_db)]) -> int:
    return a


class Elsewhere:
    def method(self, a: int) -> int:
        return a
