"""The state of the emulated Azure ML: its workspaces, and runs that change while they are being read."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from emulator.azure_ml.content.lifecycle import Lifecycle
from emulator.azure_ml.content.run_families import Families, FamilyRuns
from emulator.azure_ml.content.runs import TERMINAL, Run
from emulator.azure_ml.content.seed import read_workspaces
from emulator.azure_ml.content.workspace import Workspace
from emulator.azure_ml.errors import not_found, subscription_not_found, workspace_not_found
from emulator.merge import merge


@dataclass(slots=True)
class Transitions:
    """A scripted run: ``statuses`` one at each read, after ``hidden_reads`` reads that find no record."""

    statuses: list[str]
    hidden_reads: int


class AzureML:
    """All workspaces the emulator knows."""

    def __init__(self, seed: Mapping[str, object], families: Mapping[str, Families] | None = None) -> None:
        self._families = families or {}
        self._transitions: dict[str, Transitions] = {}
        self._lifecycles: defaultdict[str, Lifecycle] = defaultdict(Lifecycle)
        self._load(dict(seed), {})

    def merge(self, fragment: Mapping[str, object]) -> None:
        """Add to the state; a bad fragment raises ValueError and changes nothing. What it names is deleted no more."""
        self._load(merge(self._seed, self._dated(fragment)), fragment)

    def _dated(self, fragment: Mapping[str, Any]) -> dict[str, Any]:
        """Let versions of data and models that a fragment changes be modified now, unless it says when."""
        dates: dict[str, Any] = {}
        now = datetime.now(UTC).isoformat()
        for name, parts in fragment.get("workspaces", {}).items():
            before = next((each for each in self._as_seeded.values() if each.names.workspace == name), None)
            for kind in ("data", "models") if before else ():
                known = {version.label for version in before.assets(kind).values()} if before else set()
                changed = {
                    label: {"modified_at": now}
                    for label, node in ((parts or {}).get(kind) or {}).items()
                    if isinstance(node, Mapping) and "modified_at" not in node and label in known
                }
                dates = merge(dates, {"workspaces": {name: {kind: changed}}}) if changed else dates
        return merge(fragment, dates)

    def _load(self, seed: dict[str, object], fragment: Mapping[str, Any]) -> None:
        workspaces = read_workspaces(seed, self._families)
        self._as_seeded = {_key(w.names.id): w for w in workspaces.values()}
        for name, node in fragment.get("workspaces", {}).items():
            self._lifecycles[_key(workspaces[name].names.id)].revive(node)
        self._seed = seed
        self._workspaces = {key: self._lifecycles[key].applied_to(w) for key, w in self._as_seeded.items()}

    def dump(self) -> dict[str, object]:
        """Give the state as a seed document, with the statuses that its runs show at present; families are left out."""
        runs = [w.runs.seeded if isinstance(w.runs, FamilyRuns) else w.runs for w in self.workspaces()]
        statuses = {run.id: self.current(run).status for each in runs for run in each.values()}
        lifecycles = {
            workspace.names.id: self._lifecycles[key].to_json() for key, workspace in self._workspaces.items()
        }
        return {**self._seed, "run_statuses": statuses, "lifecycles": lifecycles}

    def archive(self, workspace: str | None, kind: str, name: str, version: str | None, *, archived: bool) -> None:
        """Archive something or restore it; a ValueError tells what is not there or cannot be archived."""
        key = self._pick(workspace)
        self._lifecycles[key].archive(self._workspaces[key], kind, name, version, archived)

    def delete(self, workspace: str | None, kind: str, name: str, version: str | None, deployment: str | None) -> None:
        """Delete something for good; a ValueError tells what is not there or cannot be deleted."""
        key = self._pick(workspace)
        self._lifecycles[key].delete(self._workspaces[key], kind, name, version, deployment)
        self._workspaces[key] = self._lifecycles[key].applied_to(self._as_seeded[key])

    def _pick(self, workspace: str | None) -> str:
        """Find the key of a workspace by name or ARM id; the only one needs no name."""
        wanted = (workspace or "").lower()
        found = [key for key, w in self._workspaces.items() if wanted in ("", key, w.names.workspace.lower())]
        if len(found) != 1:
            raise ValueError(f"name one workspace of {', '.join(self.workspace_ids())}, not {workspace!r}")
        return found[0]

    def workspaces(self) -> Iterable[Workspace]:
        """List the workspaces in the order of the seed."""
        return self._workspaces.values()

    def workspace_ids(self) -> list[str]:
        """List the ARM ids of the workspaces."""
        return [workspace.names.id for workspace in self.workspaces()]

    def check_subscription(self, subscription: str) -> None:
        """Refuse a subscription that nothing is in, as Azure Resource Manager does before it asks a provider."""
        if not any(key.startswith(_key(f"/subscriptions/{subscription}/")) for key in self._workspaces):
            raise subscription_not_found(subscription)

    def workspace(self, subscription: str, resource_group: str, name: str) -> Workspace:
        """Find a workspace; the case of its id does not matter."""
        self.check_subscription(subscription)
        prefix = f"/subscriptions/{subscription}/resourceGroups/{resource_group}"
        found = self._workspaces.get(_key(f"{prefix}/providers/Microsoft.MachineLearningServices/workspaces/{name}"))
        if found is None:
            raise workspace_not_found(name, resource_group)
        return found

    def set_transitions(self, run_id: str, *, statuses: Sequence[str], visible_after_reads: int) -> None:
        """Script a run, whether it exists yet or not."""
        self._transitions[run_id] = Transitions(list(statuses), visible_after_reads)

    def read_run(self, workspace: Workspace, run_id: str) -> Run:
        """Read a run's record, which moves its script on; raises if there is none (yet)."""
        run = workspace.runs.get(run_id)
        if run is None:
            raise not_found("Run", run_id)
        script = self._transitions.get(run_id)
        if script is None:
            return run
        if script.hidden_reads > 0:
            script.hidden_reads -= 1
            raise not_found("Run", run_id)
        shown = self.current(run)
        if len(script.statuses) > 1:
            script.statuses.pop(0)
        return shown

    def current(self, run: Run) -> Run:
        """Give a run as lists show it, without moving its script on."""
        script = self._transitions.get(run.id)
        return _with_status(run, script.statuses[0]) if script and script.statuses else run

    def is_visible(self, run: Run) -> bool:
        """Whether lists show the run already."""
        script = self._transitions.get(run.id)
        return script is None or script.hidden_reads == 0


def _with_status(run: Run, status: str) -> Run:
    """A run that has not ended has only its ``default`` output so far: outputs are registered at the end."""
    outputs = run.outputs if status in TERMINAL else {k: v for k, v in run.outputs.items() if k == "default"}
    return replace(run, status=status, outputs=outputs)


def _key(workspace_id: str) -> str:
    return workspace_id.lower()
