"""Holds events to the standard: the classes that its Python package generates from its JSON schemas, read strictly."""

import importlib
import json
import pkgutil
import re
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import attr
import cattrs
import jsonschema
from cattrs.gen import make_dict_structure_fn
from openlineage.client import generated
from openlineage.client.event_v2 import RunEvent

OURS = Path(__file__).parents[2] / "docs" / "openlineage"
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_SCHEMA_MEMBERS = ("schemaURL", "_schemaURL")
_URIS = frozenset({"schemaURL", "_schemaURL", "producer", "_producer", "url"})


def _classes() -> dict[str, type[Any]]:
    """Return every class of the package that a schema was the source of, by the address of that schema."""
    modules = [
        importlib.import_module(f"{generated.__name__}.{each.name}")
        for each in pkgutil.iter_modules(generated.__path__)
    ]
    found = (each for module in modules for each in vars(module).values() if isinstance(each, type))
    return {each._get_schema(): each for each in found if hasattr(each, "_get_schema")}


_BY_SCHEMA = _classes()


def check_event(event: Mapping[str, Any]) -> RunEvent:
    """
    Read an event as strictly as its schema is: no member is missing, unknown, or of another type or format.

    The package ships no schema files. It ships what it generates of them: attrs classes with the members, which of them
    are required, their types, and validators of their formats. Those are the judge here, together with the formats that
    the classes only note (`uri`, `date-time` with a zone). Facets are read by the class that their `_schemaURL` names.

    Raises:
        Exception: says what is wrong.
    """
    return _converter().structure(json.loads(json.dumps(event)), RunEvent)


def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True)

    def exactly(value: Any, kind: type[Any]) -> Any:
        if type(value) is not kind:
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return value

    for primitive in (str, int, bool):
        converter.register_structure_hook(primitive, exactly)
    converter.register_structure_hook_func(
        lambda kind: isinstance(kind, type) and issubclass(kind, Enum), lambda value, kind: kind(value)
    )

    def structure(value: Any, kind: type[Any]) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"{value!r} is no object")
        actual = _class_of(value, kind)
        if actual is None:
            return value  # a facet of ours, held to its own schema
        body = {key: each for key, each in value.items() if key not in _SCHEMA_MEMBERS}
        read = make_dict_structure_fn(actual, converter, _cattrs_forbid_extra_keys=True)
        return read(body, actual)

    converter.register_structure_hook_func(attr.has, structure)
    return converter


def _class_of(value: Mapping[str, Any], kind: type[Any]) -> type[Any] | None:
    """Check what no class checks, and tell which class a value is to be read by; None for a facet of ours."""
    for name in _URIS & value.keys():
        if not urlsplit(value[name]).scheme or re.search(r"\s", value[name]):
            raise ValueError(f"{name}: {value[name]!r} is no URI")
    if "eventTime" in value and not _DATE_TIME.fullmatch(value["eventTime"]):
        raise ValueError(f"eventTime: {value['eventTime']!r} is no date-time")
    if "runId" in value:
        UUID(value["runId"])
    schema = next((value[name] for name in _SCHEMA_MEMBERS if name in value), None)
    if schema is None:
        if {"_schemaURL", "schemaURL"} & {field.name for field in attr.fields(kind)}:
            raise ValueError(f"a {kind.__name__} says which schema it follows")
        return kind
    if schema.startswith("https://openlineage.io/"):
        actual = _BY_SCHEMA[schema]
        if not issubclass(actual, kind):
            raise TypeError(f"{schema} is no {kind.__name__}")
        return actual
    name = schema.rpartition("/")[2]
    ours = json.loads((OURS / f"{name}.json").read_text(encoding="utf-8"))
    if schema != f"{ours['$id']}#/$defs/{name}":
        raise ValueError(f"{schema} is not the address of {name}")
    jsonschema.validate(value, {**ours, "$ref": f"#/$defs/{name}"}, jsonschema.Draft202012Validator)
    return None
