# @generated: do not edit. Written by
# typedtasks generate examples.orders.tasks:broker --package order_tasks
# isort: skip_file
"""The types of the tasks of examples.orders.tasks:broker, as its contract describes them."""

from __future__ import annotations

import dataclasses as _dataclasses
import datetime as _datetime
import decimal as _decimal
import enum as _enum
import pathlib as _pathlib
import typing as _typing
import uuid as _uuid

import pydantic as _pydantic
import typedtasks as _typedtasks
import typing_extensions as _typing_extensions


class Currency(_enum.Enum):
    """What a customer pays in."""

    EURO = "EUR"
    POUND = "GBP"


class Handling(_enum.Flag):
    """What to take care of."""

    FRAGILE = 1
    COLD = 2
    HEAVY = 4


class Status(_enum.StrEnum):
    """How far an order is."""

    PLACED = "placed"
    PACKED = "packed"
    DELIVERED = "delivered"


class Urgency(_enum.IntEnum):
    """How soon an order has to leave."""

    WHENEVER = 0
    TODAY = 10
    NOW = 20


class Address(_typing_extensions.TypedDict):
    """Where an order goes."""

    street: str
    city: str
    country: _typing.Literal["DE", "GB", "FR"]
    note: _typing_extensions.NotRequired[
        _typing.Annotated[
            str,
            _pydantic.Field(max_length=200),
        ]
    ]


if _typing.TYPE_CHECKING:
    Attributes: _typing.TypeAlias = _typing.Annotated[
        "dict[str, Attributes] | list[Attributes] | str | int | bool",
        "Attributes",
    ]
else:
    Attributes = _typing_extensions.TypeAliasType(
        "Attributes",
        "dict[str, Attributes] | list[Attributes] | str | int | bool",
    )


T = _typing.TypeVar("T")


ByDay = _typing_extensions.TypeAliasType(
    "ByDay",
    dict[_datetime.date, T],
    type_params=(T,),
)


class Card(_pydantic.BaseModel):
    """Paid by card."""

    model_config = _pydantic.ConfigDict(defer_build=True)
    method: _typing.Literal["card"] = "card"
    token: _typing.Annotated[str, _pydantic.Field(pattern="^tok_\\w+$")]


class Category(_pydantic.BaseModel):
    """A kind of goods, with the kinds that it consists of."""

    model_config = _pydantic.ConfigDict(defer_build=True)
    name: str
    parts: list[Category] = _pydantic.Field(default_factory=lambda: list[Category]())


Money = _typing_extensions.TypeAliasType(
    "Money",
    _typing.Annotated[
        _decimal.Decimal,
        _pydantic.Field(decimal_places=2, ge=0, max_digits=12),
    ],
)


class Size(_typing.NamedTuple):
    """The size of a parcel in centimetres."""

    width: int
    height: int
    depth: int = 1


Sku = _typing.NewType("Sku", str)


class Product(_pydantic.BaseModel):
    """What can be ordered."""

    model_config = _pydantic.ConfigDict(defer_build=True)
    sku: _typing.Annotated[Sku, _pydantic.Field(pattern="^[A-Z]{2}-\\d{3}$")]
    title: _typing.Annotated[str, _pydantic.Field(max_length=80, min_length=1)]
    price: Money
    category: Category
    size: Size | None = None
    handling: Handling = _pydantic.Field(default_factory=lambda: Handling(0))
    tags: frozenset[str] = _pydantic.Field(default_factory=lambda: frozenset())
    page: _pydantic.HttpUrl | None = None
    picture: _typing.Annotated[
        bytes,
        _pydantic.Field(description="The thumbnail, as PNG."),
    ] = _pydantic.Field(default_factory=lambda: b"")
    attributes: Attributes = _pydantic.Field(default_factory=dict[str, Attributes])


class Catalogue(_pydantic.RootModel[dict[Sku, Product]]):
    """All products by their number."""

    model_config = _pydantic.ConfigDict(defer_build=True)
    root: dict[Sku, Product]


class Customer(_pydantic.BaseModel):
    """Who orders, as the accounts of another system have it: in camel case."""

    model_config = _pydantic.ConfigDict(
        defer_build=True,
        extra="forbid",
        populate_by_name=True,
    )
    customer_id: _uuid.UUID = _pydantic.Field(alias="customerId")
    full_name: _typing.Annotated[str, _pydantic.Field(min_length=1)] = _pydantic.Field(
        alias="fullName",
    )
    born_on: _datetime.date | None = _pydantic.Field(default=None, alias="bornOn")
    loyalty: _typing.Annotated[float, _pydantic.Field(ge=0, le=1)] = _pydantic.Field(
        default=0.0,
        alias="loyalty",
    )


class Invoice(_pydantic.BaseModel):
    """Paid later."""

    model_config = _pydantic.ConfigDict(defer_build=True)
    method: _typing.Literal["invoice"] = "invoice"
    due_in: _datetime.timedelta = _pydantic.Field(
        default_factory=lambda: _datetime.timedelta(14, 0, 0),
    )


Number = _typing.TypeVar("Number", bound=int | _decimal.Decimal)


class Limits(_pydantic.BaseModel, _typing.Generic[Number]):
    """Bounds of a number; none where there is no bound."""

    model_config = _pydantic.ConfigDict(defer_build=True)
    low: Number | None = None
    high: Number | None = None


class Line(_pydantic.BaseModel):
    """One product of an order."""

    model_config = _pydantic.ConfigDict(defer_build=True)
    sku: Sku
    quantity: _typing.Annotated[
        int,
        _pydantic.Field(description="How many pieces.", ge=1, le=1000),
    ] = 1
    price: Money


OrderId = _typing.NewType("OrderId", _uuid.UUID)


Payment = _typing_extensions.TypeAliasType(
    "Payment",
    _typing.Annotated[Card | Invoice, _pydantic.Field(discriminator="method")],
)


@_dataclasses.dataclass(frozen=True)
class Warehouse:
    """Where goods lie."""

    code: _typing.Literal["north", "south"]
    opened: _datetime.date = _dataclasses.field(
        default_factory=lambda: _datetime.date.fromisoformat("2020-01-01"),
    )
    shelves: tuple[int, ...] = _dataclasses.field(default_factory=lambda: ())
    notes: dict[int, str] = _dataclasses.field(default_factory=dict[int, str])


class Order(_pydantic.BaseModel):
    """An order, once it is placed."""

    model_config = _pydantic.ConfigDict(defer_build=True)
    id: OrderId = _pydantic.Field(
        default_factory=lambda: OrderId(
            _uuid.UUID("00000000-0000-0000-0000-000000000000"),
        )
    )
    reference: _uuid.UUID = _pydantic.Field(default_factory=_uuid.uuid4)
    customer: Customer
    lines: _typing.Annotated[list[Line], _pydantic.Field(min_length=1)]
    payment: Payment
    address: Address
    total: tuple[Money, Currency]
    placed_at: _pydantic.AwareDatetime
    deliver_on: _datetime.date | None = None
    warehouse: Warehouse = _pydantic.Field(
        default_factory=lambda: Warehouse(
            code="north",
            notes={},
            opened=_datetime.date.fromisoformat("2020-01-01"),
            shelves=(),
        )
    )
    label: _typing.Annotated[
        _pathlib.PurePosixPath | None,
        _pydantic.Field(description="Where the label for the parcel lies."),
    ] = None
    status: Status = Status.PLACED


class Page(_pydantic.BaseModel, _typing.Generic[T]):
    """Some of many."""

    model_config = _pydantic.ConfigDict(defer_build=True)
    items: list[T]
    next: _typing.Annotated[
        int | None,
        _pydantic.Field(description="Where the next page begins."),
    ] = None


class Sale(_pydantic.BaseModel):
    """What was sold on one day."""

    model_config = _pydantic.ConfigDict(defer_build=True)
    at: _datetime.datetime
    lines: list[Line]


class Span(_typing.NamedTuple, _typing.Generic[T]):
    """From one to the other, both included."""

    first: T
    last: T


class OutOfStock(_typedtasks.TaskError):
    """There are fewer pieces than were asked for."""

    sku: Sku
    left: int


class Unknown(_typedtasks.TaskError):
    """There are no products of these numbers."""

    skus: set[Sku]
    suggestion: Category | None = None


CONTRACT_TYPES: _typing.Final[dict[str, object]] = {
    "examples.orders.models.Address": Address,
    "examples.orders.models.Attributes": Attributes,
    "examples.orders.models.ByDay": ByDay,
    "examples.orders.models.Card": Card,
    "examples.orders.models.Catalogue": Catalogue,
    "examples.orders.models.Category": Category,
    "examples.orders.models.Currency": Currency,
    "examples.orders.models.Customer": Customer,
    "examples.orders.models.Handling": Handling,
    "examples.orders.models.Invoice": Invoice,
    "examples.orders.models.Limits": Limits,
    "examples.orders.models.Line": Line,
    "examples.orders.models.Money": Money,
    "examples.orders.models.Order": Order,
    "examples.orders.models.OrderId": OrderId,
    "examples.orders.models.Page": Page,
    "examples.orders.models.Payment": Payment,
    "examples.orders.models.Product": Product,
    "examples.orders.models.Sale": Sale,
    "examples.orders.models.Size": Size,
    "examples.orders.models.Sku": Sku,
    "examples.orders.models.Span": Span,
    "examples.orders.models.Status": Status,
    "examples.orders.models.Urgency": Urgency,
    "examples.orders.models.Warehouse": Warehouse,
    "examples.orders.tasks.OutOfStock": OutOfStock,
    "examples.orders.tasks.Unknown": Unknown,
}
"""Each type under its id in the contract."""
