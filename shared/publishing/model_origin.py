"""Finds where a model comes from, and keeps in the ledger below which run it was made."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from shared.catalog import qualified_names
from shared.catalog.entities import Ref
from shared.catalog.kinds import MODEL, STEP
from shared.catalog.qualified_names import QualifiedName, parse
from shared.errors import RecordNotFoundError
from shared.model import (
    Location,
    ModelVersion,
    Producer,
    Run,
    RunTree,
    SeveralWriters,
    WorkspaceId,
    moment,
    only_reads,
    written_last,
)
from shared.places.place import folders_above
from shared.places.platforms import place_of
from shared.ports import RunSource
from shared.publishing.plan import Plan
from shared.state.ports import Ledger, PlaceUse, Row, WrittenTree

_TRIED = 5
"""Runs that wrote one place whose records are read, of those that began last and of those that ended last."""
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Moved:
    """
    A model that another run was noted to have made before.

    Attributes:
        run: that run, which is published again without the model.
        root: the root of its tree.
    """

    run: QualifiedName
    root: QualifiedName


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Where a model comes from.

    Attributes:
        made: the run that made it, runs none of which is known to have, or nothing.
        uses: the place of its files, so that a run which turns out to have written there finds the model.
    """

    made: Producer | SeveralWriters | None
    uses: tuple[PlaceUse, ...] = ()


def find_origin(source: RunSource, ledger: Ledger, workspace: WorkspaceId, model: ModelVersion) -> Origin:
    """
    Find the run that made a model version: what Azure ML says of it, then what runs are known to have written.

    May raise what `RunSource` raises.
    """
    made = source.find_producer(workspace, model)
    if made or (location := source.locate(workspace, model)) is None:
        return Origin(made)
    place = place_of(location)
    if not place.path:
        return Origin(None)
    key = qualified_names.of_asset(workspace, model.id)
    use = PlaceUse(place.path, key, False, True, Ref(MODEL, key), model.created_at)
    writers = ledger.find_uses_at([place.path, *folders_above(place.path)], is_output=True)
    for path in sorted({each.path for each in writers}, key=len, reverse=True):
        some = {each.run: each for each in writers if each.path == path}
        if found := _find_writer(source, model, location, tuple(some.values())):
            return Origin(found, (use,))
    return Origin(None, (use,))


def _find_writer(
    source: RunSource, model: ModelVersion, location: Location, writers: tuple[PlaceUse, ...]
) -> Producer | SeveralWriters | None:
    """Find the run that wrote a place last before a model was registered from it."""
    trees: dict[str, tuple[RunTree, Run, str]] = {}
    for use in _likeliest(writers, model.created_at):
        parsed = parse(use.run)
        if parsed is None or parsed.kind != "run" or parsed.workspace is None:
            continue  # a run that OpenLineage reported registers no model
        try:
            tree = source.get_run_tree(parsed.workspace, parsed.run_id)
        except RecordNotFoundError:
            continue
        shown = tree.represented_by.get(parsed.run_id, parsed.run_id)
        run = next((run for run in tree.runs if run.id == shown), None)
        if run and not only_reads(run, model.id, location.url):
            trees[run.id] = (tree, run, parsed.run_id if parsed.run_id != shown else "")
    began = [run for _, run, _ in trees.values()]
    last = written_last(began, before=model.created_at)
    field = f"properties.modelUri of the model version, below what run {last.id if last else ''} wrote"
    if last:
        tree, _, below = trees[last.id]
        return Producer(tree, last.id, field, inferred=True, below=below)
    if len(candidates := sorted(run.id for run in began if run.has_begun(model.created_at))) > 1:
        return SeveralWriters(tuple(candidates), "properties.modelUri of the model version")
    return None


def _likeliest(writers: tuple[PlaceUse, ...], registered_at: str) -> Iterator[PlaceUse]:
    """
    Yield those that wrote a model, if any did: of those that had begun when it was registered, the last to begin.

    With them those that ended last, which tell whether others wrote at the same time. Of those that are not known to
    have begun by then, as an earlier version kept them, the first to end after that.
    """
    then = moment(registered_at)

    def may_have(began: datetime | None) -> bool:
        return began is None or then is None or began <= then

    begun = [each for each in writers if moment(each.begun) and may_have(moment(each.begun))]
    last = sorted(begun, key=lambda each: (moment(each.begun) or _NEVER, each.run), reverse=True)[:_TRIED]
    longest = sorted(begun, key=lambda each: (moment(each.at) or _NEVER, each.run), reverse=True)[:_TRIED]
    ended = sorted((each for each in writers if not moment(each.begun)), key=lambda each: (each.at, each.run))
    before = [each for each in ended if may_have(moment(each.at))]
    yield from dict.fromkeys((*last, *longest, *before[::-1][:_TRIED], *ended[len(before) :][:_TRIED]))


def find_moved(source: RunSource, known: Row | None, maker: QualifiedName | None) -> Moved | None:
    """Return the run that a model's row says made it, if that is another than the one that is known now."""
    before = makers_of(known)
    for run in sorted(before - {maker}):
        parsed = parse(run)
        if parsed is None or parsed.workspace is None:
            continue
        try:
            tree = source.get_run_tree(parsed.workspace, parsed.run_id)
        except RecordNotFoundError:
            continue  # nothing of it is published again
        return Moved(run, qualified_names.of_run(parsed.workspace, tree.root_id))
    return None


def with_moved(plan: Plan, model: QualifiedName, moved: Moved | None) -> Plan:
    """Add that a model is no longer of the run that was said to have made it, which is published again."""
    if moved is None:
        return plan
    key = qualified_names.of_moved(moved.run)
    return replace(
        plan,
        models={**plan.models, key: plan.models.get(key, frozenset()) | {model}},
        owners={**plan.owners, key: moved.root},
        again=(moved.run,) if moved.root != plan.root else (),
    )


def makers_of(row: Row | None) -> frozenset[QualifiedName]:
    """Return the run that the ledger's row of a model says made it."""
    ends = (each.end for each in (row.evidence if row else ()) if not each.is_output)
    return frozenset(end.qualified_name for end in ends if end.type_name == STEP)


@dataclass(frozen=True, slots=True)
class NotedModels:
    """
    What the ledger notes of a run tree.

    Attributes:
        models: the models of each run, and under `of_maker` those of runs below it, whichever root they are noted at.
        added: those of `models` that the event at hand adds to.
        uses: by which others find the model at hand.
    """

    written: WrittenTree
    models: Mapping[QualifiedName, frozenset[QualifiedName]]
    added: Mapping[QualifiedName, frozenset[QualifiedName]] = field(default_factory=dict)
    uses: Mapping[QualifiedName, tuple[PlaceUse, ...]] = field(default_factory=dict)

    def makers(self) -> Iterator[tuple[str, str, frozenset[QualifiedName]]]:
        """Yield each run that stands for another, the other, which ran below it, and the models that made."""
        for key, models in self.models.items():
            if (parsed := qualified_names.parse(key)) and parsed.kind == "maker":
                yield parsed.run_id, parsed.name, models

    def by_run(self, tree: RunTree) -> dict[str, frozenset[QualifiedName]]:
        """Return the models that runs below those of a tree made, by the run that is shown for them; "" if none is."""
        found: dict[str, frozenset[QualifiedName]] = {}
        shown = {run.id for run in tree.runs}
        for _, below, models in self.makers():
            of_trial = qualified_names.of_run(tree.workspace.id, below) in self.written.fingerprints
            run_id = below if below in shown or of_trial else tree.represented_by.get(below, "")
            found[run_id] = found.get(run_id, frozenset()) | models
        return found

    def with_makers(self, source: RunSource, tree: RunTree, made: Producer | None = None) -> RunTree:
        """
        Return the tree with what the makers of models below its runs logged; `made` says that of the model at hand.

        A trial that is shown as a run of its own is read again only for a model of it; nothing of it changes later.
        """
        shown = {run.id for run in tree.runs}
        makers = {below: above for above, below, _ in self.makers() if above in shown}
        if made and made.below:
            makers[made.below] = made.run_id
        makers = {
            below: above
            for below, above in sorted(makers.items())
            if (made and below == made.below)
            or qualified_names.of_run(tree.workspace.id, below) not in self.written.fingerprints
        }
        return source.add_makers(tree, makers) if makers else tree

    def moved(
        self, ledger: Ledger, runs: Collection[QualifiedName], at_hand: Mapping[QualifiedName, Row]
    ) -> dict[QualifiedName, frozenset[QualifiedName]]:
        """Return the models that each run was once said to have made, and that are said to be of another by now."""
        once = {run: names for run in runs if (names := self.models.get(qualified_names.of_moved(run)))}
        rows = {**(ledger.get_rows(sorted(frozenset().union(*once.values()))) if once else {}), **at_hand}
        return {
            run: frozenset(name for name in names if run not in makers_of(rows.get(name)))
            for run, names in once.items()
        }
