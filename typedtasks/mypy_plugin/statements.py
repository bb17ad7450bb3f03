"""The statements inside of others. mypy's own visitors are compiled and cannot be subclassed."""

from __future__ import annotations

from collections.abc import Iterator

from mypy.nodes import Block, ForStmt, IfStmt, MatchStmt, Statement, TryStmt, WhileStmt, WithStmt

__all__ = ["blocks_in"]


def blocks_in(statement: Statement) -> Iterator[Block]:
    """Yield the blocks that belong to a statement and are run with it: not those of functions and classes."""
    blocks: list[Block | None] = []
    if isinstance(statement, Block):
        blocks = [statement]
    elif isinstance(statement, IfStmt):
        blocks = [*statement.body, statement.else_body]
    elif isinstance(statement, ForStmt | WhileStmt):
        blocks = [statement.body, statement.else_body]
    elif isinstance(statement, WithStmt):
        blocks = [statement.body]
    elif isinstance(statement, MatchStmt):
        blocks = [*statement.bodies]
    elif isinstance(statement, TryStmt):
        blocks = [statement.body, *statement.handlers, statement.else_body, statement.finally_body]
    yield from (block for block in blocks if block is not None)
