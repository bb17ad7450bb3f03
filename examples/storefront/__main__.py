"""`python -m examples.storefront`: a visit to the shop, and a report for its owner by code without an event loop."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal

from examples.storefront.buying import ADA, HOME, buy, offers
from order_tasks import BlockingClient, Client, Line, Sale, Sku
from typedtasks import PayloadInvalid


async def visit() -> None:
    """Look, buy, and be refused in three ways: by the service, by its stock, and by the client itself."""
    async with Client() as client:  # TYPEDTASKS_URL says where the service is
        print("offers:", *await offers(client, budget=Decimal(30)))
        print(await buy(client, ADA, {Sku("KN-001"): 2, Sku("TP-002"): 1}, HOME))
        print(await buy(client, ADA, {Sku("XX-999"): 1}, HOME))
        print(await buy(client, ADA, {Sku("TP-002"): 9}, HOME))
        try:
            await client.orders_quote.enqueue({Sku("KN-001"): 1001})
        except PayloadInvalid as error:
            print("not sent:", error.errors[0]["msg"])


def report() -> None:
    """Print the best of each day."""
    sold = Sale(at=datetime(2026, 3, 1, 12, tzinfo=UTC), lines=[Line(sku=Sku("IC-003"), quantity=3, price=Decimal("4.50"))])
    with BlockingClient() as client:
        page = client.orders_report.enqueue({date(2026, 3, 1): [sold, sold]}, 1).result(timeout=20)
        for day, sku, turnover in page.items:
            print(day, sku, turnover)


if __name__ == "__main__":
    asyncio.run(visit())
    report()
