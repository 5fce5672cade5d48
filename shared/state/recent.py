"""A ledger that remembers for a minute what it has read of shared assets and places."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from shared.catalog.entities import Ref
from shared.catalog.qualified_names import QualifiedName, is_of_endpoint
from shared.places.matching import Match, MatchKind
from shared.state.azure_ledger import AzureLedger
from shared.state.azure_table import DocumentTable

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

FRESH = timedelta(minutes=1)
SIZE = 20_000


class RecentLedger(AzureLedger):
    """
    Saves a request for each data set, environment and storage path that an event shares with the one before.

    What another worker has written meanwhile is not seen for a minute. That is harmless: content we know to be new is
    written once more, and content the other wrote stays. An endpoint may go back to what it was within a minute, so it
    is never remembered; nor is a placeholder, which a scan may replace.
    """

    def __init__(self, table: DocumentTable, *, now: Callable[[], datetime]) -> None:
        super().__init__(table, now=now)
        self._fingerprints = _Recent[QualifiedName, str](now)
        self._matches = _Recent[Ref, Match](now)

    def get_fingerprints(self, names: Iterable[QualifiedName]) -> Mapping[QualifiedName, str]:
        known, unknown = self._fingerprints.get(names)
        found = super().get_fingerprints(unknown)
        self._fingerprints.put(_without_endpoints(found))
        return {**known, **found}

    def put_fingerprints(self, fingerprints: Mapping[QualifiedName, str]) -> None:
        super().put_fingerprints(fingerprints)
        self._fingerprints.put(_without_endpoints(fingerprints))

    def forget_fingerprints(self, names: Iterable[QualifiedName]) -> None:
        forgotten = list(names)
        super().forget_fingerprints(forgotten)
        self._fingerprints.forget(forgotten)

    def get_matches(self, places: Iterable[Ref], *, placeholders_since: datetime) -> Mapping[Ref, Match]:
        known, unknown = self._matches.get(places)
        found = super().get_matches(unknown, placeholders_since=placeholders_since)
        self._matches.put(_without_placeholders(found))
        return {**known, **found}

    def put_matches(self, matches: Mapping[Ref, Match]) -> None:
        super().put_matches(matches)
        self._matches.forget(matches)
        self._matches.put(_without_placeholders(matches))

    def forget_matches(self, places: Iterable[Ref]) -> None:
        forgotten = list(places)
        super().forget_matches(forgotten)
        self._matches.forget(forgotten)


class _Recent(Generic[Key, Value]):
    """Values by key, each for a minute; the oldest give way."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._values: OrderedDict[Key, tuple[datetime, Value]] = OrderedDict()

    def get(self, keys: Iterable[Key]) -> tuple[dict[Key, Value], list[Key]]:
        """Return what is known, and the keys that have to be asked for."""
        oldest = self._now() - FRESH
        known: dict[Key, Value] = {}
        unknown = []
        with self._lock:
            for key in keys:
                entry = self._values.get(key)
                if entry and entry[0] >= oldest:
                    known[key] = entry[1]
                else:
                    unknown.append(key)
        return known, unknown

    def put(self, values: Mapping[Key, Value]) -> None:
        now = self._now()
        with self._lock:
            for key, value in values.items():
                self._values[key] = (now, value)
                self._values.move_to_end(key)
            while len(self._values) > SIZE:
                self._values.popitem(last=False)

    def forget(self, keys: Iterable[Key]) -> None:
        with self._lock:
            for key in keys:
                self._values.pop(key, None)


def _without_placeholders(matches: Mapping[Ref, Match]) -> dict[Ref, Match]:
    return {place: match for place, match in matches.items() if match.kind is not MatchKind.PLACEHOLDER}


def _without_endpoints(fingerprints: Mapping[QualifiedName, str]) -> dict[QualifiedName, str]:
    return {name: each for name, each in fingerprints.items() if not is_of_endpoint(name)}
