"""What a session of the page has read, so that nothing is read twice before a refresh."""

from collections.abc import Callable, Collection, Iterable
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

import networkx as nx

from questions.audit import read_history
from questions.diff import Difference, diff
from questions.find import AssetNotFoundError, family_of, find_asset, list_versions
from questions.health import Health, read_health
from questions.walk import Walker
from shared.catalog.kinds import MODEL
from shared.catalog.serving import Serving
from shared.purview.reader import Asset

if TYPE_CHECKING:
    from shared.bootstrap import Services
    from shared.catalog.entities import Found

_Answer = TypeVar("_Answer")
HITS = 20
_LETTERS = 200
"""Dead letters that are shown; `lineage status` has the count of all."""


class Reading:
    """
    Reads the catalog and keeps the answers.

    The server has a thread for each request of the browser; they share one walker, which is not made for several.
    Every method may raise a LineageError.
    """

    def __init__(self, services: "Services") -> None:
        self._services = services
        self._lock = RLock()
        self._searching = RLock()
        self.refresh()

    @property
    def endpoint(self) -> str:
        return self._services.settings.purview_endpoint

    def refresh(self) -> None:
        """Forget everything."""
        with self._lock:
            self._walker = Walker(self._services.lineage)
            self._answers: dict[tuple[str, ...], object] = {}

    def find(self, asset: str) -> Asset:
        """Return the whole asset that people mean by a qualifiedName, a name, or a name and version."""
        with self._lock:
            guid = self._once(("find", asset), lambda: find_asset(self._services.catalog, asset).guid)
            whole = self._walker.read([guid])
        if guid not in whole:
            raise AssetNotFoundError(f"{asset} was deleted from the catalog")
        return whole[guid]

    def read(self, guids: Iterable[str]) -> dict[str, Asset]:
        """Return whole assets; what is gone is left out."""
        with self._lock:
            return self._walker.read(guids)

    def served(self, endpoint: Asset) -> tuple[Serving, ...]:
        """Return which model versions answered behind an endpoint when."""
        with self._lock:
            name = endpoint.qualified_name
            return self._once(("served", name), lambda: read_history(self._services.ledger, name))

    def met(self, guids: Iterable[str]) -> dict[str, Asset]:
        """Return assets that a walk met, with all that is known of them; no request."""
        with self._lock:
            return {guid: self._walker.asset(guid) for guid in guids}

    def walk(self, starts: Collection[str], direction: str, *, limit: int) -> "nx.DiGraph[str]":
        """Return what is in one direction of assets, and stop once about `limit` are known."""
        with self._lock:
            return self._walker.walk(starts, direction, limit=limit)

    def walk_all(self, guid: str, *, limit: int) -> "nx.DiGraph[str]":
        """Return everything connected to an asset: other inputs of a run too, and what they come from."""
        with self._lock:
            return self._walker.walk_all(guid, limit=limit)

    def search(self, words: str) -> tuple["Found", ...]:
        """Return the first hits for words that are being typed, also while a long lineage is being read."""
        with self._searching:
            return self._once(("search", words), lambda: tuple(self._services.catalog.search(words, limit=HITS)[:HITS]))

    def versions(self, asset: Asset) -> tuple["Found", ...]:
        """Return the versions of an asset that the search index knows, itself included, newest first."""
        with self._lock:
            return self._once(("versions", family_of(asset)), lambda: list_versions(self._services.catalog, asset))

    def models(self) -> tuple["Found", ...]:
        """Return some models, to begin with; none where nothing was published."""
        with self._lock:
            return self._once(("models",), lambda: tuple(islice(self._services.catalog.list_of_type(MODEL), HITS)))

    def compare(self, before: str, after: str) -> tuple[Difference, ...]:
        """Say what changed from one model version to another."""
        with self._lock:
            return self._once(("compare", before, after), lambda: diff(self._walker, before, after))

    def health(self) -> Health:
        """Return how much of each workspace is in the catalog, and the open dead letters."""
        with self._lock:
            services = self._services
            return self._once(
                ("health",),
                lambda: read_health(
                    services.state.notes,
                    services.dead_letters,
                    now=services.now(),
                    scopes=services.allowed.prefixes,
                    letters=_LETTERS,
                ),
            )

    def _once(self, question: tuple[str, ...], ask: Callable[[], _Answer]) -> _Answer:
        if question not in self._answers:
            self._answers[question] = ask()
        answer: _Answer = self._answers[question]  # type: ignore[assignment]
        return answer
