"""The tasks: prices, orders and reports of a shop that sells three things."""

from __future__ import annotations

import os
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated
from uuid import NAMESPACE_URL, uuid5

from pydantic import Field, HttpUrl

from examples.orders.models import (
    Address,
    ByDay,
    Catalogue,
    Category,
    Currency,
    Customer,
    Handling,
    Limits,
    Line,
    Money,
    Order,
    OrderId,
    Page,
    Payment,
    Prices,
    Product,
    Quantity,
    Sale,
    Size,
    Sku,
    Span,
    Status,
    Urgency,
    Warehouse,
)
from typedtasks import Broker, Retry, TaskError

broker = Broker()

KITCHEN = Category(name="kitchen", parts=[Category(name="knives"), Category(name="china")])
CATALOGUE = Catalogue(
    {
        product.sku: product
        for product in (
            Product(
                sku=Sku("KN-001"),
                title="Bread knife",
                price=Decimal("24.90"),
                category=KITCHEN.parts[0],
                size=Size(35, 4),
                tags=frozenset({"steel", "sharp"}),
                page=HttpUrl("https://shop.example/knives/1"),
                attributes={"blade": {"length": 21, "serrated": True}},
            ),
            Product(
                sku=Sku("TP-002"),
                title="Teapot",
                price=Decimal("49.00"),
                category=KITCHEN.parts[1],
                size=Size(20, 18, 14),
                handling=Handling.FRAGILE | Handling.HEAVY,
                picture=b"\x89PNG",
            ),
            Product(sku=Sku("IC-003"), title="Ice cream", price=Decimal("4.50"), category=KITCHEN, handling=Handling.COLD),
        )
    }
)
STOCK: dict[Sku, int] = {Sku("KN-001"): 100, Sku("TP-002"): 2, Sku("IC-003"): 40}
NOTHING = Handling(0)
BOX = Size(10, 10)
POUNDS_PER_EURO = Decimal("0.85")


class OutOfStock(TaskError):
    """There are fewer pieces than were asked for."""

    sku: Sku
    left: int


class Unknown(TaskError):
    """There are no products of these numbers."""

    skus: set[Sku]
    suggestion: Category | None = None


@broker.task(name="orders.catalogue")
async def catalogue(
    prices: Limits[Decimal] | None = None,
    *,
    without: Handling = NOTHING,
    tags: Annotated[frozenset[str], Field(max_length=5)] = frozenset(),
) -> Catalogue:
    """Return the products within these prices that have all tags, without those that need such handling."""
    within = prices or Limits[Decimal]()
    return Catalogue(
        {
            sku: product
            for sku, product in CATALOGUE.root.items()
            if (within.low is None or product.price >= within.low)
            and (within.high is None or product.price <= within.high)
            and not product.handling & without
            and tags <= product.tags
        }
    )


@broker.task(name="orders.quote", raises=(Unknown, OutOfStock))
async def quote(wanted: dict[Sku, Quantity], currency: Currency = Currency.EURO) -> tuple[Prices, Money]:
    """Return the price of each product and of all together."""
    unknown = wanted.keys() - CATALOGUE.root.keys()
    if unknown:
        raise Unknown(skus=set(unknown), suggestion=KITCHEN)
    for sku, quantity in wanted.items():
        if quantity > STOCK[sku]:
            raise OutOfStock(sku=sku, left=STOCK[sku])
    rate = POUNDS_PER_EURO if currency is Currency.POUND else Decimal(1)
    prices = {sku: (CATALOGUE.root[sku].price * rate).quantize(Decimal("0.01")) for sku in wanted}
    return prices, sum((prices[sku] * quantity for sku, quantity in wanted.items()), Decimal(0))


@broker.task(name="orders.place", raises=OutOfStock, timeout=timedelta(seconds=20), retry=Retry(max_attempts=3))
async def place(
    customer: Customer,
    *lines: Line,
    payment: Payment,
    address: Address,
    urgency: Urgency = Urgency.WHENEVER,
    deliver_within: Span[date] | None = None,
) -> Order:
    """Place an order: the same lines of the same customer are the same order."""
    for line in lines:
        if line.quantity > STOCK.get(line.sku, 0):
            raise OutOfStock(sku=line.sku, left=STOCK.get(line.sku, 0))
    number = uuid5(NAMESPACE_URL, "/".join([str(customer.customer_id), *(f"{line.sku}:{line.quantity}" for line in lines)]))
    now = datetime.now(UTC)
    return Order(
        id=OrderId(number),
        customer=customer,
        lines=list(lines),
        payment=payment,
        address=address,
        total=(sum((line.price * line.quantity for line in lines), Decimal(0)), Currency.EURO),
        placed_at=now,
        deliver_on=deliver_within.first if deliver_within else None,
        warehouse=Warehouse("south", shelves=(1, 4), notes={4: "ladder"}) if urgency is Urgency.NOW else Warehouse("north"),
        label=PurePosixPath("/labels", f"{number}.pdf"),
        status=Status.PACKED if urgency >= Urgency.TODAY else Status.PLACED,
    )


@broker.task(name="orders.report", queue="reports", priority="low")
def report(sales: ByDay[list[Sale]], top: Annotated[int, Field(ge=1)] = 3, /) -> Page[tuple[date, Sku, Money]]:
    """Return the turnover of each product on each day, the best first; what is below the top of a day is left out."""
    rows: list[tuple[date, Sku, Money]] = []
    for day, of_day in sorted(sales.items()):
        turnover: Counter[Sku] = Counter()
        for line in (line for sale in of_day for line in sale.lines):
            turnover[line.sku] += int(line.price * line.quantity * 100)
        rows += [(day, sku, Decimal(cents) / 100) for sku, cents in turnover.most_common(top)]
    return Page(items=rows, next=None)


@broker.task(name="stock.place")
def place_in_stock(sku: Sku, warehouse: Warehouse, pieces: Quantity, size: Size = BOX) -> Warehouse:
    """Put pieces on the shelf that has room for them. Its name ends as that of `orders.place` does."""
    shelf = (size.width * size.height * size.depth * pieces) % int(os.environ.get("SHELVES", "7"))
    return Warehouse(warehouse.code, warehouse.opened, (*warehouse.shelves, shelf), {**warehouse.notes, shelf: sku})
