"""What passes between a worker and a child process: a delivery one way, what follows from it the other way."""

from __future__ import annotations

from typing import Final

from pydantic import ConfigDict, TypeAdapter

from typedtasks.backend import Bury, Delivery, Finish, Reschedule, Settlement

__all__ = ["HEAD", "PROGRESS", "framed", "read_delivery", "read_settlement", "write_delivery", "write_settlement"]

HEAD: Final = 4
"""Bytes of the length that is put before each message."""

PROGRESS: Final = b"p"
"""What an answer begins with that says how far the delivery has come: the last answer is still to come."""

_CONFIG: Final = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
_DELIVERY: Final = TypeAdapter(Delivery, config=_CONFIG)
_FINISH: Final = TypeAdapter(Finish, config=_CONFIG)
_RESCHEDULE: Final = TypeAdapter(Reschedule, config=_CONFIG)
_BURY: Final = TypeAdapter(Bury, config=_CONFIG)


def framed(message: bytes) -> bytes:
    """Return a message with its length before it."""
    return len(message).to_bytes(HEAD, "big") + message


def write_delivery(delivery: Delivery) -> bytes:
    """Return a delivery as bytes."""
    return _DELIVERY.dump_json(delivery)


def read_delivery(message: bytes) -> Delivery:
    """Return the delivery that the bytes say."""
    return _DELIVERY.validate_json(message)


def write_settlement(settlement: Settlement) -> bytes:
    """Return a settlement as bytes: its kind, a line end, and its fields."""
    match settlement:
        case Finish():
            return b"finish\n" + _FINISH.dump_json(settlement)
        case Reschedule():
            return b"reschedule\n" + _RESCHEDULE.dump_json(settlement)
        case Bury():
            return b"bury\n" + _BURY.dump_json(settlement)


def read_settlement(message: bytes) -> Settlement:
    """Return the settlement that the bytes say. Raises `ValueError` for bytes that are none."""
    kind, _, fields = message.partition(b"\n")
    match kind:
        case b"finish":
            return _FINISH.validate_json(fields)
        case b"reschedule":
            return _RESCHEDULE.validate_json(fields)
        case b"bury":
            return _BURY.validate_json(fields)
        case _:
            raise ValueError(f"{kind!r} is no kind of settlement")
