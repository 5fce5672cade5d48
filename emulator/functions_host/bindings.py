"""What a function is bound to, as its function.json would say it."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Binding = Mapping[str, Any]


class BindingError(ValueError):
    """A binding cannot be resolved: the host switches off the function that it starts, and runs the others."""


@dataclass(frozen=True, slots=True)
class Function:
    """
    One function of the app: what starts it and what it writes to.

    ``error`` says what its trigger lacks; then the trigger is as the worker reported it.
    """

    name: str
    id: str
    trigger: Binding
    outputs: Mapping[str, Binding]
    raw: tuple[Binding, ...] = ()
    error: str = ""

    def describe(self) -> dict[str, Any]:
        """Give the trigger's members, and the outputs' under ``outputs``, for tests to compare."""
        return {**self.trigger, "outputs": {name: dict(binding) for name, binding in self.outputs.items()}}

    @property
    def is_disabled(self) -> bool:
        """Whether the app setting ``AzureWebJobs.NAME.Disabled`` switches it off."""
        return os.environ.get(f"AzureWebJobs.{self.name}.Disabled", "").casefold() in ("1", "true")


def parse_function(name: str, function_id: str, raw_bindings: Iterable[str]) -> Function:
    """Read the bindings as the worker reports them; raises ValueError unless exactly one is a trigger."""
    bindings: tuple[Binding, ...] = tuple(json.loads(raw) for raw in raw_bindings)
    triggers = [binding for binding in bindings if binding["type"].casefold().endswith("trigger")]
    if len(triggers) != 1:
        raise ValueError(f"{name} has {len(triggers)} triggers")
    outputs = {
        binding["name"]: _try_to_resolve(binding) for binding in bindings if binding["direction"].upper() == "OUT"
    }
    try:
        return Function(name, function_id, resolve_all(triggers[0]), outputs, bindings)
    except BindingError as error:
        return Function(name, function_id, triggers[0], outputs, bindings, str(error))


def resolve(text: str) -> str:
    """Replace each ``%SETTING%`` by the app setting; raises BindingError."""
    return re.sub(r"%([^%]+)%", lambda found: _named(found[1]), text)


def resolve_all(binding: Binding) -> Binding:
    """Resolve every text of a binding; raises BindingError."""
    return {name: resolve(value) if isinstance(value, str) else value for name, value in binding.items()}


def app_setting(name: str) -> str | None:
    """Read an app setting; an empty one is none."""
    return os.environ.get(name) or None


def _named(name: str) -> str:
    value = app_setting(name)
    if value is None:
        raise BindingError(f"'%{name}%' does not resolve to a value.")
    return value


def _try_to_resolve(binding: Binding) -> Binding:
    """An output is resolved when it is written: what is missing fails the invocation and not the function's start."""
    try:
        return resolve_all(binding)
    except BindingError:
        return binding
