"""A catalog that is a dictionary of assets, for what reads one through the explorer."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

from explorer.reading import Reading
from shared.bootstrap import Services
from shared.catalog.entities import Found, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.purview.reader import Asset, Lineage, Related
from shared.state.ports import Row

DATA, RUN, MODEL, METRICS = "custom_dataset", "custom_ml_experiment_step", "custom_ml_model", "custom_ml_model_metrics"


class PlainCatalog:
    """
    A catalog by guid; names and guids are the same.

    It is reader and catalog at once, and counts requests.
    """

    def __init__(self) -> None:
        self.assets: dict[str, Asset] = {}
        self.edges: list[tuple[str, str]] = []
        self.requests: list[str] = []
        self.rows: dict[QualifiedName, Row] = {}

    def add(self, name: str, type_name: str = DATA, *, labels: Sequence[str] = (), classified: Sequence[str] = (),
            **attributes: str) -> "PlainCatalog":  # fmt: skip
        self.assets[name] = Asset(
            name, type_name, QualifiedName(f"x://{name}"), name, attributes, {}, tuple(labels), tuple(classified)
        )
        return self

    def flow(self, *names: str) -> "PlainCatalog":
        """Let data flow from each to the next; what is not there yet is a run if it begins with `run`, else data."""
        for name in names:
            if name not in self.assets:
                self.add(name, RUN if name.startswith("run") else DATA)
        self.edges += list(pairwise(names))
        return self

    def reading(self) -> Reading:
        settings = SimpleNamespace(purview_endpoint="https://contoso.purview.azure.com")
        ledger = SimpleNamespace(get_rows=lambda names: {name: self.rows[name] for name in names if name in self.rows})
        return Reading(cast(Services, SimpleNamespace(lineage=self, catalog=self, settings=settings, ledger=ledger)))

    def get_lineage(self, guid: str, direction: str) -> Lineage:
        self.requests.append(f"lineage {guid}")
        return Lineage({guid: self.assets[guid]}, ())

    def get_assets(self, guids: Sequence[str]) -> dict[str, Asset]:
        self.requests.append(f"assets {' '.join(guids)}")
        return {guid: self._whole(self.assets[guid]) for guid in guids if guid in self.assets}

    def find(self, names: Sequence[QualifiedName]) -> dict[QualifiedName, Found]:
        self.requests.append(f"find {' '.join(names)}")
        wanted = {asset.qualified_name: self._found(asset) for asset in self.assets.values()}
        return {name: wanted[name] for name in names if name in wanted}

    def search(self, words: str, *, limit: int = 50) -> list[Found]:
        self.requests.append(f"search {words}")
        return [self._found(asset) for asset in self.assets.values() if words in asset.name][:limit]

    def list_of_type(self, type_name: str) -> Iterator[Found]:
        self.requests.append(f"list {type_name}")
        yield from (self._found(asset) for asset in self.assets.values() if asset.type_name == type_name)

    def _found(self, asset: Asset) -> Found:
        return Found(Ref(asset.type_name, asset.qualified_name), asset.guid, name=asset.name)

    def _whole(self, asset: Asset) -> Asset:
        before = self._related(one for one, other in self.edges if other == asset.guid)
        after = self._related(other for one, other in self.edges if one == asset.guid)
        names = ("inputs", "outputs") if asset.type_name == RUN else ("outputFromProcesses", "inputToProcesses")
        related: Mapping[str, Any] = dict(zip(names, (before, after), strict=True))
        return Asset(
            asset.guid, asset.type_name, asset.qualified_name, asset.name, asset.attributes, related, asset.labels,
            asset.classifications,
        )  # fmt: skip

    def _related(self, names: Iterator[str]) -> tuple[Related, ...]:
        found = [self.assets[name] for name in names]
        return tuple(Related(each.guid, each.type_name, each.name, each.qualified_name) for each in found)
