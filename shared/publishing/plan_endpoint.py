"""Plans what publishing an endpoint would write: its deployments, and what they serve."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from shared.catalog import qualified_names
from shared.catalog.assets import build_placeholder, refs_written
from shared.catalog.build import build_endpoint
from shared.catalog.entities import Evidence, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.catalog.serving import go_on
from shared.errors import RecordNotFoundError
from shared.intake.event_types import EndpointSubject, Event
from shared.model import (
    COLLECTIONS,
    FROM_EVENT,
    V1_COMPUTE_TYPES,
    AssetId,
    Deployment,
    Endpoint,
    ModelVersion,
    WorkspaceId,
    to_utc_text,
)
from shared.places.matching import Match, find_scanned, match_places, match_sets, places_of_endpoint
from shared.places.place import Place
from shared.places.platforms import place_named
from shared.ports import Catalog, RunSource
from shared.publishing.places_around import list_collected
from shared.publishing.plan import PUBLISHED, Plan, find_changed, row_of, with_evidence
from shared.publishing.registry_models import build_sharings, list_reads
from shared.state.ports import Ledger, Row

_ONCE = ", at an earlier time"
"""How the field ends that said what a deployment collected once."""


@dataclass(frozen=True, slots=True)
class EndpointPlanner:
    """
    Plans one event about an endpoint and writes nothing. May raise whatever its ports raise.

    Attributes:
        placeholders_since: a placeholder that was looked up before is looked up again.
    """

    source: RunSource
    catalog: Catalog
    ledger: Ledger
    event: Event
    placeholders_since: datetime
    now: datetime

    @property
    def _workspace(self) -> WorkspaceId:
        return self.event.workspace

    def plan(self, subject: EndpointSubject) -> Plan:
        """Work out what publishing the endpoint would write."""
        endpoint = self.source.find_endpoint(self._workspace, subject.name)
        if endpoint is None:
            if subject.compute_type.upper() not in V1_COMPUTE_TYPES or not subject.models:
                raise RecordNotFoundError(f"online endpoint {subject.name}: Azure ML has none of this name")
            endpoint = self._v1_endpoint(subject)
        key = qualified_names.of_endpoint(self._workspace, endpoint.name)
        rows = [row_of(self.event, key, "endpoint", PUBLISHED, reason=endpoint.notes, status=endpoint.state)]
        names = {each.name: qualified_names.of_deployment(key, each.name) for each in endpoint.deployments}
        rows += (
            row_of(self.event, names[each.name], "deployment", PUBLISHED, status=each.state)
            for each in endpoint.deployments
        )
        known = self.ledger.get_rows([qualified_names.of_serving(key), *names.values()])
        rows.append(self._serving(key, endpoint, known))
        past = self._list_past(endpoint, {each: known[name] for each, name in names.items() if name in known})
        once = {
            each: [place_named(edge.place.qualified_name, is_folder=True) for edge in edges if edge.place]
            for each, edges in past.items()
        }
        places = {place.ref: place for place in places_of_endpoint(endpoint)}
        gone = {place.ref: place for some in once.values() for place in some if place.ref not in places}
        matches, looked_up = self._match([*places.values(), *gone.values()])
        models = [model.id for each in endpoint.deployments for model in each.models if model.id.registry]
        sharings = build_sharings(self.ledger, self._workspace, models) if models else ()
        placeholders = (entity for place in gone.values() for entity in build_placeholder(place, matches))
        entities = (*build_endpoint(endpoint, matches=matches, past=past), *placeholders, *sharings)
        rows = list(with_evidence(self.event, rows, entities))
        changed, before = find_changed(self.ledger, entities)
        at = self.event.time
        plan = Plan(f"endpoint {endpoint.name}", key, entities, changed, tuple(rows), before=before, announced_at=at)
        plan = replace(plan, matches=matches, looked_up=looked_up)
        if not models and not past and not any(each.collected for each in endpoint.deployments):
            return plan
        written = self.ledger.get_tree(key)
        reads = {key: list_reads(key, self._workspace, models)} if models else {}
        return plan.with_uses({**reads, **list_collected(endpoint, key, once, written.uses)}, written)

    def _list_past(self, endpoint: Endpoint, rows: Mapping[str, Row]) -> dict[str, tuple[Evidence, ...]]:
        """
        Return what deployments once collected, and do no more: what is there is still what they wrote.

        A data asset that the catalog has no more is left out.
        """
        now = {
            (each.name, ref)
            for each in endpoint.deployments
            for port in each.collected
            for ref in refs_written(endpoint.workspace.id, port.data)
        }
        past = {
            name: tuple(
                replace(each, field=f"{each.field.removesuffix(_ONCE)}{_ONCE}")
                for each in row.evidence
                if each.field.startswith(COLLECTIONS) and (name, each.place or each.end) not in now
            )
            for name, row in rows.items()
        }
        assets = sorted({each.end.qualified_name for edges in past.values() for each in edges if each.place is None})
        present = self.catalog.find(assets) if assets else {}
        kept = {
            name: tuple(each for each in edges if each.place or each.end.qualified_name in present)
            for name, edges in past.items()
        }
        return {name: edges for name, edges in kept.items() if edges}

    def _match(self, places: Collection[Place]) -> tuple[dict[Ref, Match], dict[Ref, Match]]:
        """Return the match of each place, and those that the ledger did not know."""
        known = self.ledger.get_matches((place.ref for place in places), placeholders_since=self.placeholders_since)
        unknown = [place for place in places if place.ref not in known]
        found = match_places(unknown, find_scanned(self.catalog, unknown)[1]) if unknown else {}
        looked_up = match_sets(self.catalog, unknown, found)
        return {**known, **looked_up}, looked_up

    def _serving(self, key: QualifiedName, endpoint: Endpoint, known: Mapping[QualifiedName, Row]) -> Row:
        """Go on with the history of what an endpoint serves."""
        name = qualified_names.of_serving(key)
        before = known.get(name)
        served = go_on(before.served if before else (), endpoint, at=to_utc_text(self.now))
        return replace(row_of(self.event, name, "serving", PUBLISHED), served=served)

    def _v1_endpoint(self, subject: EndpointSubject) -> Endpoint:
        """Describe an ACI or AKS service from its event: no v2 API knows these, and v1 still emits ModelDeployed."""
        models = tuple(self._get_model_or_name(model) for model in subject.models)
        return Endpoint(
            self.source.get_workspace(self._workspace),
            subject.name,
            compute_type=subject.compute_type,
            deployments=(Deployment(subject.name, models, field=FROM_EVENT, changed_at=to_utc_text(self.event.time)),),
        )

    def _get_model_or_name(self, model: AssetId) -> ModelVersion:
        """Return a model version, or only its name if it is gone: the service was deployed with it all the same."""
        try:
            return self.source.get_model(self._workspace, model)
        except RecordNotFoundError:
            return ModelVersion(model)
