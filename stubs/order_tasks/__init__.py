# @generated: do not edit. Written by
# typedtasks generate examples.orders.tasks:broker --package order_tasks
# isort: skip_file
"""A client of the tasks of examples.orders.tasks:broker.

Use it as `async with Client(url) as client`, or as `with BlockingClient(url) as client`.
"""

from __future__ import annotations

import collections.abc as _collections_abc
import datetime as _datetime
import decimal as _decimal
import typing as _typing

import pydantic as _pydantic
import typedtasks.client as _typedtasks_client

from . import models
from . import models as _models
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


_default_catalogue_without: _models.Handling = _models.Handling(0)
_default_catalogue_tags: _typing.Annotated[
    frozenset[str],
    _pydantic.Field(max_length=5),
] = frozenset()


async def _call_catalogue(
    prices: _models.Limits[_decimal.Decimal] | None = None,
    *,
    without: _models.Handling = _default_catalogue_without,
    tags: _typing.Annotated[
        frozenset[str],
        _pydantic.Field(max_length=5),
    ] = _default_catalogue_tags,
) -> _models.Catalogue:
    """Return the products within these prices that have all tags, without those that need such handling."""
    raise _typedtasks_client.not_here("orders.catalogue")


async def _call_orders_place(
    customer: _models.Customer,
    *lines: _models.Line,
    payment: _models.Payment,
    address: _models.Address,
    urgency: _models.Urgency = _models.Urgency.WHENEVER,
    deliver_within: _models.Span[_datetime.date] | None = None,
) -> _models.Order:
    """Place an order: the same lines of the same customer are the same order."""
    raise _typedtasks_client.not_here("orders.place")


async def _call_quote(
    wanted: dict[
        _models.Sku,
        _typing.Annotated[
            int,
            _pydantic.Field(description="How many pieces.", ge=1, le=1000),
        ],
    ],
    currency: _models.Currency = _models.Currency.EURO,
) -> tuple[_collections_abc.Mapping[_models.Sku, _models.Money], _models.Money]:
    """Return the price of each product and of all together."""
    raise _typedtasks_client.not_here("orders.quote")


async def _call_report(
    sales: _models.ByDay[list[_models.Sale]],
    top: _typing.Annotated[int, _pydantic.Field(ge=1)] = 3,
    /,
) -> _models.Page[tuple[_datetime.date, _models.Sku, _models.Money]]:
    """Return the turnover of each product on each day, the best first; what is below the top of a day is left out."""
    raise _typedtasks_client.not_here("orders.report")


_default_stock_place_size: _models.Size = _models.Size(depth=1, height=10, width=10)


async def _call_stock_place(
    sku: _models.Sku,
    warehouse: _models.Warehouse,
    pieces: _typing.Annotated[
        int,
        _pydantic.Field(description="How many pieces.", ge=1, le=1000),
    ],
    size: _models.Size = _default_stock_place_size,
) -> _models.Warehouse:
    """Put pieces on the shelf that has room for them. Its name ends as that of `orders.place` does."""
    raise _typedtasks_client.not_here("stock.place")


class _Tasks:
    catalogue = _typedtasks_client.RemoteTask(
        _call_catalogue,
        name="orders.catalogue",
        queue="default",
        priority="normal",
        result_ttl_ms=86400000,
        raises=(),
    )
    orders_place = _typedtasks_client.RemoteTask(
        _call_orders_place,
        name="orders.place",
        queue="default",
        priority="normal",
        result_ttl_ms=86400000,
        raises=(_models.OutOfStock,),
    )
    quote = _typedtasks_client.RemoteTask(
        _call_quote,
        name="orders.quote",
        queue="default",
        priority="normal",
        result_ttl_ms=86400000,
        raises=(
            _models.Unknown,
            _models.OutOfStock,
        ),
    )
    report = _typedtasks_client.RemoteTask(
        _call_report,
        name="orders.report",
        queue="reports",
        priority="low",
        result_ttl_ms=86400000,
        raises=(),
    )
    stock_place = _typedtasks_client.RemoteTask(
        _call_stock_place,
        name="stock.place",
        queue="default",
        priority="normal",
        result_ttl_ms=86400000,
        raises=(),
    )


class Client(_Tasks, _typedtasks_client.AsyncClient):
    """Sends tasks from an event loop: `await client.<task>.enqueue(...)`."""

    max_payload = 262144
    max_result = 16777216


class BlockingClient(_Tasks, _typedtasks_client.ThreadClient):
    """Sends tasks from code without an event loop: `client.<task>.enqueue(...)` waits."""

    max_payload = 262144
    max_result = 16777216
