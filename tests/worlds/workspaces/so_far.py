"""What has been made up of a workspace so far, and the small values that its parts are made of."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.worlds.workspaces import names
from tests.worlds.workspaces.description import (
    FileSet,
    Output,
    Place,
    RegisteredData,
    RegisteredModel,
    Run,
    Words,
)
from tests.worlds.workspaces.makers import place_of

TYPES = st.sampled_from(["uri_file", "uri_folder", "uri_folder"])


@dataclass(slots=True)
class SoFar:
    """What has been made up so far; whatever comes later may read it."""

    draw: Callable[[st.SearchStrategy[Any]], Any]
    runs: list[Run] = field(default_factory=list)
    data: list[RegisteredData] = field(default_factory=list)
    models: list[RegisteredModel] = field(default_factory=list)
    number: int = 0
    sets: list[FileSet] = field(default_factory=list)

    def chance(self) -> bool:
        return bool(self.draw(st.booleans()))

    def _next(self) -> int:
        self.number += 1
        return self.number

    def _set(self) -> FileSet:
        """Let a scan have found a set of files, some of which runs will read or write."""
        store, folder = self.draw(st.sampled_from(["lake", "workspaceblobstore"])), f"sets-{self._next()}"
        pattern, files = self.draw(st.sampled_from(names.sets))
        places = [Place(store, f"{folder}/{file}", "uri_file") for file in files]
        if self.chance():
            places.append(Place(store, folder))
        return FileSet(store, f"{folder}/{pattern}", tuple(places))

    def _sets_that_eat_ids(self) -> Iterator[FileSet]:
        """Let a scan have folded what every run wrote under one name into one set, in which nothing is."""
        outputs = {output.name for _, output in self._written() if output.name.isalnum() and output.name.isascii()}
        if outputs and self.chance():
            name = self.draw(st.sampled_from(sorted(outputs)))
            inside = self.draw(st.sampled_from(["", "/{SparkPartitions}", "/data.csv"]))
            yield FileSet("workspaceblobstore", f"azureml/{{GUID}}/{name}{inside}")

    def _words(self, stage: str = "") -> Words:
        if self.chance():
            return Words()
        return Words(self.draw(st.sampled_from(["", "risk"])), self.draw(st.sampled_from(["", "new"])), stage)

    def _place_around(self, place: Place) -> Place:
        """Return a folder around a place or, if that is a folder, something inside."""
        above = place.path.rpartition("/")[0]
        if above not in ("", "azureml") and (place.type == "uri_file" or self.chance()):
            return Place(place.store, above)
        if place.type == "uri_file":
            return place
        return Place(place.store, f"{place.path}/{self._next()}{self.draw(names.segments)}", self.draw(TYPES))

    @property
    def _places(self) -> list[Place]:
        """Where runs wrote data, as it can be registered."""
        return [place_of(run, output) for run, output in self._written()]

    @property
    def _chosen_places(self) -> list[Place]:
        return [place for place in self._places if not place.path.startswith(("azureml/0", "sets-"))]

    def _written(self, *, all_types: bool = False) -> list[tuple[Run, Output]]:
        """List what runs wrote and completed; models only if asked for."""
        return [
            (run, output)
            for run in self.runs
            if run.status == "Completed"
            for output in run.outputs
            if all_types or output.type != "custom_model"
        ]

    @property
    def _shared_labels(self) -> list[str]:
        """Names of models of the registry that a model of the workspace may have been shared as."""
        return [label for each in self.models for label in (each.label, each.shared_as) if label]

    def _root_of(self, run: Run) -> str:
        while run.parent:
            run = next(each for each in self.runs if each.id == run.parent)
        return run.id

    def _root_id(self) -> str:
        return f"{self.draw(names.run_prefixes)}_{self._next()}x"

    def _step_id(self) -> str:
        return f"{self._next():08x}-0000-4000-8000-000000000000"

    def _guid(self) -> str:
        return f"77777777-0000-0000-0000-{self._next():012}"

    def _label(self) -> str:
        return f"{self.draw(names.asset_names)}{self._next()}:{self.draw(names.versions)}"

    def _parameters(self) -> tuple[tuple[str, str], ...]:
        return (("lr", self.draw(names.free)),) if self.chance() else ()

    def _metrics(self) -> tuple[tuple[str, float], ...]:
        return (("AUC", 0.5),) if self.chance() else ()
