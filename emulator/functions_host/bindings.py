"""What a function is bound to, as its function.json would say it."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Binding = Mapping[str, Any]


class MissingSettingError(LookupError):
    """A binding names an app setting that is not set."""


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app: what starts it and what it writes to."""

    name: str
    id: str
    trigger: Binding
    outputs: Mapping[str, Binding]

    def describe(self) -> dict[str, Any]:
        """Give the trigger's members, and the outputs' under ``outputs``, for tests to compare."""
        return {**self.trigger, "outputs": {name: dict(binding) for name, binding in self.outputs.items()}}


def parse_function(name: str, function_id: str, raw_bindings: Iterable[str]) -> Function:
    """Read the bindings as the worker reports them; raises ValueError unless exactly one is a trigger."""
    bindings = [_resolve_all(json.loads(raw)) for raw in raw_bindings]
    triggers = [binding for binding in bindings if binding["type"].casefold().endswith("trigger")]
    if len(triggers) != 1:
        raise ValueError(f"{name} has {len(triggers)} triggers")
    outputs = {binding["name"]: binding for binding in bindings if binding["direction"].upper() == "OUT"}
    return Function(name, function_id, triggers[0], outputs)


def resolve(text: str) -> str:
    """Replace each ``%SETTING%`` by the app setting; raises MissingSettingError."""
    return re.sub(r"%([^%]+)%", lambda found: app_setting(found[1]), text)


def app_setting(name: str) -> str:
    """Read an app setting; raises MissingSettingError."""
    value = os.environ.get(name)
    if value is None:
        raise MissingSettingError(f"app setting {name} is not set")
    return value


def _resolve_all(binding: dict[str, Any]) -> dict[str, Any]:
    return {name: resolve(value) if isinstance(value, str) else value for name, value in binding.items()}
