"""What the tasks of the orders service take and give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum
from pathlib import PurePosixPath
from typing import Annotated, Generic, Literal, NamedTuple, NewType, NotRequired, TypeAlias
from uuid import UUID, uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, HttpUrl, RootModel
from pydantic.alias_generators import to_camel
from typing_extensions import TypeAliasType, TypedDict, TypeVar

Sku = NewType("Sku", str)
OrderId = NewType("OrderId", UUID)

T = TypeVar("T")
Number = TypeVar("Number", bound=int | Decimal)

Money = TypeAliasType("Money", Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)])
ByDay = TypeAliasType("ByDay", dict[date, T], type_params=(T,))
Attributes = TypeAliasType("Attributes", "dict[str, Attributes] | list[Attributes] | str | int | bool")
Quantity: TypeAlias = Annotated[int, Field(ge=1, le=1000, description="How many pieces.")]


class Currency(Enum):
    """What a customer pays in."""

    EURO = "EUR"
    POUND = "GBP"


class Urgency(IntEnum):
    """How soon an order has to leave."""

    WHENEVER = 0
    TODAY = 10
    NOW = 20


class Status(StrEnum):
    """How far an order is."""

    PLACED = "placed"
    PACKED = "packed"
    DELIVERED = "delivered"


class Handling(Flag):
    """What to take care of."""

    FRAGILE = 1
    COLD = 2
    HEAVY = 4


class Size(NamedTuple):
    """The size of a parcel in centimetres."""

    width: int
    height: int
    depth: int = 1


class Span(NamedTuple, Generic[T]):
    """From one to the other, both included."""

    first: T
    last: T


@dataclass(frozen=True)
class Warehouse:
    """Where goods lie."""

    code: Literal["north", "south"]
    opened: date = date(2020, 1, 1)
    shelves: tuple[int, ...] = ()
    notes: dict[int, str] = field(default_factory=dict)


class Address(TypedDict):
    """Where an order goes."""

    street: str
    city: str
    country: Literal["DE", "GB", "FR"]
    note: NotRequired[Annotated[str, Field(max_length=200)]]


class Category(BaseModel):
    """A kind of goods, with the kinds that it consists of."""

    name: str
    parts: list[Category] = []


class Product(BaseModel):
    """What can be ordered."""

    sku: Annotated[Sku, Field(pattern=r"^[A-Z]{2}-\d{3}$")]
    title: str = Field(min_length=1, max_length=80)
    price: Money
    category: Category
    size: Size | None = None
    handling: Handling = Handling(0)
    tags: frozenset[str] = frozenset()
    page: HttpUrl | None = None
    picture: bytes = Field(default=b"", description="The thumbnail, as PNG.")
    attributes: Attributes = Field(default_factory=dict)


class Limits(BaseModel, Generic[Number]):
    """Bounds of a number; none where there is no bound."""

    low: Number | None = None
    high: Number | None = None


class Page(BaseModel, Generic[T]):
    """Some of many."""

    items: list[T]
    next: int | None = Field(None, description="Where the next page begins.")


class Catalogue(RootModel[dict[Sku, Product]]):
    """All products by their number."""


class Customer(BaseModel):
    """Who orders, as the accounts of another system have it: in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")

    customer_id: UUID
    full_name: Annotated[str, Field(min_length=1)]
    born_on: date | None = None
    loyalty: float = Field(0.0, ge=0, le=1)


class Card(BaseModel):
    """Paid by card."""

    method: Literal["card"] = "card"
    token: Annotated[str, Field(pattern=r"^tok_\w+$")]


class Invoice(BaseModel):
    """Paid later."""

    method: Literal["invoice"] = "invoice"
    due_in: timedelta = timedelta(days=14)


Payment = TypeAliasType("Payment", Annotated[Card | Invoice, Field(discriminator="method")])


class Line(BaseModel):
    """One product of an order."""

    sku: Sku
    quantity: Quantity = 1
    price: Money


class Order(BaseModel):
    """An order, once it is placed."""

    id: OrderId = Field(default_factory=lambda: OrderId(UUID(int=0)))
    reference: UUID = Field(default_factory=uuid4)
    customer: Customer
    lines: list[Line] = Field(min_length=1)
    payment: Payment
    address: Address
    total: tuple[Money, Currency]
    placed_at: AwareDatetime
    deliver_on: date | None = None
    warehouse: Warehouse = Warehouse("north")
    label: PurePosixPath | None = Field(None, description="Where the label for the parcel lies.")
    status: Status = Status.PLACED


class Sale(BaseModel):
    """What was sold on one day."""

    at: datetime
    lines: list[Line]


Prices: TypeAlias = Mapping[Sku, Money]
