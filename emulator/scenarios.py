"""Scenarios: what the two services hold at the start, and the events Azure ML sends about it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from emulator.chain import Chain
from emulator.merge import merge

FOLDER = Path(__file__).parent / "scenarios"
CHAIN = "chain"
DEFAULT_STEPS = 10


class UnknownScenarioError(ValueError):
    """No scenario has this name."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario by name; ``steps`` is the length of the generated ``chain``."""

    name: str
    steps: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """
        Read a scenario as the command line spells it.

        >>> Scenario.parse("chain:100")
        Scenario(name='chain', steps=100)
        """
        name, _, steps = text.partition(":")
        if steps and not steps.isdecimal():
            raise UnknownScenarioError(f"the number of steps in {text!r} is not a number")
        return cls(name, int(steps) if steps else None).checked()

    def checked(self) -> Self:
        """Return the scenario itself if it exists."""
        if self.name not in scenario_names():
            raise UnknownScenarioError(f"no scenario {self.name!r}; there are {', '.join(scenario_names())}")
        if self.steps is not None and (self.name != CHAIN or self.steps < 1):
            raise UnknownScenarioError("only chain takes a number of steps, at least 1")
        return self


@dataclass(frozen=True, slots=True)
class EventFile:
    """One delivery of events as it came: an Event Grid array, or a single object."""

    name: str
    body: object


@dataclass(frozen=True, slots=True)
class Seed:
    """What a scenario starts with: one document for each service, and its events in order."""

    azure_ml: dict[str, object]
    purview: dict[str, object]
    events: tuple[EventFile, ...] = ()


def scenario_names() -> list[str]:
    """List the scenarios on file and the generated one."""
    return sorted([CHAIN, *(folder.name for folder in FOLDER.iterdir() if folder.is_dir())])


def load(scenario: Scenario) -> Seed:
    """Read a scenario's files, or generate the chain."""
    if scenario.checked().name == CHAIN:
        chain = Chain(scenario.steps or DEFAULT_STEPS)
        events = tuple(EventFile(name, body) for name, body in chain.events())
        return Seed(chain.azure_ml(), chain.purview(), events)
    folder = FOLDER / scenario.name
    return Seed(_document(folder, "azure_ml.yaml"), _document(folder, "purview.yaml"), _events(folder))


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
    files = sorted((folder / "events").glob("*.json"))
    if files:
        return tuple(EventFile(file.name, json.loads(file.read_text(encoding="utf-8"))) for file in files)
    base = _read(folder / "azure_ml.yaml").get("extends")
    return _events(FOLDER / base) if base else ()
