"""Scenarios: what the services hold at the start, and the events Azure ML sends about it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml

from emulator.azure_ml.content.run_families import Families
from emulator.event_grid.event_files import EventFile
from emulator.fleet.chain import Chain
from emulator.fleet.events import FleetEvents
from emulator.fleet.fleet import Fleet
from emulator.fleet.plan import MIXED, SHAPES
from emulator.fleet.seed import azure_ml_of, purview_of
from emulator.merge import merge

FOLDER = Path(__file__).parent / "scenarios"
CHAIN, FLEET = "chain", "fleet"
DEFAULT_STEPS = 10
DEFAULT_RUNS = 100
MAX_RUNS = 999_999  # ids have six digits


class UnknownScenarioError(ValueError):
    """No scenario has this name."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    A scenario by name.

    ``steps`` is the length of the generated ``chain``; ``runs``, ``seed`` and
    ``shape`` describe the generated ``fleet``.
    """

    name: str
    steps: int | None = None
    runs: int | None = None
    seed: int | None = None
    shape: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read a scenario as the command line writes it.

        >>> Scenario.parse("chain:100").steps, Scenario.parse("fleet:100").runs
        (100, 100)
        """
        name, _, number = text.partition(":")
        if number and not number.isdecimal():
            raise UnknownScenarioError(f"the number in {text!r} is not a number")
        count = int(number) if number else None
        return (cls(name, runs=count) if name == FLEET else cls(name, count)).checked()

    def checked(self) -> Self:
        """Return the scenario itself if it exists."""
        if self.name not in scenario_names():
            raise UnknownScenarioError(f"no scenario {self.name!r}; there are {', '.join(scenario_names())}")
        if self.steps is not None and (self.name != CHAIN or self.steps < 1):
            raise UnknownScenarioError("only chain takes a number of steps, at least 1")
        if (self.runs, self.seed, self.shape) != (None, None, None) and self.name != FLEET:
            raise UnknownScenarioError("only fleet takes runs, seed and shape")
        if self.runs is not None and not 1 <= self.runs <= MAX_RUNS:
            raise UnknownScenarioError(f"a fleet has 1 to {MAX_RUNS} runs")
        if self.shape is not None and self.shape not in SHAPES:
            raise UnknownScenarioError(f"a fleet has the shape {' or '.join(SHAPES)}")
        return self

    @property
    def fleet(self) -> Fleet:
        """Describe the fleet, with what was not said filled in."""
        return Fleet(self.runs or DEFAULT_RUNS, self.seed or 0, self.shape or MIXED)


@dataclass(frozen=True, slots=True)
class Seed:
    """
    What a scenario starts with: one document for each service, and runs made on demand.

    ``events`` are Azure ML's in order, ``openlineage`` those that a Spark listener sends.
    """

    azure_ml: dict[str, object]
    purview: dict[str, object]
    events: Sequence[EventFile] = ()
    families: Mapping[str, Families] = field(default_factory=dict)
    arm: dict[str, object] = field(default_factory=dict)
    openlineage: Sequence[EventFile] = ()


def scenario_names() -> list[str]:
    """List the scenarios on file and the generated ones."""
    return sorted([CHAIN, FLEET, *(folder.name for folder in FOLDER.iterdir() if folder.is_dir())])


def load(scenario: Scenario) -> Seed:
    """Read a scenario's files, or generate the chain or the fleet."""
    if scenario.checked().name == CHAIN:
        chain = Chain(scenario.steps or DEFAULT_STEPS)
        events = tuple(EventFile(name, body) for name, body in chain.events())
        return Seed(chain.azure_ml(), chain.purview(), events)
    if scenario.name == FLEET:
        fleet = scenario.fleet
        return Seed(azure_ml_of(fleet), purview_of(fleet), FleetEvents(fleet), fleet.families())
    folder = FOLDER / scenario.name
    documents = [_document(folder, f"{service}.yaml") for service in ("azure_ml", "purview", "arm")]
    openlineage = _files(folder / "openlineage")
    return Seed(documents[0], documents[1], _events(folder), arm=documents[2], openlineage=openlineage)


def _document(folder: Path, name: str) -> dict[str, object]:
    """Read one YAML file over the one of the scenario it extends; a missing file is an empty document."""
    document = _read(folder / name)
    base = document.pop("extends", None)
    return merge(_document(FOLDER / base, name), document) if base else document


def _read(path: Path) -> dict[str, Any]:
    """Read a YAML file as plain JSON values, so that times are texts whether quoted or not."""
    document = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None
    return dict(json.loads(json.dumps(document or {}, default=str)))


def _events(folder: Path) -> tuple[EventFile, ...]:
    """Read the event files; a scenario without any has those of the scenario its Azure ML half extends."""
    if files := _files(folder / "events"):
        return files
    base = _read(folder / "azure_ml.yaml").get("extends")
    return _events(FOLDER / base) if base else ()


def _files(folder: Path) -> tuple[EventFile, ...]:
    files = sorted(folder.glob("*.json"))
    return tuple(EventFile(file.name, json.loads(file.read_text(encoding="utf-8"))) for file in files)
