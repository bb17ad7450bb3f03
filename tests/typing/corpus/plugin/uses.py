"""What callers see of the tasks in `injected.py`, which come from the cache when only this file was changed."""

from dependencies import Db
from injected import Deps, Holder, aliases, annotated, by_type, called, defaults, nothing, with_deps
from typing_extensions import Never, assert_type

from typedtasks import Call, Context, TaskHandle


async def use(context: Context) -> None:
    db = Db()
    assert_type(await defaults.enqueue(1), TaskHandle[int, Never])
    assert_type(await annotated.enqueue(1), TaskHandle[int, Never])
    assert_type(aliases.call(a=1), Call[int, Never])
    assert_type(await by_type.options(delay=1).enqueue(), TaskHandle[int, Never])
    assert_type(await with_deps.enqueue(1), TaskHandle[int, Never])
    assert_type(await called.enqueue(1), TaskHandle[int, Never])
    assert_type(await Holder.static.enqueue(1), TaskHandle[int, Never])
    await nothing.enqueue(1, "a", "b", b=3, c=1.5)
    await defaults.enqueue("a")  # E: arg-type
    await defaults.enqueue(1, db=db)  # E: call-arg
    await defaults.enqueue(1, db)  # E: call-arg
    await annotated.enqueue(db, db, db, 1)  # E: call-arg arg-type
    await aliases.enqueue(1, i=db)  # E: call-arg
    await by_type.enqueue(context=context)  # E: call-arg
    await with_deps.enqueue(1, db=db)  # E: call-arg
    await called.enqueue(1, same=db)  # E: call-arg
    # A direct call takes all, and needs what the function needs.
    assert_type(await defaults(1, db=db, context=context), int)
    assert_type(await annotated(db, db, db, 1), int)
    assert_type(by_type(context, None, None, db), int)
    assert_type(await with_deps(Deps(db), 1, db), int)
    assert_type(await called(1, same=db), int)
    assert_type(await defaults.function(1), int)
    await annotated(1)  # E: call-arg arg-type
    by_type(context)  # E: call-arg
