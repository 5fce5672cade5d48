"""Finds endpoints that changed without an event: a v2 deployment may raise none."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from shared.catalog.qualified_names import QualifiedName
from shared.intake.event_types import Event
from shared.intake.synthetic_events import event_about, key_of
from shared.ports import Inventory, Listed
from shared.publishing.engine import Publisher
from shared.publishing.plan import Plan
from shared.reconciling.missed_events import MissedEventFinder

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
    """

    missed: MissedEventFinder
    inventory: Inventory
    publisher: Publisher
    read: Callable[[str], Event]
    now: Callable[[], datetime]
    present: set[QualifiedName] = field(default_factory=set)
    read_keys: set[QualifiedName] = field(default_factory=set)

    def look_at_endpoints(self) -> None:
        """Read endpoints that say something else, and put an event on the queue where the catalog would change."""
        progress, workspace = self.missed.progress, self.missed.workspace
        items = {str(key_of(workspace, item)): item for item in self.inventory.list_endpoints(workspace)}
        self.present |= {QualifiedName(key) for key in items}
        known = {key: said for key, said in progress.endpoints.items() if key in items}
        gaps = progress.gaps
        same = {key for key, said in known.items() if _of_list(said) == items[key].digest and key not in gaps}
        changed = [key for key in items if key not in same]
        for key in changed[:CHANGED]:
            known.pop(key, None)
            known[key] = self._read(key, items[key], self.inventory.digest_deployments(workspace, items[key]))
        # Those that were looked at longest ago are first.
        for key in [key for key in known if key in same][:DEPLOYMENTS]:
            item, said = items[key], known.pop(key)
            deployments = self.inventory.digest_deployments(workspace, item)
            known[key] = said if said == _said(item, deployments) else self._read(key, item, deployments)
        progress.endpoints = known
        progress.totals["endpoint"] = len(items)
        progress.complete["endpoint"] = len(known) == len(items)
        progress.gaps = {key: gap for key, gap in progress.gaps.items() if gap.kind != "endpoint" or key in items}

    def _read(self, key: str, item: Listed, deployments: str) -> str:
        """Plan an endpoint, and return what to remember of it: nothing while the catalog lacks what it says now."""
        missed, name = self.missed, QualifiedName(key)
        plan = self.publisher.plan(self.read(event_about(missed.workspace, item, now=self.now())))
        if not isinstance(plan, Plan):
            self.read_keys.add(name)
            return ""
        if not any(row.key == name and row.reason for row in plan.rows):  # otherwise there may be more of them
            self.read_keys.add(name)
        self.present |= {row.key for row in plan.rows}
        if not plan.changed:
            self._note_history(plan)
            missed.progress.gaps.pop(key, None)
            return _said(item, deployments)
        before = missed.progress.gaps.get(key)
        if before is None or not missed.is_waiting(name, before):
            missed.enqueue(item, "its deployments differ from what was published; it is on the queue")
        return ""

    def _note_history(self, plan: Plan) -> None:
        """Go on with the serving history where the catalog stays as it is, as when a deployment was deleted."""
        rows = {row.key: row for row in plan.rows if row.kind == "serving"}
        ledger = self.missed.state.ledger
        known = ledger.get_rows(rows)
        ledger.put_rows(row for key, row in rows.items() if key not in known or known[key].served != row.served)


def _said(item: Listed, deployments: str) -> str:
    return f"{item.digest} {deployments}"


def _of_list(said: str | None) -> str:
    return (said or "").partition(" ")[0]
