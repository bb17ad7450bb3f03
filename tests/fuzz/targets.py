"""The decoders: what reads bytes or text that come from somewhere else."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, cast
from uuid import UUID

from pydantic import BaseModel

from tests.fuzz.material import chunks, hostile_json, mutated, noise, text
from tests.fuzz.running import Case, Target
from typedtasks import Broker, TaskError
from typedtasks.backend import Delivery, Reschedule, TaskId, created_ms
from typedtasks.backends import backend_from_url
from typedtasks.backends.redis import RedisBackend
from typedtasks.backends.redis.client import _check_server
from typedtasks.backends.redis.codec import delivery_of, settlement_rows
from typedtasks.backends.redis.deployment import deployment_of
from typedtasks.backends.redis.operator import _unpack
from typedtasks.backends.redis.protocol import Connection, PlainReader, pack
from typedtasks.backends.redis.session import RedisSession, SessionScripts
from typedtasks.backends.sqlite.clocks import Clocks
from typedtasks.backends.sqlite.store import Store
from typedtasks.clock import SystemClock
from typedtasks.codecs import Compress, Encrypt, PayloadCodec, Undecodable
from typedtasks.contract import Misfit
from typedtasks.envelope import EnvelopeInvalid, EnvelopeReader, Header, write_header
from typedtasks.errors import BackendUnsupported, ResultInvalid, TaskFailed
from typedtasks.outcome import ended_without_value, read_outcome, success_prefix, write_outcome
from typedtasks.sealing import Sealing
from typedtasks.testing import RecordingListener
from typedtasks.worker.execution import Execution, Prepared
from typedtasks.worker.frames import read_delivery, read_settlement, write_delivery, write_settlement
from typedtasks.worker.injecting import Injector
from typedtasks.worker.reporting import Reporter

__all__ = ["TARGETS"]

_URL: Final = "redis://127.0.0.1:1/0"
_DEPLOYMENT = deployment_of(_URL)
_BROKER: Final = Broker("memory://")


class Tree(BaseModel):
    """A type that holds itself."""

    number: int = 0
    left: Tree | None = None
    right: Tree | None = None


class Refusal(TaskError):
    """A declared failure."""

    number: int
    when: datetime


@_BROKER.task(name="add", raises=Refusal)
async def _add(number: int, name: str = "", *rows: float, tree: Tree | None = None, **x: list[int]) -> Tree:
    raise NotImplementedError


@_BROKER.task(name="mix")
async def _mix(
    when: datetime, price: Decimal, data: bytes, name: UUID | None = None, rows: tuple[int, str] = (1, "")
) -> dict[str, float]:
    raise NotImplementedError


@_BROKER.task(name="tree")
async def _tree(tree: Tree, x: int | str | None = None) -> list[Tree]:
    raise NotImplementedError


_ARGUMENTS: Final = (
    b'{"number":1,"name":"x","rows":[1.5,NaN],"tree":{"number":2,"left":{"left":null}},"x":[1]}',
    b'{"when":"2024-01-01T00:00:00Z","price":"1.50","data":"AAAA","rows":[1,"x"]}',
    b'{"tree":{"number":2,"left":{"left":null}},"x":"\\u0000"}',
)
_TASKS: Final = (_add, _mix, _tree)


async def _execution() -> Execution:
    """It belongs to an event loop, though `prepare` needs none."""
    injector = Injector(_BROKER, Reporter())
    return Execution(_BROKER.tasks, max_payload=100_000, ttl_ms=1000, threads=1, clock=SystemClock(), injector=injector)


_EXECUTION: Final = asyncio.run(_execution())
_READER: Final = EnvelopeReader(100_000)
_SCRIPTS: Final = SessionScripts()
_SEALING_CODECS: Final[tuple[PayloadCodec, ...]] = (Compress(), Encrypt({"a": b"k" * 32}, accept_plain=True))
_SEALING: Final = Sealing(_SEALING_CODECS, max_payload=20_000, max_result=20_000)


def _header(chance: random.Random) -> bytes:
    name = chance.choice(["add", "mix", "tree", "unknown", text(chance).encode("utf-8", "replace").decode()])
    return write_header(
        Header(
            name,
            chance.choice([1, 2, 2**31, 2**40]),
            chance.choice([0, 3, 2**31]),
            chance.choice(["", "me"]),
            chance.choice([0, 1, 2**53]),
            chance.choice([0.0, 2.5, 1e308]),
            chance.choice([(), (("a", "b"),)]),
            chance.choice([0.0, 1.5, 1e308]),
            chance.choice(["", "", "q0fVh-2a_Z"]),
            chance.choice([(), (), (), ("zlib",), ("zlib", "aes-256-gcm-siv"), ("unknown",)]),
            chance.choice([(), (), ("q0fVh-",), ("q0fVh-", "AAAAAA")]),
        )
    )


def _body(chance: random.Random) -> bytes:
    header = _header(chance)
    if chance.random() < 0.5:
        header = mutated(chance, header)
    return noise(chance) if chance.random() < 0.05 else header + hostile_json(chance)


def _envelope(chance: random.Random) -> Case:
    body = _body(chance)

    def case() -> None:
        header, _ = _READER.read(body)
        write_header(header.next_attempt())
        write_header(header.parked_again())

    return case


def _prepare(chance: random.Random) -> Case:
    """What is read is settled, and what settles it can be sent to Redis and to a parent process."""
    delivery = Delivery(TaskId(f"default.{noise(chance, 5).hex()}"), "default", 1, _body(chance), 1, "default:1:1-1")

    def case() -> None:
        prepared = _EXECUTION.prepare(delivery)
        if not isinstance(prepared, Prepared):
            assert isinstance(prepared, Reschedule) or b"while it was prepared" not in prepared.outcome, prepared
            pack(("EVALSHA", *settlement_rows(prepared)))
            assert read_settlement(write_settlement(prepared)) == prepared

    return case


def _codecs(chance: random.Random) -> Case:
    """Payloads and outcomes as a store may hold them that others can write to: what is opened is small, or says why it is not."""
    whole = hostile_json(chance) if chance.random() < 0.5 else b" " * chance.choice([0, 10, 1000, 2000, 30_000])
    names = chance.choice([("zlib",), ("zlib", "aes-256-gcm-siv"), ("aes-256-gcm-siv",), ("reversed",), ()])
    id = TaskId("default.x")
    sealed = Sealing([codec for codec in _SEALING_CODECS if codec.name in names], max_payload=2**23, max_result=2**23)
    payload = mutated(chance, sealed.seal_call(whole, id, "add"))
    outcome = mutated(chance, sealed.seal_outcome(success_prefix(1) + whole, id))

    def case() -> None:
        assert len(_SEALING.open_outcome(outcome, id)) <= 2**21
        assert len(_SEALING.open_call(payload, names, id, "add")) <= 20_000

    return case


def _arguments(chance: random.Random) -> Case:
    task = chance.choice(_TASKS)
    payload = hostile_json(chance) if chance.random() < 0.5 else mutated(chance, chance.choice(_ARGUMENTS))
    return lambda: cast("None", task.boundary.decode_arguments(payload))


def _outcome(chance: random.Random) -> Case:
    error = TaskFailed(text(chance), type=text(chance), traceback=text(chance), attempts=3)
    whole = chance.choice(
        [
            success_prefix(1) + hostile_json(chance),
            success_prefix(2**40) + hostile_json(chance),
            write_outcome(chance.choice(["crashed", "timed_out", "rejected", "result_invalid", "cancelled"]), error=error),
            write_outcome("failure", error=Refusal(number=1, when=datetime(2024, 1, 1))),
            b'{"v":1,"outcome":"failure","type":"Refusal"}\n' + hostile_json(chance),
        ]
    )
    body, task = mutated(chance, whole), chance.choice(_TASKS)

    def case() -> None:
        task.read_outcome(body)
        line, _ = read_outcome(body)
        if line["outcome"] not in ("success", "failure"):
            ended_without_value(line)

    return case


def _replies(chance: random.Random) -> bytes:
    push = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$%d\r\n%b\r\n"
    frames = _frames(chance)
    parts = [
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n",
        push % (len(frames), frames),
        b"*2\r\n$4\r\npong\r\n$0\r\n\r\n",
        b"$5\r\nhello\r\n",
        b"*1\r\n" * chance.choice([3, 8, 100, 5000]) + b":1\r\n",
        b"*%d\r\n" % chance.choice([0, 2, 10**6, 10**18]),
        b"*300\r\n" + b":1\r\n" * chance.choice([299, 300]),
        b"$%d\r\n" % chance.choice([-7, 10**6, 10**18]),
        b":1\r\n",
        b"-NOSCRIPT no\r\n",
        b"+OK\r\n",
    ]
    return mutated(chance, b"".join(chance.choice(parts) for _ in range(chance.randint(1, 5))))


def _plain_reader(chance: random.Random) -> Case:
    pieces = chunks(chance, _replies(chance))

    def case() -> None:
        reader = PlainReader()
        nothing = reader.gets()
        for piece in pieces:
            reader.feed(piece)
            while reader.gets() is not nothing:
                continue

    return case


class _Transport(asyncio.Transport):
    """Takes everything, and tells its protocol when it is aborted, as sockets do."""

    def __init__(self) -> None:
        super().__init__()
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        return

    def abort(self) -> None:
        self.is_aborted = True


def _connection(chance: random.Random) -> Case:
    """Replies to commands, or pushed messages, by either reader: whatever comes, the connection lives or is closed."""
    waiting, listens, plain = chance.randint(0, 5), chance.random() < 0.5, chance.random() < 0.5
    replies = _replies(chance)
    # hiredis reserves the memory of a list as soon as its length is announced: only a server could do that to us.
    pieces = chunks(chance, replies if plain else re.sub(rb"([*%~>|])(\d{5})\d+", rb"\1\2", replies))

    def case() -> None:
        connection = Connection(1.0)
        if plain:
            cast("Any", connection)._reader = PlainReader()  # Any: which reader it has is its own business
        transport = _Transport()
        connection.connection_made(transport)
        futures: list[asyncio.Future[Any]] = [] if listens else [connection.call(("PING",)) for _ in range(waiting)]
        if listens:
            messages = deployment_of(_URL).messages({"c": _backend()._on_outcomes}, lambda: None)
            cast("Any", messages)._subscribed = asyncio.get_running_loop().create_future()  # Any: what open() would make
            connection.listen([b"c"], messages._take)
        for piece in pieces:
            connection.data_received(piece)
            if transport.is_aborted:
                break
        connection.connection_lost(None)
        for future in futures:
            assert future.done()
            future.exception()

    return case


def _backend() -> RedisBackend:
    backend = RedisBackend(_URL)
    cast("Any", backend)._listener = RecordingListener()  # Any: what open() would set
    return backend


def _frames(chance: random.Random) -> bytes:
    whole = b"".join(
        b"default.%d\n%d\n%b" % (number, chance.choice([len(body), -1, 10**9, -5]), body)
        for number in range(chance.randint(0, 3))
        for body in [noise(chance, 30)]
    )
    return mutated(chance, whole)


def _outcome_message(chance: random.Random) -> Case:
    message = _frames(chance)

    def case() -> None:
        listener = RecordingListener()
        backend = _backend()
        cast("Any", backend)._listener = listener  # Any: what open() would set
        backend._on_outcomes(message)
        for id, outcome in listener.outcomes.items():
            assert outcome is None or (outcome in message and id.encode() in message)

    return case


def _control_message(chance: random.Random) -> Case:
    message = chance.choice([b"c", b"p", b"l", b"d", b"", b"?"]) + mutated(chance, b"default.abc")
    return lambda: RedisSession(_DEPLOYMENT, _SCRIPTS, cast("Any", "s"), ["default"], 1.0, RecordingListener())._on_control(message)


def _stream_entry(chance: random.Random) -> Case:
    names = [chance.choice([b"i", b"b", b"n", b"x", noise(chance, 3)]) for _ in range(chance.randint(0, 6))]
    fields = {name: chance.choice([noise(chance), b"1", b"9" * 400, b"-1", b"\xd9\xa1"]) for name in names}

    def case() -> None:
        delivery = delivery_of("default", 1, b"1-1", fields)
        assert 1 <= delivery.deliveries <= 10**9
        delivery.id.encode()

    return case


def _datagram(chance: random.Random) -> Case:
    message = chance.choice([b"r", b"s", b"c", b"p", b"l", b"", b"?"]) + mutated(chance, b"default.abc\ndefault.def")

    def case() -> None:
        store, listener = Store("unused.db", Clocks()), RecordingListener()
        cast("Any", store)._listener = listener  # Any: what open() would set
        store.workers[listener] = lambda: None
        store._on_ring(message)

    return case


def _frame(chance: random.Random) -> Case:
    delivery = Delivery(TaskId("default.x"), "default", 1, noise(chance), 1, "r")
    settlement = _EXECUTION.prepare(delivery)
    assert not isinstance(settlement, Prepared)
    written = mutated(chance, chance.choice([write_delivery(delivery), write_settlement(settlement), hostile_json(chance)]))
    read: Callable[[bytes], object] = chance.choice([read_delivery, read_settlement])
    return lambda: cast("None", read(written))


def _task_id(chance: random.Random) -> Case:
    id = TaskId(chance.choice([text(chance), f"default.{text(chance)}", f"default.{noise(chance).hex()}"]))

    def case() -> None:
        assert created_ms(id) >= 0

    return case


def _url(chance: random.Random) -> Case:
    urls: Sequence[bytes] = [
        b"redis://me:pass@host:6379/0",
        b"rediss://h/1?ssl_cert_reqs=none",
        b"unix:///a?db=3",
        b"redis+sentinel://me:pass@host:26379,other/service/0?sentinel_username=me&sentinel_password=pass",
        b"rediss+cluster://:pass@host:7000,[::1]:7001",
        b"sqlite:///a.db",
    ]
    url = mutated(chance, chance.choice(urls)).decode("utf-8", "surrogateescape") if chance.random() < 0.8 else text(chance)

    def case() -> None:
        if url.startswith(("redis", "unix")):
            deployment_of(url)  # a whole backend would read its scripts as well
        else:
            backend_from_url(url)

    return case


def _server(chance: random.Random) -> Case:
    info = mutated(chance, b"redis_version:7.0.15\nmaxmemory:0\nmaxmemory_policy:noeviction\naof_enabled:1\n")
    lines = info.decode("utf-8", "replace").splitlines()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    return lambda: cast("None", _check_server(_URL, facts))


def _packed(chance: random.Random) -> Case:
    packed = mutated(chance, b"1 3 5 rare {}")
    return lambda: cast("None", _unpack(packed))


TARGETS: Final = (
    Target("envelope", _envelope, (EnvelopeInvalid,)),
    Target("prepare", _prepare),
    Target("codecs", _codecs, (Undecodable,)),
    Target("arguments", _arguments, (Misfit,)),
    Target("outcome", _outcome, (ResultInvalid,)),
    Target("plain-reader", _plain_reader, (ValueError, ConnectionError)),
    Target("connection", _connection),
    Target("outcome-message", _outcome_message, (ValueError,)),
    Target("control-message", _control_message),
    Target("stream-entry", _stream_entry),
    Target("datagram", _datagram),
    Target("frame", _frame, (ValueError,)),
    Target("task-id", _task_id),
    Target("url", _url, (BackendUnsupported,)),
    Target("server", _server, (BackendUnsupported,)),
    Target("packed", _packed),
)
