"""What at-least-once, unordered delivery does to events, the same each time for the same seed."""

import random
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def disorder(events: Iterable[T], *, seed: int, duplicates: float = 0.2) -> list[T]:
    """
    Repeat about this share of the events, then shuffle all of them; none is lost.

    >>> disorder(["a", "b", "c"], seed=1, duplicates=0.5)
    ['c', 'a', 'a', 'b']
    """
    chance = random.Random(seed)  # noqa: S311  (repeatable is what is wanted)
    delivered = [copy for event in events for copy in [event] * (2 if chance.random() < duplicates else 1)]
    chance.shuffle(delivered)
    return delivered


def bursts(events: Sequence[T], *, seed: int, largest: int) -> list[list[T]]:
    """
    Split events into bursts of one to ``largest``, in order.

    >>> bursts(range(6), seed=1, largest=3)
    [[0], [1, 2, 3], [4], [5]]
    """
    chance = random.Random(seed)  # noqa: S311  (repeatable is what is wanted)
    split: list[list[T]] = []
    start = 0
    while start < len(events):
        end = start + chance.randint(1, largest)
        split.append(list(events[start:end]))
        start = end
    return split
