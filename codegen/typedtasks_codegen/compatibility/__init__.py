"""What a change of a contract breaks, decided on two contracts as data: no task's code is needed."""

from typedtasks_codegen.compatibility.changes import Change, compare_contracts, compare_tasks
from typedtasks_codegen.compatibility.rules import RULES, Break, Category, Direction, Order, Rule

__all__ = ["RULES", "Break", "Category", "Change", "Direction", "Order", "Rule", "compare_contracts", "compare_tasks"]
