"""The table of naming rules, and what it says of a place."""

from dataclasses import dataclass

from shared.catalog.qualified_names import QualifiedName
from shared.model import Location
from shared.places.address import Address
from shared.places.databricks import DATABRICKS_RULES
from shared.places.fabric import FABRIC_RULES
from shared.places.names import Names, NamingRule
from shared.places.sql import SQL_RULES
from shared.places.storage import STORAGE_RULES


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A place that Purview does not scan: a public URL, a datastore of a kind nobody knows."""

    platform: str = "elsewhere"

    def takes(self, address: Address) -> bool:
        return True

    def name(self, address: Address) -> Names:
        name = address.text
        if address.scheme:
            name = f"{address.scheme}://{address.host}" + (f"/{address.path}" if address.path else "")
        return Names(self.platform, QualifiedName(name), is_folder=address.is_folder, note=address.note)

    def origin(self, address: Address) -> Location | None:
        return None


RULES: tuple[NamingRule, ...] = (*STORAGE_RULES, *SQL_RULES, *DATABRICKS_RULES, *FABRIC_RULES, Elsewhere())
"""The first that takes an address names it."""


def names_of(location: Location) -> Names:
    """
    Tell what a scanner calls a place.

    >>> names_of(Location("https://Acct.dfs.core.windows.net/fs/Raw//a{1}.CSV")).qualified_name
    'https://acct.dfs.core.windows.net/fs/Raw/a%7B1%7D.csv'
    """
    address = Address.of(location)
    return _rule_for(address).name(address)


def origin_of(name: QualifiedName) -> Location | None:
    """
    Go back from a name that a scanner may have written to the place; None where that is not defined.

    >>> origin_of(QualifiedName("https://a.dfs.core.windows.net/fs/raw/{SparkPartitions}")).url
    'https://a.dfs.core.windows.net/fs/raw'
    """
    address = Address.of(Location(name))
    return _rule_for(address).origin(address)


def _rule_for(address: Address) -> NamingRule:
    return next(rule for rule in RULES if rule.takes(address))
