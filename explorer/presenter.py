"""Makes what the page shows for an address; the callbacks of the application only pass it on."""

from dataclasses import dataclass
from threading import RLock
from typing import Any

from explorer.address import COMPARE, HEALTH, LINEAGE, LIST, Address, act
from explorer.components.buttons import Component, button
from explorer.components.health import coverage_and_dead_letters
from explorer.components.messages import explain, remark, suggestions, trouble_box, welcome
from explorer.components.panel import comparison, facts, in_order, listing, panel, pipeline_facts
from explorer.components.toolbar import toolbar
from explorer.details import Details, read_details
from explorer.formats import scene_to_csv, scene_to_mermaid, to_elements
from explorer.node import node_of
from explorer.reading import Reading
from explorer.reduction import pipeline_of
from explorer.scene import Scene, make_scene
from shared.errors import LineageError

_VIEWS = ((LINEAGE, "Lineage"), (HEALTH, "Coverage and dead letters"))
_MIN_WORDS = 2
"""Characters from which on a search makes sense."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The middle of the page: elements, or a message instead of them."""

    elements: list[dict[str, Any]]
    toolbar: list[Component]
    message: Component


class Presenter:
    """The page of one session; what it read is kept until a refresh."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._lock = RLock()
        self._last: tuple[Address, Scene] | None = None

    def move(self, query: str, verb: str, value: str) -> str:
        """Return the query of the URL that a verb leads to; `refresh` forgets what was read and stays."""
        if verb == "refresh":
            with self._lock:
                self._reading.refresh()
                self._last = None
            return query
        return act(Address.parse(query), verb, value).to_query()

    def views(self, query: str) -> list[Component]:
        """Return the links to the views."""
        now = Address.parse(query).view
        return [button(words, "view", view, at="views", pressed=view == now) for view, words in _VIEWS]

    def suggestions(self, words: str) -> list[Component]:
        """Return what is found for words that are being typed."""
        if len(words.strip()) < _MIN_WORDS:
            return []
        try:
            return suggestions(self._reading.search(words.strip()))
        except LineageError as error:
            trouble = explain(error, endpoint=self._reading.endpoint)
            return [remark(f"{trouble.title}. {trouble.advice}")]

    def picture(self, query: str) -> Picture:
        """Return what the middle of the page shows."""
        address = Address.parse(query)
        try:
            if not address.asset:
                return Picture([], [], welcome(self._reading.models()))
            scene = self._scene(address)
        except LineageError as error:
            return Picture([], [], trouble_box(explain(error, endpoint=self._reading.endpoint)))
        return Picture(to_elements(scene), toolbar(scene, address), None)

    def panel(self, query: str) -> list[Component]:
        """Return what the panel shows; nothing where it is closed."""
        address = Address.parse(query)
        if not address.tab or not address.asset:
            return []
        try:
            return panel(address, self._panel(address, self._scene(address)))
        except LineageError as error:
            return panel(address, trouble_box(explain(error, endpoint=self._reading.endpoint)))

    def health(self) -> list[Component]:
        """Return the view of coverage and dead letters."""
        try:
            return coverage_and_dead_letters(self._reading.health())
        except LineageError as error:
            return [trouble_box(explain(error, endpoint=self._reading.endpoint))]

    def export(self, query: str, kind: str) -> str:
        """Return the picture as text."""
        scene = self._scene(Address.parse(query))
        return scene_to_csv(scene) if kind == "csv" else scene_to_mermaid(scene)

    def _panel(self, address: Address, scene: Scene) -> Component:
        if address.tab == LIST:
            return listing(scene, address)
        key = address.select or scene.centre.guid
        if pipeline_of(key):
            return pipeline_facts(scene, node_of(scene.graph, key)) if key in scene.graph else []
        details = read_details(self._reading, key)
        if address.tab == COMPARE:
            return comparison(details, address.against, self._changes(details, address.against))
        return facts(details, address) if details else ["This asset is not in the catalog any more."]

    def _changes(self, details: Details | None, against: str) -> Any:
        if details is None or against not in {version.guid for version in details.versions}:
            return ()
        return self._reading.compare(*in_order(details, against))

    def _scene(self, address: Address) -> Scene:
        """Return the scene of an address; the last one is kept, because several parts of the page need it."""
        with self._lock:
            if self._last is None or self._last[0] != address.picture:
                self._last = (address.picture, make_scene(self._reading, address.picture))
            return self._last[1]
