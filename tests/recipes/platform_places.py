"""Where a platform is named besides its class: the table of platforms, the rows of names on file, and the docs."""

import inspect
import pkgutil
import re
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from shared import places
from shared.catalog.kinds import KINDS
from shared.model import Location
from shared.places import platforms
from shared.places.place import Platform
from tests.references.naming_table import Row, read_rows

PAGE = Path(__file__).parents[2] / "docs/catalog-model.md"


def in_table() -> set[str]:
    """Return the names of the platforms that the product asks."""
    return {each.platform for each in platforms.PLATFORMS}


def left_out_of_table() -> set[str]:
    """Return the classes that no entry of the table is made of."""
    classes = {
        value
        for module in pkgutil.iter_modules(places.__path__, "shared.places.")
        for value in vars(import_module(module.name)).values()
        if inspect.isclass(value) and issubclass(value, Platform) and not inspect.isabstract(value)
    }
    return {each.__name__ for each in classes - {type(each) for each in platforms.PLATFORMS}}


def in_docs() -> set[str]:
    """Return the platforms in the table of names in docs/catalog-model.md."""
    _, _, section = PAGE.read_text(encoding="utf-8").partition("## Names of data outside Azure ML")
    table, _, _ = section.partition("\n\n- ")
    cells = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)[1:]
    return {name.partition(":")[0] for cell in cells for name in cell.split(", ")}


def in_rows() -> set[str]:
    """Return the platforms that rows of the naming table lead to."""
    return {platforms.place_of(Location(row.name)).platform for row in rows_of_places()}


def types_of_no_kind(rows: Iterable[Row]) -> set[str]:
    """Return the types of rows that the table of kinds does not have."""
    return {row.type_name for row in rows} - KINDS.keys()


def rows_of_places() -> list[Row]:
    """Return the rows of data outside Azure ML."""
    return [row for row in read_rows() if row.group not in ("own", "no_place")]
