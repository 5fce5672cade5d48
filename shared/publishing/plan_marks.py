"""Plans the mark of what Azure ML has archived, deleted or restored: lineage stays, and says that it is history."""

from dataclasses import dataclass, replace

from shared.catalog.entities import STATE, Entity
from shared.catalog.kinds import STEP
from shared.intake.event_types import Event
from shared.ports import Catalog
from shared.publishing.plan import About, Plan, Planner, Skip, root_of
from shared.state.ports import Row


@dataclass(frozen=True, slots=True)
class Mark:
    """
    The state to give to what a row of the ledger is about.

    Attributes:
        run: the event that publishes a run; its steps get the state.
    """

    row: Row
    state: str
    run: Event | None = None


@dataclass(frozen=True, slots=True)
class MarkPlanner:
    """Plans one mark; `run` plans what publishing the run would write."""

    catalog: Catalog
    mark: Mark
    run: Planner | None = None

    @property
    def about(self) -> About:
        row = self.mark.row
        return About(row.key, row.kind, f"{row.kind} {row.key}")

    def add_fact(self) -> None:
        """Add nothing: Azure ML is asked again with each tick."""

    def plan(self, *, force: bool = False) -> Plan | Skip:
        """Work out which entities get the state, whatever was written of them before; none that the catalog lacks."""
        row, entities = self.mark.row, tuple[Entity, ...]()
        root = root_of(row)
        if self.run:
            plan = self.run.plan(force=True)
            if isinstance(plan, Skip):
                return Skip(plan.reason)
            root = plan.root
            steps = [each for each in plan.entities if each.ref.type_name == STEP]
            here = self.catalog.find([each.ref.qualified_name for each in steps])
            # Its parent has to be named on every write of a step.
            entities = tuple(
                Entity(each.ref, self._attributes(each.attributes["name"]), parents=each.parents)
                for each in steps
                if each.ref.qualified_name in here
            )
        elif found := self.catalog.find([row.key]).get(row.key):
            entities = (Entity(found.ref, self._attributes(found.name), parents=dict(found.parents)),)
        noted = replace(row, status=self.mark.state)
        return Plan(self.about.words, root, entities, entities, (noted,), partial=True)

    def _attributes(self, name: str | bool) -> dict[str, str | bool]:
        return {"name": name, STATE: self.mark.state}
