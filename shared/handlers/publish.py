"""Publishes what one event is about: resolve in Azure ML, build, match, upsert in the catalog, note in the ledger."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared import qualified_names
from shared.errors import EntityRejectedError, RecordNotFoundError, RunNotSettledError
from shared.events import EndpointSubject, Event, ModelSubject, Nothing, RunSubject
from shared.lineage.assets import UNSCANNED, build_model, ref_of_model
from shared.lineage.build import build_endpoint, build_run_tree
from shared.lineage.entities import Entity, Ref
from shared.lineage.places import Match, Place, list_places, match_places
from shared.model import SUCCEEDED, Deployment, Endpoint, RunTree, WorkspaceId
from shared.ports import Catalog, Found, RunSource
from shared.qualified_names import QualifiedName
from shared.state.ports import Ledger, Row, Written

PUBLISHED, SKIPPED = "published", "skipped"
YOUNG = timedelta(minutes=10)
"""A record may be this late after its event; a 404 within that time is not yet the truth."""
_V1_COMPUTE = frozenset({"ACI", "AKS"})


@dataclass(frozen=True, slots=True)
class Skip:
    """There is nothing to publish; `reason` is for people, `rows` are noted all the same."""

    reason: str
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """What publishing would write. `changed` are those of `entities` that differ from what was written last."""

    subject: str
    entities: tuple[Entity, ...]
    changed: tuple[Entity, ...]
    matches: Mapping[Ref, Match]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one message ended."""

    outcome: str
    subject: str = ""
    reason: str = ""
    written: int = 0
    matches: Mapping[str, str] = field(default_factory=dict)


class Publisher:
    """
    The publish use case.

    Raises whatever the ports raise, RunNotSettledError if Azure ML does not show yet what the event announced, and
    EntityRejectedError, after everything else was written, if the catalog refused some entity.
    """

    def __init__(self, source: RunSource, catalog: Catalog, ledger: Ledger, *, now: Callable[[], datetime]) -> None:
        self._source = source
        self._catalog = catalog
        self._ledger = ledger
        self._now = now

    def publish(self, event: Event) -> Outcome:
        """Bring the catalog up to date with what the event is about. Doing so twice changes nothing more."""
        plan = self.plan(event)
        if isinstance(plan, Skip):
            self._ledger.put_rows(plan.rows)
            return Outcome(SKIPPED, _subject_of(event), plan.reason)
        self._write(plan)
        found = _explain(plan.matches)
        if not plan.changed:
            return Outcome(SKIPPED, plan.subject, "unchanged since it was last published", matches=found)
        return Outcome(PUBLISHED, plan.subject, written=len(plan.changed), matches=found)

    def plan(self, event: Event) -> Plan | Skip:
        """Work out what publishing would write, writing nothing."""
        try:
            match event.subject:
                case Nothing(reason):
                    return Skip(reason)
                case RunSubject():
                    return self._plan_run(event, event.subject)
                case ModelSubject():
                    return self._plan_model(event, event.subject)
                case EndpointSubject():
                    return self._plan_endpoint(event, event.subject)
        except RecordNotFoundError as error:
            if self._now() - event.time < YOUNG:
                raise RunNotSettledError(f"{error}; the event is younger than its record may be") from error
            raise

    def _plan_run(self, event: Event, run: RunSubject) -> Plan | Skip:
        workspace = event.workspace
        if run.experiment_id and run.experiment_name:
            self._source.remember_experiment(workspace, run.experiment_id, run.experiment_name)
        if run.parent_pipeline:
            root = qualified_names.of_run(workspace, run.parent_pipeline)
            row = self._ledger.get_rows([root]).get(root)
            if row and row.outcome == PUBLISHED and row.status.casefold() in SUCCEEDED:
                return Skip(f"already published with its pipeline {run.parent_pipeline}")
        tree = self._source.get_run_tree(
            workspace, run.parent_pipeline or run.run_id, orchestrates=run.orchestrates or bool(run.parent_pipeline)
        )
        if not tree.settled:
            if tree.root_id == run.run_id:
                raise RunNotSettledError(f"run {run.run_id} is still {tree.root_status}")
            return Skip(
                f"its root {tree.root_id} is still {tree.root_status} and publishes it when it ends",
                (_row(event, qualified_names.of_run(workspace, run.run_id), "run", SKIPPED, status=tree.root_status),),
            )
        if tree.root_status.casefold() not in SUCCEEDED:
            reason = f"run {tree.root_id} ended as {tree.root_status}; only completed runs are published"
            key = qualified_names.of_run(workspace, tree.root_id)
            return Skip(reason, (_row(event, key, "run", SKIPPED, status=tree.root_status),))
        return self._plan_tree(event, tree, subject=f"run {tree.root_id}")

    def _plan_model(self, event: Event, subject: ModelSubject) -> Plan:
        model = self._source.get_model(event.workspace, subject.model)
        ref = ref_of_model(event.workspace, model.id)
        made = self._source.find_maker(event.workspace, model)
        label = f"model {model.id.label}"
        if made is None:
            workspace = self._source.get_workspace(event.workspace)
            return self._compare(
                event, label, (build_model(workspace, model),), {}, ((ref.qualified_name, "model", ()),)
            )
        tree, maker = made
        own = build_model(tree.workspace, model)
        # Of a tree that has not ended well, the run that made the model is all there is to tell.
        only = "" if tree.root_status.casefold() in SUCCEEDED else maker
        return self._plan_tree(event, tree, subject=label, made={maker: ref}, own=own, only=only)

    def _plan_endpoint(self, event: Event, subject: EndpointSubject) -> Plan:
        try:
            endpoint = self._source.get_endpoint(event.workspace, subject.name)
        except RecordNotFoundError:
            if subject.compute_type.upper() not in _V1_COMPUTE or not subject.models:
                raise
            endpoint = self._v1_endpoint(event.workspace, subject)
        key = qualified_names.of_endpoint(event.workspace, endpoint.name)
        return self._compare(event, f"endpoint {endpoint.name}", build_endpoint(endpoint), {}, ((key, "endpoint", ()),))

    def _v1_endpoint(self, workspace: WorkspaceId, subject: EndpointSubject) -> Endpoint:
        """Describe an ACI or AKS service from its event: no v2 API knows these, and v1 still emits ModelDeployed."""
        models = tuple(self._source.get_model(workspace, model) for model in subject.models)
        return Endpoint(
            self._source.get_workspace(workspace),
            subject.name,
            compute_type=subject.compute_type,
            deployments=(Deployment(subject.name, models),),
        )

    def _plan_tree(
        self,
        event: Event,
        tree: RunTree,
        *,
        subject: str,
        made: Mapping[str, Ref] | None = None,
        own: Entity | None = None,
        only: str = "",
    ) -> Plan:
        workspace = tree.workspace.id
        keys = {run.id: qualified_names.of_run(workspace, run.id) for run in tree.runs}
        rows = self._ledger.get_rows(keys.values())
        known = self._ledger.get_matches(place.ref for place in list_places(tree))
        places = [place for place in list_places(tree) if place.ref not in known]
        # A run we never published may have been published from elsewhere: the models it made must not be lost.
        strangers = [key for key in keys.values() if key not in rows or rows[key].outcome != PUBLISHED]
        found = self._catalog.find([*_candidates(places), *strangers])
        scanned = {name: item.ref for name, item in found.items() if UNSCANNED not in item.labels}
        matches = {**known, **match_places(places, scanned)}
        models = {
            run_id: _models_of(rows.get(key), found.get(key), (made or {}).get(run_id)) for run_id, key in keys.items()
        }
        entities = build_run_tree(tree, matches=matches, models=models, only=only)
        noted: list[tuple[QualifiedName, str, tuple[QualifiedName, ...]]] = [
            (key, "run", tuple(ref.qualified_name for ref in models[run_id]))
            for run_id, key in keys.items()
            if only in ("", run_id)
        ]
        if not only and tree.root_id not in keys:
            noted.append((qualified_names.of_run(workspace, tree.root_id), "run", ()))
        if own:
            entities = (own, *entities)
            noted.append((own.ref.qualified_name, "model", ()))
        return self._compare(event, subject, entities, matches, noted, status=tree.root_status)

    def _compare(
        self,
        event: Event,
        subject: str,
        entities: tuple[Entity, ...],
        matches: Mapping[Ref, Match],
        noted: Iterable[tuple[QualifiedName, str, tuple[QualifiedName, ...]]],
        *,
        status: str = "",
    ) -> Plan:
        before = self._ledger.get_written(entity.ref.qualified_name for entity in entities)
        changed = tuple(
            entity
            for entity in entities
            if entity.ref.qualified_name not in before
            or before[entity.ref.qualified_name].fingerprint != entity.fingerprint
        )
        found = _explain(matches)
        rows = tuple(
            _row(event, key, kind, PUBLISHED, status=status, models=models, matches=found if kind == "run" else {})
            for key, kind, models in noted
        )
        return Plan(subject, entities, changed, matches, rows)

    def _write(self, plan: Plan) -> None:
        result = self._catalog.upsert_entities(plan.changed) if plan.changed else None
        if result and result.rejections and len(plan.changed) < len(plan.entities):
            # An entity we had written before may have been deleted in the catalog since: write everything anew.
            self._ledger.forget_written(entity.ref.qualified_name for entity in plan.entities)
            plan = replace(plan, entities=self._without_deleted_models(plan.entities))
            result = self._catalog.upsert_entities(plan.entities)
        if result:
            fingerprints = {entity.ref.qualified_name: entity.fingerprint for entity in plan.entities}
            self._ledger.put_written({name: Written(fingerprints[name], guid) for name, guid in result.guids.items()})
            if result.rejections:
                raise EntityRejectedError({str(name): words for name, words in result.rejections.items()})
        self._ledger.put_matches(plan.matches)
        self._ledger.put_rows(plan.rows)

    def _without_deleted_models(self, entities: tuple[Entity, ...]) -> tuple[Entity, ...]:
        """Drop outputs that name a model version which someone deleted in the catalog; replaying it brings it back."""
        own = {entity.ref for entity in entities}
        linked = {
            ref
            for entity in entities
            for ref in entity.outputs or ()
            if ref.type_name == "custom_ml_model" and ref not in own
        }
        gone = linked - {found.ref for found in self._catalog.find([ref.qualified_name for ref in linked]).values()}
        return tuple(
            replace(entity, outputs=tuple(ref for ref in entity.outputs if ref not in gone))
            if entity.outputs is not None
            else entity
            for entity in entities
        )


def _explain(matches: Mapping[Ref, Match]) -> dict[str, str]:
    """Say how each place was found: qualifiedName → "exact", "resource set" or "placeholder"."""
    return {str(place.qualified_name): match.kind.value for place, match in matches.items()}


def _candidates(places: Iterable[Place]) -> list[QualifiedName]:
    return [name for place in places for name in (*place.exact, *place.resource_sets)]


def _models_of(row: Row | None, found: Found | None, made: Ref | None) -> tuple[Ref, ...]:
    """Join what we know of the models a run made: from the ledger, from the catalog, from the event at hand."""
    refs = {Ref("custom_ml_model", name) for name in (row.models if row else ())}
    refs |= {ref for ref in (found.outputs if found else ()) if ref.type_name == "custom_ml_model"}
    return tuple(sorted(refs | ({made} if made else set())))


def _row(
    event: Event,
    key: QualifiedName,
    kind: str,
    outcome: str,
    *,
    status: str = "",
    models: tuple[QualifiedName, ...] = (),
    matches: Mapping[str, str] | None = None,
) -> Row:
    return Row(
        key,
        kind,
        outcome,
        status=status,
        event_id=event.id,
        event_time=event.time,
        models=models,
        matches=matches or {},
    )


def _subject_of(event: Event) -> str:
    match event.subject:
        case RunSubject(run_id):
            return f"run {run_id}"
        case ModelSubject(model):
            return f"model {model.label}"
        case EndpointSubject(name):
            return f"endpoint {name}"
        case Nothing():
            return event.type
