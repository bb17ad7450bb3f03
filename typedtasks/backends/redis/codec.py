"""Envelopes, settlements and deliveries as the scripts read and write them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from typedtasks.backend import Bury, Delivery, Publication, Report, Reschedule, Settlement, TaskId

__all__ = ["STREAMS", "delivery_of", "place_of", "report_rows", "settlement_rows", "unpacked", "values_of"]

STREAMS: Final = 6
"""Of a queue: by priority what is ready or runs, and then by priority what `Session.unpark` has taken (see scripts/common.lua)."""


def values_of(item: Publication) -> tuple[str, bytes]:
    """Return what the scripts read of one envelope: its head, and its body (see publish.lua)."""
    if item.once is None:
        return f"{int(item.priority)} {item.delay_ms} {item.eta_ms} {item.id}", item.body
    key = item.once.key.encode()
    head = f"{int(item.priority)} u {item.once.window_ms} {len(key)} {item.delay_ms} {item.eta_ms} {item.id}"
    return head, key + item.body


def settlement_rows(item: Settlement) -> tuple[str | bytes, ...]:
    """Return the arguments of settle.lua for one delivery."""
    delivery = item.delivery
    place = place_of(delivery.receipt)
    if isinstance(item, Reschedule):
        head = f"R {place} {item.delay_ms} {item.eta_ms} {delivery.id}"
        return head, _with_text(item.awaits, item.body)
    if isinstance(item, Bury):
        head = f"B {place} {item.ttl_ms} 0 {delivery.id}"
        return head, _with_text(item.reply_to, item.outcome), item.reason
    head = f"F {place} {item.ttl_ms} {len(item.follow)} {delivery.id}"
    rows = [value for following in item.follow for value in values_of(following)]
    return head, _with_text(item.reply_to, item.outcome), *rows


def report_rows(item: Report) -> tuple[str | bytes, ...]:
    """Return the arguments of report.lua for one delivery."""
    delivery = item.delivery
    return f"{place_of(delivery.receipt)} {item.ttl_ms} {delivery.id}", item.body


def _with_text(text: str, body: bytes) -> bytes:
    encoded = text.encode()
    return b"%d %b%b" % (len(encoded), encoded, body)


def place_of(receipt: str) -> str:
    """Return the number of the stream, and the id of the entry in it, that a receipt stands for: `<stream> <entry id>`."""
    _, number, entry = receipt.split(":")
    return f"{number} {entry}"


def unpacked(queue: str, packed: Sequence[bytes]) -> Iterator[Delivery]:
    """Yield the deliveries of a reply: a line for each, and all task ids and bodies (see scripts/common.lua)."""
    lines, content = packed
    at = 0
    for line in lines.decode().split("\n") if lines else ():
        number, entry, deliveries, flags, id_length, body_length = line.split(" ")
        body_at = at + int(id_length)
        end = body_at + int(body_length)
        id = content[at:body_at].decode("utf-8", "replace")
        receipt = f"{queue}:{number}:{entry}"
        cancelled, unmet = flags in "13", flags in "23"
        body = content[body_at:end]
        yield Delivery(TaskId(id), queue, int(number) % 3, body, int(deliveries), receipt, cancelled, unmet)
        at = end


def delivery_of(queue: str, priority: int, entry: bytes, values: dict[bytes, bytes]) -> Delivery:
    """Return what was read from a stream without a script."""
    earlier = values.get(b"n", b"0")
    return Delivery(
        TaskId(values.get(b"i", b"").decode("utf-8", "replace")),
        queue,
        priority,
        values.get(b"b", b""),
        1 + (int(earlier) if earlier.isdigit() and len(earlier) < 10 else 0),
        f"{queue}:{priority}:{entry.decode()}",
        values.get(b"x") == b"1",
        values.get(b"u") == b"1",
    )
