"""Classes are built once and shared, and what is shared is neither out of date, nor half done, nor kept for ever."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pydantic_core
import pytest
from pydantic import BaseModel, TypeAdapter, create_model
from pydantic.dataclasses import dataclass

from typedtasks.contract import classes
from typedtasks.contract.codec import Codec, Misfit


def holder(around: type, name: str = "Holder") -> type[BaseModel]:
    # Any: the field is made at run time.
    return create_model(name, inner=(cast("Any", around), ...))


def bytes_dataclass() -> Any:  # Any: the class is made at run time.
    return dataclass(type("Inner", (), {"__annotations__": {"data": bytes}}))


def bytes_model() -> type[BaseModel]:
    return create_model("Inner", data=(bytes, ...))


def test_classes_that_nothing_uses_any_more_are_forgotten() -> None:
    """Given a codec that is gone, what was built for it is gone, too, and so is the class."""
    inner = bytes_model()
    outer = holder(inner)
    codec = Codec(outer)
    assert codec.decode(codec.encode(outer(inner=inner(data=b"a")))) == outer(inner=inner(data=b"a"))
    gc.collect()
    before = len(classes._built)
    dead = [weakref.ref(one) for one in (inner, outer)]
    del inner, outer, codec
    gc.collect()
    assert [one() for one in dead] == [None, None]
    assert len(classes._built) <= before - 2


def test_a_model_that_is_rebuilt_is_taken_as_it_is_then() -> None:
    """Given models whose fields have changed, new codecs read them as they are now, as pydantic does, and old ones as they were."""
    inner = create_model("Inner", value=(int, ...))
    outer = holder(inner)
    old = Codec(outer)
    inner.__annotations__["value"] = str
    inner.model_fields["value"].annotation = str
    inner.model_rebuild(force=True)
    outer.model_rebuild(force=True)
    new = Codec(outer), Codec(inner)
    assert old.decode(b'{"inner":{"value":1}}')
    for codec, written in zip(new, (b'{"inner":{"value":"a"}}', b'{"value":"a"}'), strict=True):
        assert codec.encode(codec.decode(written)) == written
        with pytest.raises(Misfit):
            codec.decode(written.replace(b'"a"', b"1"))


def test_a_model_that_is_rebuilt_meanwhile_is_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a thread that rebuilds a model while it is built here, its validator of its own is still not taken."""
    inner = bytes_model()
    serializer = pydantic_core.SchemaSerializer
    built = 0

    def rebuild(*args: Any) -> object:  # Any: what pydantic-core takes
        nonlocal built
        built += 1
        if built == 1:
            inner.model_rebuild(force=True)
        return serializer(*args)

    monkeypatch.setattr(classes, "SchemaSerializer", rebuild)
    codec = Codec(inner)
    assert codec.encode(inner(data=b"\xff")) == b'{"data":"_w=="}'
    assert codec.decode(b'{"data":"_w=="}') == inner(data=b"\xff")
    assert built > 1


@pytest.mark.parametrize(
    "make", [lambda: bytes_model(), lambda: dataclass(type("Inner", (), {"__annotations__": {"data": bytes}}))]
)
def test_a_class_is_the_same_for_others_while_it_is_built(make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a thread that uses a class, or makes types of it, while it is built here, it finds what it finds before and after."""
    inner: Any = make()  # Any: a model or a dataclass
    seen: list[object] = []
    validator = pydantic_core.SchemaValidator

    def look(*args: Any) -> object:  # Any: what pydantic-core takes
        thread = threading.Thread(target=lambda: seen.append(use()))
        thread.start()
        thread.join()
        return validator(*args)

    def use() -> object:
        value = inner(data=b"a")
        listed = TypeAdapter(list[inner])
        inherited = type("Derived", (inner,), {}) if issubclass(inner, BaseModel) else inner
        return value, listed.dump_json([value]), listed.validate_json(b'[{"data":"a"}]'), inherited(data=b"a").data

    expected = use()
    monkeypatch.setattr(classes, "SchemaValidator", look)
    Codec(inner)
    assert seen
    assert all(one == expected for one in [*seen, use()])


def test_threads_that_build_at_once_share_each_class() -> None:
    """Given threads that need the same new classes at once, all of them get what is built once."""
    inner = bytes_model()
    outers = [holder(inner, f"Holder{place}") for place in range(8)]
    start = threading.Barrier(len(outers))

    def make(outer: type[BaseModel]) -> classes.Built:
        start.wait()
        return Codec(outer).built

    with ThreadPoolExecutor(len(outers)) as threads:
        built = [*threads.map(make, outers)]
    assert len({id(found) for one in built for found in one.inside.values()}) == 1


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_waits_for_what_is_being_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a thread that builds a class while another one forks, the child can build classes, and finds that one whole."""
    inner = bytes_model()
    building, forking = threading.Event(), threading.Event()
    validator = pydantic_core.SchemaValidator

    def wait(*args: Any) -> object:  # Any: what pydantic-core takes
        building.set()
        forking.wait(30)
        return validator(*args)

    monkeypatch.setattr(classes, "SchemaValidator", wait)
    thread = threading.Thread(target=lambda: Codec(inner))
    thread.start()
    building.wait(30)
    os.register_at_fork(before=forking.set)  # runs before what was registered first: the lock is asked for after it
    child = os.fork()
    if child == 0:
        whole = inner.__pydantic_complete__ and Codec(inner).encode(inner(data=b"\xff")) == b'{"data":"_w=="}'
        os._exit(0 if whole else 1)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
