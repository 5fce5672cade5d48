"""Finds endpoints that changed without an event: a v2 deployment may raise none."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from shared.catalog.qualified_names import QualifiedName
from shared.intake.event_types import Event
from shared.intake.synthetic_events import event_about, key_of
from shared.ports import Inventory, Listed
from shared.publishing.engine import Publisher
from shared.publishing.plan import Plan
from shared.reconciling.coverage import Gap
from shared.reconciling.missed_events import MissedEventFinder
from shared.reconciling.progress import KnownEndpoint

DEPLOYMENTS = 3
"""Endpoints in one tick whose deployments are listed though the endpoints themselves say what they said before."""
CHANGED = 50
"""Endpoints in one tick that are read because they, or their deployments, say something else."""


@dataclass
class ChangedEndpointFinder:
    """
    One workspace, one tick.

    The lists of endpoints cost a request for each kind of endpoint. What they say of an endpoint is compared with what
    they said when it was read last. Its deployments are not in them: those of a few endpoints are listed in each tick.

    Attributes:
        present: the ledger's names of the endpoints there are, and of the deployments of those that were read.
        read_keys: the endpoints that were read in this tick, so that all of their deployments are known.
        is_whole: all endpoints are known by their names.
    """

    missed: MissedEventFinder
    inventory: Inventory
    publisher: Publisher
    read: Callable[[str], Event]
    now: Callable[[], datetime]
    present: set[QualifiedName] = field(default_factory=set)
    read_keys: set[QualifiedName] = field(default_factory=set)
    is_whole: bool = False

    def look_at_endpoints(self) -> None:
        """
        Read endpoints that say something else, and put an event on the queue where the catalog would change.

        Those that were read longest ago are first, whether they could be read or not.
        """
        missed, progress, workspace = self.missed, self.missed.progress, self.missed.workspace
        listed = self.inventory.list_endpoints(workspace)
        missed.note_unreadable(listed)
        self.is_whole = all(item.name for item in listed)
        items = {str(key_of(workspace, item)): item for item in listed if not item.problem}
        self.present |= {key_of(workspace, item) for item in listed}
        known = {key: progress.endpoints.get(key, KnownEndpoint()) for key in items}
        same = {key for key in items if _of_list(known[key].said) == items[key].digest and key not in progress.gaps}
        in_turn = sorted(items, key=lambda key: known[key].at)
        for key in [key for key in in_turn if key not in same][:CHANGED]:
            self._look_at(key, items[key], known[key])
        for key in [key for key in in_turn if key in same][:DEPLOYMENTS]:
            self._look_at(key, items[key], known[key])
        progress.endpoints = known
        progress.totals["endpoint"] = len(items)
        progress.complete["endpoint"] = all(each.at for each in known.values())
        progress.gaps = {key: gap for key, gap in progress.gaps.items() if gap.kind != "endpoint" or key in items}

    def _look_at(self, key: str, item: Listed, known: KnownEndpoint) -> None:
        """Read one endpoint, unless it and its deployments say what they said."""
        missed = self.missed
        if missed.tick.is_over:
            return
        known.at = self.now().isoformat()
        if why := missed.tick.attempt(partial(self._read, key, item, known), endpoint=item.name):
            known.said = ""
            missed.progress.note_failure(key, Gap("endpoint", item.name, "", why), now=self.now())

    def _read(self, key: str, item: Listed, known: KnownEndpoint) -> None:
        """Plan an endpoint, and note what it says: nothing while the catalog lacks what it says now."""
        missed, name = self.missed, QualifiedName(key)
        deployments = self.inventory.digest_deployments(missed.workspace, item)
        if known.said == _said(item, deployments) and key not in missed.progress.gaps:
            return
        known.said = ""
        plan = self.publisher.plan(self.read(event_about(missed.workspace, item, now=self.now())))
        if not isinstance(plan, Plan):
            self.read_keys.add(name)
            return
        if not any(row.key == name and row.reason for row in plan.rows):  # otherwise there may be more of them
            self.read_keys.add(name)
        self.present |= {row.key for row in plan.rows}
        if not plan.changed:
            self._note_history(plan)
            missed.progress.gaps.pop(key, None)
            known.said = _said(item, deployments)
            return
        before = missed.progress.gaps.get(key)
        if before is None or not missed.is_waiting(name, before):
            missed.enqueue(item, "its deployments differ from what was published; it is on the queue")

    def _note_history(self, plan: Plan) -> None:
        """Go on with the serving history where the catalog stays as it is, as when a deployment was deleted."""
        rows = {row.key: row for row in plan.rows if row.kind == "serving"}
        ledger = self.missed.state.ledger
        known = ledger.get_rows(rows)
        ledger.put_rows(row for key, row in rows.items() if key not in known or known[key].served != row.served)


def _said(item: Listed, deployments: str) -> str:
    return f"{item.digest} {deployments}"


def _of_list(said: str) -> str:
    return said.partition(" ")[0]
