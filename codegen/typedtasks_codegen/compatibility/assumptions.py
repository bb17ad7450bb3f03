"""What a comparison of types may take for granted: pairs that are compared already, in whatever task, or are being compared."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Assumptions", "Mark"]

P = TypeVar("P", bound=Hashable)

Mark = tuple[int, int]
"""How many pairs were assumed, and how many of them were being compared, at some time."""


class Assumptions(Generic[P]):
    """Keeps pairs of types. A type that refers to itself is assumed to hold within itself: it does if all the rest does.

    A pair that holds, with all that it rests on, is proved for good. So each is compared once, in however many tasks it is.
    """

    def __init__(self) -> None:
        self._proved: set[P] = set()
        self._assumed: dict[P, int] = {}
        """Pairs in the order in which they were met, each with its place; those that are proved are taken out again."""
        self._under_way: list[tuple[int, int]] = []
        """The place of each pair that is being compared, and the first place that its result rests on so far."""
        self.detours = 0
        """How often a pair led to itself, or assumptions were forgotten: then what is found depends on what was met before."""

    def has(self, pair: P) -> bool:
        """Return whether a pair need not be compared (again)."""
        if pair in self._proved:
            return True
        place = self._assumed.get(pair)
        if place is None:
            return False
        self._rest_on(place)
        self.detours += any(place == one for one, _ in self._under_way)
        return True

    def begin(self, pair: P) -> None:
        """Assume that a pair holds while it is compared."""
        place = len(self._assumed)
        self._assumed[pair] = place
        self._under_way.append((place, place))

    def end(self, *, holds: bool) -> bool:
        """End the comparison that was begun last. Returns whether its result rests on nothing that was assumed outside it."""
        place, first = self._under_way.pop()
        if first < place:
            self._rest_on(first)
            return False
        if holds:
            while len(self._assumed) > place:  # it, and all that was met inside it
                self._proved.add(self._assumed.popitem()[0])
        return True

    def rest_on_all(self) -> None:
        """Take it that what is being compared rests on where it is."""
        self._rest_on(-1)

    def mark(self) -> Mark:
        """Return what `forget` takes."""
        return len(self._assumed), len(self._under_way)

    def forget(self, mark: Mark) -> None:
        """Assume no more than at that time: what is proved stays."""
        self.detours += 1
        known, under_way = mark
        while len(self._assumed) > known:
            self._assumed.popitem()
        del self._under_way[under_way:]

    def _rest_on(self, place: int) -> None:
        if self._under_way:
            own, first = self._under_way[-1]
            self._under_way[-1] = (own, min(first, place))
