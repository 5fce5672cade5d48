"""Finds where a model comes from if Azure ML does not say so: by who wrote its files, or who is noted as its maker."""

from dataclasses import dataclass

from shared.catalog import qualified_names
from shared.catalog.entities import Ref
from shared.catalog.kinds import MODEL, STEP
from shared.catalog.qualified_names import QualifiedName, parse
from shared.errors import RecordNotFoundError
from shared.model import ModelVersion, Producer, Run, RunTree, SeveralWriters, WorkspaceId, written_last
from shared.places.place import folders_above
from shared.places.platforms import place_of
from shared.ports import RunSource
from shared.state.ports import Ledger, PlaceUse, Row

_TRIED = 5
"""Runs that wrote one place of which the record is read, those that ended last."""


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
        if found := _find_writer(source, model, tuple(some.values())):
            return Origin(found, (use,))
    return Origin(None, (use,))


def _find_writer(
    source: RunSource, model: ModelVersion, writers: tuple[PlaceUse, ...]
) -> Producer | SeveralWriters | None:
    """Find the run that wrote a place last before a model was registered from it."""
    trees: dict[str, tuple[RunTree, Run, str]] = {}
    for use in sorted(writers, key=lambda each: each.at, reverse=True)[:_TRIED]:
        parsed = parse(use.run)
        if parsed is None or parsed.kind != "run" or parsed.workspace is None:
            continue  # a run that OpenLineage reported registers no model
        try:
            tree = source.get_run_tree(parsed.workspace, parsed.run_id)
        except RecordNotFoundError:
            continue
        shown = tree.represented_by.get(parsed.run_id, parsed.run_id)
        if run := next((run for run in tree.runs if run.id == shown), None):
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


def find_moved(source: RunSource, ledger: Ledger, model: QualifiedName, maker: QualifiedName | None) -> Moved | None:
    """Return the run that was noted to have made a model, if it is another than the one that is known now."""
    before = makers_of(ledger.get_rows([model]).get(model))
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


def makers_of(row: Row | None) -> frozenset[QualifiedName]:
    """Return the run that the ledger's row of a model says made it."""
    ends = (each.end for each in (row.evidence if row else ()) if not each.is_output)
    return frozenset(end.qualified_name for end in ends if end.type_name == STEP)
