"""The pipeline as its YAML defines it: its steps in order, what each runs, reads and writes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
_BINDING = re.compile(r"^\$\{\{parent\.(?:inputs\.(?P<input>\w+)|jobs\.(?P<step>\w+)\.outputs\.(?P<output>\w+))\}\}$")


@dataclass(frozen=True, slots=True)
class Source:
    """Where an input comes from: an output of a step, by the step's key, or without one an input of the pipeline."""

    name: str
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the pipeline; it runs ``command`` in ``code``."""

    key: str
    name: str
    command: str
    code: Path
    environment: str
    inputs: Mapping[str, Source]
    outputs: Mapping[str, str]
    registered: Mapping[str, str]

    @property
    def needs(self) -> frozenset[str]:
        """The keys of the steps before this one."""
        return frozenset(source.step for source in self.inputs.values() if source.step)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The pipeline; its inputs are data assets, by label."""

    name: str
    experiment: str
    inputs: Mapping[str, str]
    steps: tuple[Step, ...]


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def read_pipeline(folder: Path = HERE) -> Pipeline:
    """Read ``pipeline.yml`` and the components it names; a step comes after all that it reads from."""
    node = read_yaml(folder / "pipeline.yml")
    steps = {key: _step(key, entry, folder) for key, entry in node["jobs"].items()}
    order = TopologicalSorter({key: step.needs for key, step in steps.items()}).static_order()
    return Pipeline(
        name=node["display_name"],
        experiment=node["experiment_name"],
        inputs={name: entry["path"].removeprefix("azureml:") for name, entry in node["inputs"].items()},
        steps=tuple(steps[key] for key in order),
    )


def _step(key: str, node: Mapping[str, Any], folder: Path) -> Step:
    path = folder / node["component"]
    component = read_yaml(path)
    declared, bound = set(component["inputs"]), set(node["inputs"])
    if declared != bound:
        raise ValueError(f"step {key} binds {sorted(bound)}, but its component reads {sorted(declared)}")
    outputs = node.get("outputs", {})
    return Step(
        key=key,
        name=node["display_name"],
        command=component["command"],
        code=(path.parent / component["code"]).resolve(),
        environment=component["environment"],
        inputs={name: _source(key, binding) for name, binding in node["inputs"].items()},
        outputs={name: entry["type"] for name, entry in component["outputs"].items()},
        registered={name: entry["name"] for name, entry in outputs.items() if isinstance(entry, dict)},
    )


def _source(key: str, binding: str) -> Source:
    found = _BINDING.match(binding)
    if found is None:
        raise ValueError(f"step {key} has an input bound to {binding}, which is neither an input nor an output")
    return Source(found["input"] or found["output"], found["step"])
