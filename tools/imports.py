"""Tells which installed distributions a piece of code imports, without running it."""

import ast
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name


def third_party(files: Iterable[Path], own: Iterable[str]) -> dict[str, NormalizedName | None]:
    """
    Map what files import of others to the distribution that has it, None where none that is installed has.

    A name is as short as distinguishes distributions: `requests`, but `azure.storage.blob`, since a namespace such as
    `azure` belongs to no distribution. What only type checkers import counts too.

    Args:
        own: the top-level names of the code itself.
    """
    known = {*sys.stdlib_module_names, *own}
    found: dict[str, NormalizedName | None] = {}
    for file in files:
        for module, members in _imports(ast.parse(file.read_text(encoding="utf-8"))):
            if module.partition(".")[0] not in known:
                found.update(_owners(module, members))
    return dict(sorted(found.items()))


def _imports(tree: ast.Module) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each module that is imported, with the names that are imported from it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, tuple(alias.name for alias in node.names)


def _owners(module: str, members: tuple[str, ...]) -> Iterator[tuple[str, NormalizedName | None]]:
    parts = module.split(".")
    prefixes = [".".join(parts[:count]) for count in range(1, len(parts) + 1)]
    owned = next((prefix for prefix in prefixes if prefix in _installed()), None)
    # `from opentelemetry import trace`: the namespace has no distribution, its member has one.
    names = [owned] if owned else [f"{module}.{member}" for member in members] or [module]
    yield from ((name, _installed().get(name)) for name in names)


@cache
def _installed() -> dict[str, NormalizedName]:
    """Map every installed module and regular package to its distribution."""
    found = {}
    for distribution in distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        for file in distribution.files or ():
            if file.name == "__init__.py":
                found[".".join(file.parent.parts)] = name
            elif file.suffix in (".py", ".so", ".pyd"):
                found[".".join((*file.parent.parts, file.name.partition(".")[0]))] = name
    return found
