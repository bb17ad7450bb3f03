"""Every kind of type across a generated client: stubs/order_tasks, made of examples/orders."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from uuid import UUID

import order_tasks
from order_tasks import (
    Address,
    BlockingClient,
    Card,
    Catalogue,
    Category,
    Client,
    Currency,
    Customer,
    Handling,
    Invoice,
    Limits,
    Line,
    Order,
    OrderId,
    OutOfStock,
    Page,
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
from pydantic import HttpUrl
from typing_extensions import Never, assert_type

from typedtasks import TaskHandle
from typedtasks.client import BlockingHandle


# ## kinds of types: results
async def use_results(client: Client, sku: Sku, customer: Customer, address: Address) -> None:
    assert_type(await client.orders_catalogue.enqueue(), TaskHandle[Catalogue, Never])
    quoted = await client.orders_quote.enqueue({sku: 1}, Currency.POUND)
    assert_type(quoted, TaskHandle[tuple[Mapping[Sku, Decimal], Decimal], Unknown | OutOfStock])
    placed = await client.orders_place.enqueue(customer, payment=Card(token="tok_x"), address=address)
    assert_type(await placed.result(), Order)
    rows = await (await client.orders_report.enqueue({date(2026, 1, 1): []}, 3)).result()
    assert_type(rows, Page[tuple[date, Sku, Decimal]])
    assert_type(await (await client.stock_place.enqueue(sku, Warehouse("north"), 1)).result(), Warehouse)


def use_blocking_results(client: BlockingClient) -> None:
    assert_type(client.orders_catalogue.enqueue(Limits[Decimal](low=Decimal(1))), BlockingHandle[Catalogue, Never])


# ## kinds of types: fields
def use_fields(order: Order, product: Product, catalogue: Catalogue, error: Unknown, sale: Sale) -> None:
    assert_type(order.id, OrderId)
    assert_type(order.reference, UUID)
    assert_type(order.customer.full_name, str)
    assert_type(order.customer.born_on, date | None)
    assert_type(order.lines[0].quantity, int)
    assert_type(order.payment, Card | Invoice)
    # E: mypy assert-type+name-defined, plugin assert-type+name-defined, pyright reportAssertTypeFailure+reportUndefinedVariable, ty type-assertion-failure+unresolved-reference, pyrefly unknown-name
    assert_type(order.address["country"], "Literal['DE', 'GB', 'FR']")
    assert_type(order.total, tuple[Decimal, Currency])
    assert_type(order.placed_at, datetime)
    assert_type(order.warehouse.shelves, tuple[int, ...])
    assert_type(order.warehouse.notes, dict[int, str])
    assert_type(order.label, PurePosixPath | None)
    assert_type(order.status, Status)
    assert_type(product.category.parts, list[Category])
    assert_type(product.size, Size | None)
    assert_type(product.handling, Handling)
    assert_type(product.tags, frozenset[str])
    assert_type(product.page, HttpUrl | None)
    assert_type(product.picture, bytes)
    assert_type(catalogue.root, dict[Sku, Product])
    assert_type(error.skus, set[Sku])
    assert_type(error.suggestion, Category | None)
    assert_type(Span(1, 2).last, int)
    assert_type(sale.at, datetime)
    # E: mypy union-attr, plugin union-attr, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-union-attribute, pyrefly missing-attribute
    order.payment.token
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    order.custome
    # E: mypy typeddict-item, plugin typeddict-item, pyright reportGeneralTypeIssues, ty invalid-typed-dict-key, pyrefly bad-typed-dict-key
    order.address["countri"]
    # E: mypy union-attr, plugin union-attr, pyright reportOptionalMemberAccess, ty missing-union-attribute, pyrefly missing-attribute
    product.size.width
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    product.category.parts.name
    # E: mypy misc, plugin misc, pyright reportAttributeAccessIssue, ty invalid-assignment, pyrefly read-only
    order.warehouse.code = "south"
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    error.left


# ## kinds of types: arguments
async def use_arguments(client: Client, sku: Sku, customer: Customer, address: Address) -> None:
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.orders_catalogue.enqueue(Limits[Decimal](high=Decimal(1)), without=Handling.COLD | Handling.HEAVY, tags={"a"})
    await client.orders_place.enqueue(
        customer,
        Line(sku=sku, price=Decimal(1)),
        payment=Invoice(due_in=timedelta(days=3)),
        address={"street": "a", "city": "b", "country": "DE"},
        urgency=Urgency.NOW,
        deliver_within=Span(date(2026, 1, 1), date(2026, 1, 2)),
    )
    # E: mypy dict-item, plugin dict-item, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-assignment
    await client.orders_quote.enqueue({"KN-001": 1})
    # E: mypy dict-item, plugin dict-item, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-assignment
    await client.orders_quote.enqueue({sku: "1"})
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.orders_quote.enqueue({sku: 1}, "EUR")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.orders_quote.enqueue({sku: 1}, Urgency.NOW)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.orders_catalogue.enqueue(Limits[int](high=1))
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty too-many-positional-arguments, pyrefly bad-argument-count
    await client.orders_catalogue.enqueue(None, Handling.COLD)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.orders_catalogue.enqueue(without=1)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.orders_catalogue.enqueue(tags="abc")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.orders_place.enqueue(customer, payment=address, address=address)
    # E: mypy typeddict-item, plugin typeddict-item, pyright reportArgumentType, ty invalid-argument-type+missing-typed-dict-key, pyrefly bad-typed-dict-key
    await client.orders_place.enqueue(customer, payment=Card(token="tok_x"), address={"street": "a", "city": "b"})
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    await client.orders_place.enqueue(customer, address=address)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.orders_place.enqueue(customer, sku, payment=Card(token="tok_x"), address=address)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.orders_place.enqueue(customer, payment=Card(token="tok_x"), address=address, deliver_within=Span(1, 2))
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.orders_place.enqueue(customer, payment=Card(token="tok_x"), address=address, urgency=20)
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty positional-only-parameter-as-kwarg, pyrefly unexpected-keyword
    await client.orders_report.enqueue(sales={})
    # E: mypy dict-item, plugin dict-item, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-assignment
    await client.orders_report.enqueue({"2026-01-01": []})
    # E: mypy list-item, plugin list-item, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-assignment
    await client.orders_report.enqueue({date(2026, 1, 1): [1]})
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.stock_place.enqueue(sku, Warehouse("north"), 1, (1, 2))
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    await client.stock_place.enqueue(sku, "north", 1)
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    await client.place.enqueue(sku, Warehouse("north"), 1)


# ## kinds of types: constructors
# why: ty and pyrefly let pass what pydantic may convert to the type of a field, and require no field that has a name and an alias.
def make_values(sku: Sku) -> None:
    Customer(customerId=UUID(int=1), fullName="Ada", bornOn=None)
    Warehouse("north", shelves=(1, 2), notes={1: "a"})
    Size(1, 2)
    Limits[int](low=1)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType
    Customer(customerId="1", fullName="Ada")
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue
    Customer(customerId=UUID(int=1))
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    Warehouse("west")
    # E: mypy dict-item, plugin dict-item, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-assignment
    Warehouse("north", notes={"1": "a"})
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    Size("1", 2)
    # E: mypy type-var, plugin type-var, pyright reportInvalidTypeArguments, ty invalid-type-arguments, pyrefly bad-specialization
    Limits[str](low="a")
    # E: mypy list-item, plugin list-item, pyright reportArgumentType, ty invalid-argument-type
    Category(name="a", parts=["b"])
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    Card(method="invoice", token="tok_x")
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType
    Line(sku="KN-001", price=Decimal(1))
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument, pyrefly missing-argument
    Line(sku=sku)
    # E: mypy arg-type, plugin arg-type, pyright reportArgumentType, ty invalid-argument-type, pyrefly bad-argument-type
    OutOfStock(sku=sku, left="2")
    # E: mypy call-arg, plugin call-arg, pyright reportCallIssue, ty missing-argument+too-many-positional-arguments, pyrefly unexpected-positional-argument
    OutOfStock(sku, 2)
    # E: mypy misc, plugin misc, pyright reportAttributeAccessIssue, ty invalid-assignment, pyrefly read-only
    Currency("EUR").name = "x"
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    order_tasks.Currency.DOLLAR
    # E: mypy attr-defined, plugin attr-defined, pyright reportAttributeAccessIssue+reportUnknownMemberType, ty missing-attribute, pyrefly missing-attribute
    order_tasks.models.Nothing
