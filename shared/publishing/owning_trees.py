"""Tells in whose tree the ledger keeps the models of a run: a step that others reuse belongs to several."""

from collections.abc import Mapping

from shared.catalog import qualified_names
from shared.catalog.qualified_names import QualifiedName
from shared.model import RunTree
from shared.state.ports import Ledger, Tree


def homes_of(tree: RunTree) -> dict[QualifiedName, QualifiedName]:
    """Map each run of a tree to the root it ran below, which is not this tree's if the step was reused."""
    return {
        qualified_names.of_run(tree.workspace.id, run.id): qualified_names.of_run(
            tree.workspace.id, run.root_id or tree.root_id
        )
        for run in tree.runs
    }


def models_below(
    ledger: Ledger, homes: Mapping[QualifiedName, QualifiedName], written: Tree, *, root: QualifiedName
) -> dict[QualifiedName, frozenset[QualifiedName]]:
    """
    Return the models of each run, as whoever published it last noted them: below this root or in the run's own tree.

    Args:
        written: what the ledger keeps below `root`.
    """
    known = dict(written.models)
    for home in sorted({*homes.values()} - {root}):
        for run, models in ledger.get_tree(home).models.items():
            known[run] = known.get(run, frozenset()) | models
    return known
