"""Plans what publishing an endpoint would write: its deployments, and what they serve."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.catalog import qualified_names
from shared.catalog.build import build_endpoint
from shared.catalog.entities import Entity, Ref, ends
from shared.catalog.qualified_names import QualifiedName
from shared.catalog.serving import go_on
from shared.errors import RecordNotFoundError
from shared.intake.event_types import EndpointSubject, Event
from shared.model import (
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
from shared.ports import Catalog, RunSource
from shared.publishing.places_around import list_collected
from shared.publishing.plan import PUBLISHED, Plan, find_changed, row_of, with_evidence
from shared.publishing.registry_models import build_sharings, list_reads
from shared.state.ports import Ledger, Row


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
        names = [qualified_names.of_deployment(key, each.name) for each in endpoint.deployments]
        known = self.ledger.get_rows([qualified_names.of_serving(key), *names])
        rows = [row_of(self.event, key, "endpoint", PUBLISHED, reason=endpoint.notes, status=endpoint.state)]
        for name, each in zip(names, endpoint.deployments, strict=True):
            rows.append(row_of(self.event, name, "deployment", PUBLISHED, status=each.state))
        rows.append(self._serving(endpoint, qualified_names.of_serving(key), known))
        places = {place.ref: place for place in places_of_endpoint(endpoint)}
        matches, looked_up = self._match(places.values())
        models = [model.id for each in endpoint.deployments for model in each.models if model.id.registry]
        sharings = build_sharings(self.ledger, self._workspace, models) if models else ()
        entities = (*self._with_past(build_endpoint(endpoint, matches=matches), known), *sharings)
        rows = list(with_evidence(self.event, rows, entities))
        changed, before = find_changed(self.ledger, entities)
        at = self.event.time
        plan = Plan(f"endpoint {endpoint.name}", key, entities, changed, tuple(rows), before=before, announced_at=at)
        plan = replace(plan, matches=matches, looked_up=looked_up)
        uses = list_collected(endpoint)
        if models:
            uses[key] = list_reads(key, self._workspace, models)
        return plan.with_uses(uses, self.ledger.get_tree(key)) if uses else plan

    def _match(self, places: Collection[Place]) -> tuple[dict[Ref, Match], dict[Ref, Match]]:
        """Return the match of each place, and those that the ledger did not know."""
        known = self.ledger.get_matches((place.ref for place in places), placeholders_since=self.placeholders_since)
        unknown = [place for place in places if place.ref not in known]
        found = match_places(unknown, find_scanned(self.catalog, unknown)[1]) if unknown else {}
        looked_up = match_sets(self.catalog, unknown, found)
        return {**known, **looked_up}, looked_up

    def _with_past(self, entities: Sequence[Entity], known: Mapping[QualifiedName, Row]) -> Iterator[Entity]:
        """Yield entities, of each deployment also with what it collected before, as long as the catalog has that."""
        now = {entity.ref.qualified_name: {each.place or each.end for each in entity.evidence} for entity in entities}
        past = {
            name: [each for each in row.evidence if each.is_output and (each.place or each.end) not in now[name]]
            for name, row in known.items()
            if name in now
        }
        ends_before = {each.end.qualified_name for some in past.values() for each in some}
        present = self.catalog.find(sorted(ends_before)) if ends_before else {}
        for entity in entities:
            kept = [each for each in past.get(entity.ref.qualified_name, ()) if each.end.qualified_name in present]
            outputs = ends([*(entity.outputs or ()), *(each.end for each in kept)])
            yield replace(entity, outputs=outputs, evidence=(*entity.evidence, *kept)) if kept else entity

    def _serving(self, endpoint: Endpoint, name: QualifiedName, known: Mapping[QualifiedName, Row]) -> Row:
        """Go on with the history of what an endpoint serves."""
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
