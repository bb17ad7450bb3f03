"""A customer's way through the shop, as one coroutine: ask for a price, place the order, say how it went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from order_tasks import (
    Address,
    Card,
    Client,
    Customer,
    Handling,
    Limits,
    Line,
    Order,
    OrderId,
    OutOfStock,
    Sku,
    Span,
    Unknown,
    Urgency,
)
from typedtasks import Failure, Success


@dataclass(frozen=True, slots=True)
class Bought:
    """What the customer sees at the end."""

    order: OrderId
    total: Decimal


async def offers(client: Client, budget: Decimal) -> list[str]:
    """Return the titles of what the budget allows, nothing that has to be cooled."""
    handle = await client.orders_catalogue.enqueue(Limits[Decimal](high=budget), without=Handling.COLD)
    products = (await handle.result(timeout=20)).root
    return [product.title for product in products.values()]


async def buy(client: Client, customer: Customer, wanted: dict[Sku, int], address: Address) -> Bought | str:
    """Return what was bought, or why nothing was: each failure of the service is a class of the client."""
    quoted = await client.orders_quote.enqueue(wanted)
    match await quoted.outcome(timeout=20):
        case Success((prices, _)):
            lines = [Line(sku=sku, quantity=wanted[sku], price=price) for sku, price in prices.items()]
        case Failure(Unknown() as error):
            kinds = [part.name for part in error.suggestion.parts] if error.suggestion else []
            return f"there is no {', '.join(sorted(error.skus))}; look among {' and '.join(kinds)}"
        case Failure(OutOfStock() as error):
            return f"only {error.left} of {error.sku} are left"
        case other:
            return f"the shop is closed: {other!r}"
    order = await place(client, customer, lines, address)
    return Bought(order.id, order.total[0])


async def place(client: Client, customer: Customer, lines: list[Line], address: Address) -> Order:
    """Return the placed order; raises `OutOfStock`, which is an exception like any other."""
    handle = await client.orders_place.options(priority="high").enqueue(
        customer,
        *lines,
        payment=Card(token="tok_visa"),
        address=address,
        urgency=Urgency.TODAY,
        deliver_within=Span(date(2026, 3, 1), date(2026, 3, 4)),
    )
    return await handle.result(timeout=20)


ADA = Customer(customerId=UUID(int=7), fullName="Ada Lovelace", bornOn=date(1815, 12, 10))
HOME = Address(street="12 St James's Square", city="London", country="GB")
