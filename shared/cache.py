"""Remembers answers of Azure ML for a while: bounded in number and age."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import TypeVar, cast

T = TypeVar("T")


class Cache:
    """
    Keeps up to `size` answers for `seconds` each; the least recently asked for goes first.

    Safe between threads; two threads that miss at once both ask, which costs a request and breaks nothing.
    """

    def __init__(self, *, size: int, seconds: float, clock: Callable[[], float]) -> None:
        self._size = size
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._entries: OrderedDict[Hashable, tuple[float, object]] = OrderedDict()

    def get(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return the remembered answer, or ask; what `ask` raises is not remembered."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None and entry[0] > self._clock():
                self._entries.move_to_end(key)
                return cast(T, entry[1])
        answer = ask()
        self.put(key, answer)
        return answer

    def put(self, key: Hashable, answer: object) -> None:
        with self._lock:
            self._entries[key] = (self._clock() + self._seconds, answer)
            self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
