"""Plans what publishing an Azure ML event would write: resolve in Azure ML, match in the catalog, build, compare."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from shared.catalog import qualified_names
from shared.catalog.assets import build_model, ref_of_model
from shared.catalog.build import build_run_tree
from shared.catalog.column_mapping import scanned_data, with_inferred
from shared.catalog.downstream import NOTHING, Downstream
from shared.catalog.entities import ARCHIVED, DELETED, Entity, Evidence, Found, Ref
from shared.catalog.kinds import MODEL, STEP
from shared.catalog.qualified_names import QualifiedName, source_of_power_bi_link
from shared.errors import RecordNotFoundError, RunNotSettledError
from shared.intake.event_types import EndpointSubject, Event, ModelSubject, Nothing, RunSubject
from shared.model import (
    SETTLED,
    SUCCEEDED,
    AssetId,
    DataAsset,
    ModelVersion,
    Run,
    RunTree,
    SeveralWriters,
    Unresolved,
    WorkspaceId,
)
from shared.places.matching import (
    Match,
    find_scanned,
    list_places,
    match_places,
    match_sets,
    places_by_run,
    without_foreign_sets,
)
from shared.places.place import Place
from shared.places.uris import is_made_up
from shared.ports import Catalog, RunSource
from shared.publishing.model_origin import NotedModels, find_moved, find_origin, with_moved
from shared.publishing.places_around import find_around, list_uses
from shared.publishing.plan import (
    ASKED_AGAIN,
    LOOKS,
    PUBLISHED,
    SKIPPED,
    About,
    Made,
    Plan,
    Skip,
    begun_name,
    explain,
    find_changed,
    row_of,
    with_evidence,
)
from shared.publishing.plan_endpoint import EndpointPlanner
from shared.publishing.registry_models import build_sharings, list_reads, list_shares
from shared.state.ports import Ledger, Row, WrittenTree

YOUNG = timedelta(minutes=10)
"""A record may be this late after its event; a 404 within that time is not yet the truth."""
STALE = timedelta(hours=1)
"""A placeholder is looked up again after this long: a scan may have found the data since."""
LAG = timedelta(hours=1)
"""The record of a step may end this long after its pipeline's; one that has not by then is taken to stay as it is."""
FEW = 50
"""Runs that are looked up along with everything else: about as many as fit into one URL."""
ASKED_FOR = "azureml://locations/"
"""How the ids of assets begin that a service of Azure ML is asked to locate."""


def describe_event(event: Event) -> About | None:
    """Say what an event is about; None where it changes no lineage."""
    match event.subject:
        case RunSubject(run_id):
            return About(qualified_names.of_run(event.workspace, run_id), "run", f"run {run_id}")
        case ModelSubject(model):
            return About(qualified_names.of_asset(event.workspace, model), "model", f"model {model.label}")
        case EndpointSubject(name):
            return About(qualified_names.of_endpoint(event.workspace, name), "endpoint", f"endpoint {name}")
        case Nothing():
            return None


@dataclass(frozen=True, slots=True)
class AzureMlPlanner:
    """
    Plans one event and writes nothing. May raise whatever its ports raise, and RunNotSettledError if Azure ML does not
    show yet what the event announced.
    """

    source: RunSource
    catalog: Catalog
    ledger: Ledger
    now: Callable[[], datetime]
    event: Event
    infer_columns: bool = False
    downstream: Downstream = NOTHING

    @property
    def about(self) -> About | None:
        return describe_event(self.event)

    def add_fact(self) -> None:
        """Add nothing: all there is to know is read from Azure ML."""

    def plan(self, *, force: bool = False) -> Plan | Skip:
        """Work out what publishing the event would write; with force, also where its pipeline was published before."""
        try:
            match self.event.subject:
                case Nothing(reason):
                    return Skip(reason)
                case RunSubject() as run:
                    return self._plan_run(run, force=force)
                case ModelSubject() as model:
                    return self._plan_model(model)
                case EndpointSubject() as endpoint:
                    now = self.now()
                    planner = EndpointPlanner(self.source, self.catalog, self.ledger, self.event, now - STALE, now)
                    return planner.plan(endpoint)
        except RecordNotFoundError as error:
            if self.now() - self.event.time < YOUNG:
                raise RunNotSettledError(f"{error}; the event is younger than its record may be") from error
            raise

    @property
    def _workspace(self) -> WorkspaceId:
        return self.event.workspace

    def _plan_run(self, run: RunSubject, *, force: bool) -> Plan | Skip:
        key = qualified_names.of_run(self._workspace, run.run_id)
        asked, is_pipeline = run.run_id, run.orchestrates
        if not force and run.trial_of and self._is_published(run.trial_of):
            return Skip(f"already published with {run.trial_of}")
        if run.parent_pipeline:
            if not force and self._is_published(run.run_id):
                return Skip(f"already published with its pipeline {run.parent_pipeline}")
            if force or not self._is_published(run.parent_pipeline):  # otherwise it is late, or below a step
                status = self.source.get_root_status(self._workspace, run.parent_pipeline)
                if status.casefold() not in SETTLED:
                    return self._not_yet(key, run.parent_pipeline, status)
                asked, is_pipeline = run.parent_pipeline, True
        tree = self.source.get_run_tree(
            self._workspace,
            asked,
            orchestrates=is_pipeline,
            experiments={run.experiment_id: run.experiment_name} if run.experiment_id and run.experiment_name else {},
            is_published=None if force else self._is_published,
            fresh=self.event.is_again,
        )
        above = tree.represented_by.get(run.run_id, "")
        if not force and above and not tree.runs and self._is_published(above):
            return Skip(f"already published with {above}")
        if not tree.settled:
            if tree.root_id == run.run_id:
                raise RunNotSettledError(f"run {run.run_id} is still {tree.root_status}")
            return self._not_yet(key, tree.root_id, tree.root_status)
        self._wait_for_lagging(tree)
        tree = self._without_failures(tree)
        if not tree.runs:
            root = qualified_names.of_run(self._workspace, tree.root_id)
            succeeded = tree.root_status.casefold() in SUCCEEDED
            reason = (
                f"pipeline {tree.root_id} has no step that did work"
                if succeeded
                else f"run {tree.root_id} ended as {tree.root_status} and left nothing behind"
            )
            return Skip(reason, (row_of(self.event, root, "run", SKIPPED, reason=reason, status=tree.root_status),))
        noted = self._noted(tree)
        tree = noted.with_makers(self.source, tree) if noted.models else tree
        return self._plan_tree(tree, noted, subject=f"run {tree.root_id}")

    def _is_published(self, run_id: str) -> bool:
        """Whether a run was published, or skipped, when its root had ended."""
        key = qualified_names.of_run(self._workspace, run_id)
        row = self.ledger.get_rows([key]).get(key)
        return row is not None and row.outcome in (PUBLISHED, SKIPPED) and row.status.casefold() in SETTLED

    def _wait_for_lagging(self, tree: RunTree) -> None:
        if tree.lagging and self.now() - self.event.time < LAG:
            raise RunNotSettledError(f"run {tree.root_id} is {tree.root_status}, but not yet {', '.join(tree.lagging)}")

    def _not_yet(self, key: QualifiedName, root_id: str, status: str) -> Skip:
        reason = f"its root {root_id} is still {status} and publishes it when it ends"
        return Skip(reason, (row_of(self.event, key, "run", SKIPPED, reason=reason, status=status),))

    def _plan_model(self, subject: ModelSubject) -> Plan | Skip:
        if is_made_up(subject.model):
            return self._made_up(subject.model)
        model = self.source.get_model(self._workspace, subject.model)
        if model.stands_for:
            return self._made_up(model.id)
        ref = ref_of_model(self._workspace, model.id)
        label = f"model {model.id.label}"
        origin = find_origin(self.source, self.ledger, self._workspace, model)
        made = origin.made
        uses = {ref.qualified_name: tuple(sorted((*origin.uses, *list_shares(self._workspace, model))))}
        known = self.ledger.get_rows([ref.qualified_name]).get(ref.qualified_name)
        # What it was marked as stays until reconciling finds that it is so no more.
        mark = known.status if known and known.status in (ARCHIVED, DELETED) else ""
        row = row_of(self.event, ref.qualified_name, "model", PUBLISHED, status=mark)
        if made is None or isinstance(made, SeveralWriters):
            written = self.ledger.get_tree(ref.qualified_name)
            if made:
                names = ", ".join(made.writers)
                row = replace(row, reason=f"runs {names} wrote its files at the same time: unknown which made it")
            entity = build_model(self.source.get_workspace(self._workspace), model)
            if origin.unread:  # what is known of its origin stays, and what is written is looked at again
                why = f"where its files are could not be read: {origin.unread}{ASKED_AGAIN}"
                plan = self._compare(label, ref.qualified_name, (entity,), ())
                if known and not plan.changed:
                    why = known.reason
                row = replace(row, reason=why, evidence=known.evidence if known else ())
                return replace(plan.with_uses({**uses, **written.uses}, written), rows=(row,), digest="")
            plan = self._compare(label, ref.qualified_name, (entity,), (row,))
            moved = find_moved(self.source, known, None)
            return with_moved(plan.with_uses(uses, written), ref.qualified_name, moved)
        self._wait_for_lagging(made.tree)
        # Of a tree that has not ended, the run that made the model is all there is to publish.
        only = "" if made.tree.settled else made.run_id
        tree = self._without_failures(made.tree, but=made.run_id)
        noted = self._noted(tree)
        tree = noted.with_makers(self.source, tree, made)
        shown = {run.id for run in tree.runs}
        if made.below in shown:  # a trial that was not chosen: what became of its sweep is not shown because of it
            tree = self._without_failures(tree, but=made.below)
            shown = {run.id for run in tree.runs}
        maker = made.below if made.below in shown else tree.represented_by.get(made.below or made.run_id, made.run_id)
        run = Ref(STEP, qualified_names.of_run(tree.workspace.id, maker))
        moved = find_moved(self.source, known, run.qualified_name)
        if not made.below or made.below in shown or made.below in tree.represented_by:
            row = replace(row, evidence=(Evidence(run, is_output=False, field=made.field, inferred=made.inferred),))
        is_here = tree.workspace.id == self._workspace
        own = build_model(tree.workspace if is_here else self.source.get_workspace(self._workspace), model)
        above = qualified_names.of_run(tree.workspace.id, made.run_id)
        key = qualified_names.of_maker(above, made.below) if made.below else above
        models = {key: noted.models.get(key, frozenset()) | {ref.qualified_name}}
        if moved:
            gone = qualified_names.of_moved(moved.run)
            models[gone] = noted.models.get(gone, frozenset()) | {ref.qualified_name}
        noted = replace(noted, models={**noted.models, **models}, added=models, uses=uses)
        plan = self._plan_tree(tree, noted, subject=label, own=((own, row),), only=only)
        return with_moved(replace(plan, made=Made(key, own)), ref.qualified_name, moved)

    def _made_up(self, model: AssetId) -> Skip:
        reason = "Azure ML made its name up for an output of a run; the storage path is shown with that run"
        key = qualified_names.of_asset(self._workspace, model)
        return Skip(reason, (row_of(self.event, key, "model", SKIPPED, reason=reason),))

    def _without_failures(self, tree: RunTree, *, but: str = "") -> RunTree:
        """
        Leave out the runs that failed or were cancelled and left nothing behind; `but` names one to keep.

        One that the ledger or the catalog knows was published for a model it made; it stays, and says how it ended.
        """
        doubtful = {
            run.id: qualified_names.of_run(tree.workspace.id, run.id)
            for run in tree.runs
            if not _left_something(run) and run.id != but
        }
        written = (
            self.ledger.get_tree(qualified_names.of_run(tree.workspace.id, tree.root_id)) if doubtful else WrittenTree()
        )
        unknown = [key for key in doubtful.values() if key not in written.fingerprints and key not in written.models]
        elsewhere = self.catalog.find(unknown) if unknown else {}
        gone = {run_id for run_id, key in doubtful.items() if key in unknown and key not in elsewhere}
        return replace(tree, runs=tuple(_without_unproven(run) for run in tree.runs if run.id not in gone))

    def _plan_tree(
        self,
        tree: RunTree,
        noted: NotedModels,
        *,
        subject: str,
        own: tuple[tuple[Entity, Row], ...] = (),
        only: str = "",
    ) -> Plan:
        keys = {run.id: qualified_names.of_run(tree.workspace.id, run.id) for run in tree.runs}
        uses = list_uses(tree)
        runs = [run for run in tree.runs if only in ("", run.id)]
        around = find_around(self.ledger, [use for run in runs for use in uses[keys[run.id]]])
        places = around.add_to(list_places(tree, self.downstream))
        root = qualified_names.of_run(tree.workspace.id, tree.root_id)
        written = noted.written
        # A run we never published may have been published from elsewhere: the models it made must not be lost.
        unpublished = [keys[run.id] for run in runs if keys[run.id] not in written.fingerprints]
        is_begun = begun_name(root) in written.fingerprints
        new = frozenset[str]() if is_begun else frozenset(run.id for run in runs if keys[run.id] in unpublished)
        known = without_foreign_sets(places, self._get_matches(places, new, is_new=len(unpublished) == len(runs)))
        unknown = [place for place in places if place.ref not in known]
        experiments = {qualified_names.of_experiment(tree.workspace.id, run.experiment) for run in runs}
        many = len(unpublished) > FEW
        # What we wrote is there; after a refusal the ledger has forgotten what we wrote, and the catalog is asked.
        others = {*(experiments if many else unpublished), *(around.assets if unpublished else ())}
        found, scanned = find_scanned(self.catalog, unknown, others=others)
        if many and not experiments.isdisjoint(found):  # no step is in the catalog without its experiment
            found = {**found, **self.catalog.find(unpublished)}
        looked_up = match_sets(self.catalog, unknown, match_places(unknown, scanned))
        matches = {**known, **looked_up}
        if self.infer_columns:
            columns = self.catalog.get_columns(scanned_data(tree, matches))
            inferred = (with_inferred(tree.workspace.id, run, matches, columns) for run in tree.runs)
            tree = replace(tree, runs=tuple(inferred))
            runs = [run for run in tree.runs if only in ("", run.id)]
        owners = _owners_of(tree)
        below = noted.by_run(tree) if noted.models else {}
        of_run = {key: _models_of(noted.models.get(key), found.get(key), below) for run_id, key in keys.items()}
        models = {run_id: of_run[key] | below.get(run_id, frozenset()) for run_id, key in keys.items()}
        moved = noted.moved(self.ledger, keys.values(), {row.key: row for _, row in own}) if noted.models else {}
        models = {run_id: names - moved.get(keys[run_id], frozenset()) for run_id, names in models.items()}
        tree = replace(tree, runs=tuple(_with_note(run, around.note_of(keys[run.id])) for run in tree.runs))
        entities = build_run_tree(
            tree,
            matches=matches,
            models={run_id: [Ref(MODEL, name) for name in sorted(names)] for run_id, names in models.items()},
            only=only,
            downstream=self.downstream,
            around=around.explain(matches, found if unpublished else self.ledger.get_fingerprints(around.assets)),
        )
        registry = {keys[run.id]: named for run in runs if (named := _models_of_registries(run))}
        if registry:
            shared = [model for named in registry.values() for model in named]
            entities = (*entities, *build_sharings(self.ledger, self._workspace, shared))
            reads = {key: list_reads(key, self._workspace, named) for key, named in registry.items()}
            uses = {key: tuple(sorted((*of_places, *reads.get(key, ())))) for key, of_places in uses.items()}
        rows = [row for _, row in own]
        touched = places_by_run(tree, self.downstream)
        for run in runs:
            touches = (*touched[run.id], *around.of_run(keys[run.id]))
            explained = explain({place.ref: matches[place.ref] for place in touches})
            rows.append(
                row_of(
                    self.event,
                    keys[run.id],
                    "run",
                    PUBLISHED,
                    reason=unlocated(run),
                    status=tree.root_status,
                    matches=explained,
                    places=touches,
                )
            )
        for other in () if only else (tree.root_id, *tree.represented_by):
            if other not in keys:
                key = qualified_names.of_run(tree.workspace.id, other)
                lacking = _lacks(tree) if other == tree.root_id else ""
                rows.append(row_of(self.event, key, "run", PUBLISHED, reason=lacking, status=tree.root_status))
        plan = self._compare(
            subject,
            root,
            (*(entity for entity, _ in own), *entities),
            tuple(with_evidence(self.event, rows, entities)),
            written.fingerprints,
            new_runs=new,
        )
        of_run = {key: of_run[key] for run_id, key in keys.items() if only in ("", run_id)}
        for key in noted.added:
            if (parsed := qualified_names.parse(key)) and parsed.kind == "maker":
                above = qualified_names.of_run(tree.workspace.id, parsed.run_id)
                owners = {**owners, key: owners.get(above, root)}
        gone = () if only else _links_gone(written, entities, matches)
        models_made = {**of_run, **noted.added}
        plan = replace(
            plan,
            matches=matches,
            looked_up=looked_up,
            models=models_made,
            owners=owners,
            gone=gone,
            digest=None if only else self._digest_of(tree),
        )
        return plan.with_uses({**{keys[run.id]: uses[keys[run.id]] for run in runs}, **noted.uses}, written)

    def _get_matches(self, places: Sequence[Place], new_runs: frozenset[str], *, is_new: bool) -> Mapping[Ref, Match]:
        """
        Return what is known of places.

        For a new tree the catalog is asked anyway, and for a few places in the same request. What carries the id of a
        new run was matched before only by those that read it before it was published.
        """
        since = self.now() - STALE
        known = self.ledger.get_matches_at_hand((place.ref for place in places), placeholders_since=since)
        if is_new and len(places) <= FEW:
            return known
        others = (place.ref for place in places if place.ref not in known)
        asked = [ref for ref in others if new_runs.isdisjoint(ref.qualified_name.split("/"))]
        return {**known, **(self.ledger.get_matches(asked, placeholders_since=since) if asked else {})}

    def _digest_of(self, tree: RunTree) -> str | None:
        """Return what to compare when the tree is looked at again; None if all of it settled long ago."""
        if any(map(unlocated, tree.runs)):
            return ""
        ends = [moment for run in tree.runs if (moment := _parse(run.ended_at))]
        listed_late = self.event.is_listed and self.now() - max([*ends, self.event.time]) > LOOKS[-1]
        return None if listed_late else tree.signature.digest

    def _noted(self, tree: RunTree) -> NotedModels:
        """Return the models of each run as they were last noted by who published it, below this root or its own."""
        root = qualified_names.of_run(tree.workspace.id, tree.root_id)
        written = self.ledger.get_tree(root)
        known = dict(written.models)
        for owner in sorted({*_owners_of(tree).values()} - {root}):
            for run, models in self.ledger.get_tree(owner).models.items():
                known[run] = known.get(run, frozenset()) | models
        return NotedModels(written, known)

    def _compare(
        self,
        subject: str,
        root: QualifiedName,
        entities: tuple[Entity, ...],
        rows: tuple[Row, ...],
        of_tree: Mapping[QualifiedName, str] | None = None,
        *,
        new_runs: frozenset[str] = frozenset(),
    ) -> Plan:
        changed, before = find_changed(self.ledger, entities, of_tree, new_runs=new_runs)
        return Plan(subject, root, entities, changed, rows, before=before, announced_at=self.event.time)


def _links_gone(
    written: WrittenTree, entities: Sequence[Entity], matches: Mapping[Ref, Match]
) -> tuple[QualifiedName, ...]:
    """
    Return the Power BI links that this tree was written with and whose data names them no more.

    Data that the tree does not touch any more, or whose tags could not be read, may still have its links.
    """
    built = {entity.ref.qualified_name for entity in entities}
    unread = {entity.ref.qualified_name for entity in entities if entity.named_only}
    places = {ref.qualified_name for place, match in matches.items() for ref in (place, *match.refs)}
    return tuple(
        sorted(
            name
            for name, noted in written.fingerprints.items()
            if noted and name not in built and source_of_power_bi_link(name) in (built | places) - unread
        )
    )


def _with_note(run: Run, note: str) -> Run:
    return replace(run, notes=" ".join(filter(None, (run.notes, note)))) if note else run


def _models_of_registries(run: Run) -> list[AssetId]:
    return [port.data.id for port in run.inputs if isinstance(port.data, ModelVersion) and port.data.id.registry]


def _owners_of(tree: RunTree) -> dict[QualifiedName, QualifiedName]:
    """Map each run of a tree to the root it ran below, which is not this tree's if the step was reused."""
    return {
        qualified_names.of_run(tree.workspace.id, run.id): qualified_names.of_run(
            tree.workspace.id, run.root_id or tree.root_id
        )
        for run in tree.runs
    }


def _models_of(
    linked: frozenset[QualifiedName] | None,
    found: Found | None,
    below: Mapping[str, frozenset[QualifiedName]],
) -> frozenset[QualifiedName]:
    """Join what we know of the models a run itself made: from the ledger and from the catalog."""
    in_catalog = {ref.qualified_name for ref in (found.outputs if found else ()) if ref.type_name == MODEL}
    return (linked or frozenset()) | in_catalog.difference(*below.values())


def _lacks(tree: RunTree) -> str:
    """Say what of a pipeline is not in the catalog."""
    never_ended = f"without {', '.join(tree.lagging)} of it, which never ended" if tree.lagging else ""
    return next(filter(None, map(unlocated, tree.runs)), never_ended)


def unlocated(run: Run) -> str:
    """Say which data of a run Azure ML could not locate when it was asked; it may well be able to later."""
    named = [
        port.name
        for port in (*run.inputs, *run.outputs)
        if port.unread
        or (isinstance(port.data, Unresolved) and port.data.text.startswith(ASKED_FOR) and not port.data.asset)
    ]
    return f"Azure ML could not say where {', '.join(named)} of {run.name} lies{ASKED_AGAIN}" if named else ""


def _parse(moment: str) -> datetime | None:
    try:
        parsed = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _left_something(run: Run) -> bool:
    """Whether a run completed, or registered an output before it ended otherwise."""
    return run.status.casefold() in SUCCEEDED or bool(_without_unproven(run).outputs)


def _without_unproven(run: Run) -> Run:
    """
    Leave out outputs that may not exist: Azure ML records where a run that failed, or has not ended, would write.

    An output that was registered has a version, and so exists.
    """
    if run.status.casefold() in SUCCEEDED:
        return run
    return replace(run, outputs=tuple(port for port in run.outputs if isinstance(port.data, DataAsset | ModelVersion)))
