"""What a change of a contract breaks, decided on two contracts as data: no task's code is needed."""

from typedtasks_codegen.compatibility.breaks import Break, Category, Direction, Order, Rule
from typedtasks_codegen.compatibility.changes import Change, compare_contracts, compare_tasks
from typedtasks_codegen.compatibility.document import ContractInvalid, parse_contract
from typedtasks_codegen.compatibility.ignores import Ignore, IgnoreInvalid, Sifted, read_ignores, sift
from typedtasks_codegen.compatibility.rules import RULES

__all__ = [
    "RULES",
    "Break",
    "Category",
    "Change",
    "ContractInvalid",
    "Direction",
    "Ignore",
    "IgnoreInvalid",
    "Order",
    "Rule",
    "Sifted",
    "compare_contracts",
    "compare_tasks",
    "parse_contract",
    "read_ignores",
    "sift",
]
