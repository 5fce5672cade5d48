"""Remembers answers of the services for a while: bounded in number and age."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from threading import Lock
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)
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
        self._entries: OrderedDict[Any, tuple[float, Any]] = OrderedDict()

    def get(self, key: Hashable, ask: Callable[[], T]) -> T:
        """Return the remembered answer, or ask; what `ask` raises is not remembered."""
        return self.get_many([key], lambda _: {key: ask()})[key]

    def get_many(
        self,
        keys: Iterable[K],
        ask: Callable[[list[K]], Mapping[K, T]],
        *,
        keep: Callable[[Mapping[K, T]], Mapping[K, T]] = lambda answers: answers,
    ) -> dict[K, T]:
        """Return the remembered answers, and ask for the others at once; `keep` leaves out what is not remembered."""
        known: dict[K, T] = {}
        unknown: list[K] = []
        with self._lock:
            for key in keys:
                ends_at, answer = self._entries.get(key, (float("-inf"), None))
                if ends_at > self._clock():
                    self._entries.move_to_end(key)
                    known[key] = answer
                else:
                    unknown.append(key)
        answers = ask(unknown) if unknown else {}
        self.put_many(keep(answers))
        return {**known, **answers}

    def put(self, key: Hashable, answer: object) -> None:
        self.put_many({key: answer})

    def put_many(self, answers: Mapping[K, object]) -> None:
        ends_at = self._clock() + self._seconds
        with self._lock:
            for key, answer in answers.items():
                self._entries[key] = (ends_at, answer)
                self._entries.move_to_end(key)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)

    def forget(self, keys: Iterable[Hashable]) -> None:
        with self._lock:
            for key in keys:
                self._entries.pop(key, None)
