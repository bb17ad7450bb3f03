# @generated: do not edit. Written by
# typedtasks generate examples.orders.tasks:broker --package order_tasks
# isort: skip_file
"""A client of the tasks of examples.orders.tasks:broker.

Use it as `async with Client(url) as client`, or as `with BlockingClient(url) as client`.
"""

import collections.abc as _collections_abc
import datetime as _datetime
import decimal as _decimal
import typing as _typing

import pydantic as _pydantic
import typedtasks.client as _typedtasks_client

from . import models as _models
from . import models as models
from .models import (
    Address as Address,
    Attributes as Attributes,
    ByDay as ByDay,
    Card as Card,
    Catalogue as Catalogue,
    Category as Category,
    Currency as Currency,
    Customer as Customer,
    Handling as Handling,
    Invoice as Invoice,
    Limits as Limits,
    Line as Line,
    Money as Money,
    Order as Order,
    OrderId as OrderId,
    OutOfStock as OutOfStock,
    Page as Page,
    Payment as Payment,
    Product as Product,
    Sale as Sale,
    Size as Size,
    Sku as Sku,
    Span as Span,
    Status as Status,
    Unknown as Unknown,
    Urgency as Urgency,
    Warehouse as Warehouse,
)

class _Tasks:
    @_typedtasks_client.RemoteMethod[_typing.Never]()
    async def orders_catalogue(
        self,
        /,
        prices: _models.Limits[_decimal.Decimal] | None = None,
        *,
        without: _models.Handling = ...,
        tags: _typing.Annotated[frozenset[str], _pydantic.Field(max_length=5)] = ...,
    ) -> _models.Catalogue:
        """Return the products within these prices that have all tags, without those that need such handling."""

    @_typedtasks_client.RemoteMethod[_models.OutOfStock]()
    async def orders_place(
        self,
        /,
        customer: _models.Customer,
        *lines: _models.Line,
        payment: _models.Payment,
        address: _models.Address,
        urgency: _models.Urgency = _models.Urgency.WHENEVER,
        deliver_within: _models.Span[_datetime.date] | None = None,
    ) -> _models.Order:
        """Place an order: the same lines of the same customer are the same order."""

    @_typedtasks_client.RemoteMethod[_models.Unknown | _models.OutOfStock]()
    async def orders_quote(
        self,
        /,
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

    @_typedtasks_client.RemoteMethod[_typing.Never]()
    async def orders_report(
        self,
        sales: _models.ByDay[list[_models.Sale]],
        top: _typing.Annotated[int, _pydantic.Field(ge=1)] = 3,
        /,
    ) -> _models.Page[tuple[_datetime.date, _models.Sku, _models.Money]]:
        """Return the turnover of each product on each day, the best first; what is below the top of a day is left out."""

    @_typedtasks_client.RemoteMethod[_typing.Never]()
    async def stock_place(
        self,
        /,
        sku: _models.Sku,
        warehouse: _models.Warehouse,
        pieces: _typing.Annotated[
            int,
            _pydantic.Field(description="How many pieces.", ge=1, le=1000),
        ],
        size: _models.Size = ...,
    ) -> _models.Warehouse:
        """Put pieces on the shelf that has room for them. Its name ends as that of `orders.place` does."""

class Client(_Tasks, _typedtasks_client.AsyncClient):
    """Sends tasks from an event loop: `await client.<task>.enqueue(...)`."""

class BlockingClient(_Tasks, _typedtasks_client.ThreadClient):
    """Sends tasks from code without an event loop: `client.<task>.enqueue(...)` waits."""
