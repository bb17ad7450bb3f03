# @generated: do not edit. Written by
# typedtasks generate examples.orders.tasks:broker --package order_tasks
# isort: skip_file
"""A client of the tasks of examples.orders.tasks:broker.

Use it as `async with Client(url) as client`, or as `with BlockingClient(url) as client`.
"""

from __future__ import annotations

import collections.abc
import datetime
import decimal
import typing

import pydantic
import typedtasks.client

from . import models
from .models import (
    Address,
    Attributes,
    ByDay,
    Card,
    Catalogue,
    Category,
    Currency,
    Customer,
    Handling,
    Invoice,
    Limits,
    Line,
    Money,
    Order,
    OrderId,
    OutOfStock,
    Page,
    Payment,
    Product,
    Sale,
    Size,
    Sku,
    Span,
    Status,
    Unknown,
    Urgency,
    Warehouse,
)

__all__ = [
    "Address",
    "Attributes",
    "BlockingClient",
    "ByDay",
    "Card",
    "Catalogue",
    "Category",
    "Client",
    "Currency",
    "Customer",
    "Handling",
    "Invoice",
    "Limits",
    "Line",
    "Money",
    "Order",
    "OrderId",
    "OutOfStock",
    "Page",
    "Payment",
    "Product",
    "Sale",
    "Size",
    "Sku",
    "Span",
    "Status",
    "Unknown",
    "Urgency",
    "Warehouse",
    "models",
]


_default_orders_catalogue_without: Handling = Handling(0)
_default_orders_catalogue_tags: typing.Annotated[
    frozenset[str],
    pydantic.Field(max_length=5),
] = frozenset()


async def _call_orders_catalogue(
    prices: Limits[decimal.Decimal] | None = None,
    *,
    without: Handling = _default_orders_catalogue_without,
    tags: typing.Annotated[
        frozenset[str],
        pydantic.Field(max_length=5),
    ] = _default_orders_catalogue_tags,
) -> Catalogue:
    """Return the products within these prices that have all tags, without those that need such handling."""
    raise typedtasks.client.not_here("orders.catalogue")


async def _call_orders_place(
    customer: Customer,
    *lines: Line,
    payment: Payment,
    address: Address,
    urgency: Urgency = Urgency.WHENEVER,
    deliver_within: Span[datetime.date] | None = None,
) -> Order:
    """Place an order: the same lines of the same customer are the same order."""
    raise typedtasks.client.not_here("orders.place")


async def _call_orders_quote(
    wanted: dict[
        Sku,
        typing.Annotated[
            int,
            pydantic.Field(description="How many pieces.", ge=1, le=1000),
        ],
    ],
    currency: Currency = Currency.EURO,
) -> tuple[collections.abc.Mapping[Sku, Money], Money]:
    """Return the price of each product and of all together."""
    raise typedtasks.client.not_here("orders.quote")


async def _call_orders_report(
    sales: ByDay[list[Sale]],
    top: typing.Annotated[int, pydantic.Field(ge=1)] = 3,
    /,
) -> Page[tuple[datetime.date, Sku, Money]]:
    """Return the turnover of each product on each day, the best first; what is below the top of a day is left out."""
    raise typedtasks.client.not_here("orders.report")


_default_stock_place_size: Size = Size(depth=1, height=10, width=10)


async def _call_stock_place(
    sku: Sku,
    warehouse: Warehouse,
    pieces: typing.Annotated[
        int,
        pydantic.Field(description="How many pieces.", ge=1, le=1000),
    ],
    size: Size = _default_stock_place_size,
) -> Warehouse:
    """Put pieces on the shelf that has room for them. Its name ends as that of `orders.place` does."""
    raise typedtasks.client.not_here("stock.place")


class _Tasks:
    orders_catalogue = typedtasks.client.RemoteTask(
        _call_orders_catalogue,
        name="orders.catalogue",
        queue="default",
        priority="normal",
        result_ttl_ms=86400000,
        raises=(),
    )
    orders_place = typedtasks.client.RemoteTask(
        _call_orders_place,
        name="orders.place",
        queue="default",
        priority="normal",
        result_ttl_ms=86400000,
        raises=(OutOfStock,),
    )
    orders_quote = typedtasks.client.RemoteTask(
        _call_orders_quote,
        name="orders.quote",
        queue="default",
        priority="normal",
        result_ttl_ms=86400000,
        raises=(
            Unknown,
            OutOfStock,
        ),
    )
    orders_report = typedtasks.client.RemoteTask(
        _call_orders_report,
        name="orders.report",
        queue="reports",
        priority="low",
        result_ttl_ms=86400000,
        raises=(),
    )
    stock_place = typedtasks.client.RemoteTask(
        _call_stock_place,
        name="stock.place",
        queue="default",
        priority="normal",
        result_ttl_ms=86400000,
        raises=(),
    )


class Client(_Tasks, typedtasks.client.AsyncClient):
    """Sends tasks from an event loop: `await client.<task>.enqueue(...)`."""

    max_payload = 262144
    max_result = 16777216


class BlockingClient(_Tasks, typedtasks.client.ThreadClient):
    """Sends tasks from code without an event loop: `client.<task>.enqueue(...)` waits."""

    max_payload = 262144
    max_result = 16777216
