"""
Reads the project's Bicep with two parsers, which install as packages; Microsoft's compiler does not.

`pycep` gives a template as nested mappings, `tree-sitter` the concrete syntax, which tells names from texts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import tree_sitter_bicep
from pycep import BicepParser
from tree_sitter import Language, Node, Parser

INFRA = Path(__file__).parents[2] / "infra"
ROOTS = ("main", "links", "events")

_LANGUAGE = Language(tree_sitter_bicep.language())
_FUNCTIONS = frozenset(
    """
    cidrSubnet concat contains empty environment fail filter format guid items join last length loadJsonContent
    loadTextContent map range replace resourceGroup resourceId skip split startsWith subscription subscriptionResourceId
    string tenant toLower union uniqueString
    """.split()  # noqa: SIM905
)
"""The functions of the language that these templates use; another is added here after a look at its documentation."""
_DECLARATIONS = {
    "parameter_declaration": "parameters",
    "variable_declaration": "variables",
    "resource_declaration": "resources",
    "module_declaration": "modules",
    "output_declaration": "outputs",
}


@dataclass(frozen=True)
class Template:
    """One file."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(INFRA).with_suffix("").as_posix()

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def parsed(self) -> dict[str, Any]:
        return dict(BicepParser().parse(text=self.text))

    @cached_property
    def root(self) -> Node:
        return Parser(_LANGUAGE).parse(self.text.encode()).root_node

    def part(self, kind: str) -> dict[str, Any]:
        """Return `parameters`, `variables`, `resources`, `modules` or `outputs`, by name."""
        return dict(self.parsed.get(kind) or {})

    def resources(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield name, `type@version` and body of each resource that is created, inside conditions and loops too."""
        for name, resource in self.part("resources").items():
            if not resource["existing"]:
                yield name, f"{resource['type']}@{resource['api_version']}", body_of(resource["config"])

    @cached_property
    def syntax_errors(self) -> list[str]:
        return [f"line {node.start_point.row + 1}" for node in nodes(self.root) if node.is_error or node.is_missing]

    @cached_property
    def declared(self) -> dict[str, set[str]]:
        """The names that are declared, by kind, as the concrete syntax has them."""
        found: dict[str, set[str]] = {kind: set() for kind in _DECLARATIONS.values()}
        for node in self.root.children:
            if node.type in _DECLARATIONS:
                name = next(child for child in node.children if child.type == "identifier")
                found[_DECLARATIONS[node.type]].add(_text(name))
        return found

    @cached_property
    def used(self) -> set[str]:
        """Every name that is used, but for those of functions and what loops and lambdas bind."""
        return {name for declaration in self.root.children for name in _used(declaration)} - _FUNCTIONS

    def outputs_used(self) -> Iterator[tuple[str, str]]:
        """Yield (module, output) for each `module.outputs.output`."""
        for match in re.finditer(r"(\w+)(?:\[.*?\])?!?\.outputs\.(\w+)", self.text):
            yield match[1], match[2]


def templates() -> dict[str, Template]:
    """Return every template by its path below infra/, without ending."""
    found = (Template(path) for path in sorted(INFRA.rglob("*.bicep")))
    return {template.name: template for template in found}


def body_of(config: Any) -> dict[str, Any]:
    """Look through the condition or loop around a body."""
    while isinstance(config, dict) and "config" in config:
        config = config["config"]
    return dict(config)


def members(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the path and value of every member at any depth."""
    if isinstance(value, dict):
        for key, item in value.items():
            where = f"{path}.{key}" if path else str(key)
            yield where, item
            yield from members(item, where)
    elif isinstance(value, list):
        for item in value:
            yield from members(item, path)


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from nodes(child)


def _used(node: Node) -> Iterator[str]:
    if node.type in _DECLARATIONS:  # its first identifier is its own name
        children = iter(node.children)
        next(child for child in children if child.type == "identifier")
        for child in children:
            yield from _used(child)
        return
    if node.type == "object_property":
        key, *values = node.named_children
        yield from _used(key) if key.type != "identifier" else ()
        for value in values:
            yield from _used(value)
        return
    if node.type in ("for_statement", "lambda_expression"):
        bound = _bound(node)
        yield from (name for child in node.children for name in _used(child) if name not in bound)
        return
    if node.type == "decorator" or node.type == "metadata_declaration":
        return
    if node.type == "identifier":
        yield _text(node)
    for child in node.children:
        yield from _used(child)


def _bound(node: Node) -> set[str]:
    names = [_text(child) for child in nodes(node) if child.type in ("loop_variable", "loop_enumerator")]
    first = next((_text(child) for child in node.named_children if child.type == "identifier"), "")
    return {*names, first} if not names else {*names}


def _text(node: Node) -> str:
    return (node.text or b"").decode()
