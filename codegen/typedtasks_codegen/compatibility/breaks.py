"""What a change can break, and in which order of deployment: the words that rules are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

__all__ = ["Break", "Category", "Direction", "Order", "Rule"]


class Category(Enum):
    """What a change breaks."""

    SOURCE = "SOURCE"
    """The code of callers: it no longer type-checks, or means something else, once it uses the new client."""
    WIRE = "WIRE"
    """Clients or workers that are deployed and do not have the change yet."""
    WIRE_IN_FLIGHT = "WIRE_IN_FLIGHT"
    """Messages that wait in a queue, or results that are kept, when the change is deployed."""


class Order(Enum):
    """What is deployed first."""

    WORKERS_FIRST = "workers-first"
    CLIENTS_FIRST = "clients-first"


class Direction(Enum):
    """Which way the values go that a rule is about."""

    TO_WORKER = "client to worker"
    TO_CLIENT = "worker to client"
    NONE = "neither"


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that a change breaks, and in which orders of deployment."""

    category: Category
    orders: tuple[Order, ...] = (Order.WORKERS_FIRST, Order.CLIENTS_FIRST)


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of change. One that breaks nothing is a note."""

    id: str
    direction: Direction
    breaks: tuple[Break, ...]
    reason: str
    instead: str

    @property
    def categories(self) -> tuple[Category, ...]:
        """What such a change breaks in at least one order of deployment."""
        return tuple(one.category for one in self.breaks)

    def breaks_in(self, order: Order) -> tuple[Category, ...]:
        """Return what such a change breaks when that is deployed first."""
        return tuple(one.category for one in self.breaks if order in one.orders)
