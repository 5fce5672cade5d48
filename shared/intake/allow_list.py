"""Whose events are taken, and the reading of an event that is: it happens before any call is made."""

from dataclasses import dataclass

from shared.catalog.qualified_names import workspace_of
from shared.errors import ForeignJobError, ForeignWorkspaceError
from shared.intake.envelopes import event_type_of, is_openlineage_body, parse_envelope
from shared.intake.event_types import Event, is_known, parse_event
from shared.model import WorkspaceId
from shared.openlineage.incoming_events import RunEvent, read_run_event, why_skipped
from shared.publishing.plan import AnyEvent, Skip

_IN_WORKSPACE = 8
"""Parts of the name of a workspace, with which the names of all its assets begin."""


@dataclass(frozen=True, slots=True)
class AllowList:
    """
    Whose events we take.

    Attributes:
        prefixes: ARM ids of workspaces, or prefixes of them (a subscription, a resource group).
        jobs: namespaces of jobs that OpenLineage may report; one that ends in `*` stands for all that begin so.
    """

    prefixes: tuple[str, ...]
    jobs: tuple[str, ...] = ()

    def check(self, workspace: WorkspaceId) -> None:
        """
        Raises:
            ForeignWorkspaceError: the workspace is not on the list.
        """
        if not self.takes(workspace):
            raise ForeignWorkspaceError(workspace.arm_id)

    def takes(self, workspace: WorkspaceId) -> bool:
        """Whether a workspace is on the list."""
        arm_id = f"{workspace.arm_id.lower()}/"
        return any(arm_id.startswith(f"{prefix.lower().rstrip('/')}/") for prefix in self.prefixes)

    def holds(self, name: str) -> bool:
        """
        Whether Azure ML itself says who wrote what has a name: it is in a registry, or in a workspace on the list.

        >>> allowed = AllowList(("/subscriptions/s/resourceGroups/g",))
        >>> allowed.holds("azureml://subscriptions/S/resourceGroups/G/workspaces/w/models/churn/versions/1")
        True
        >>> allowed.holds("azureml://subscriptions/s/resourcegroups/other/workspaces/w/data/loan/versions/1")
        False
        """
        name = name.lower()
        workspace = workspace_of("/".join(name.split("/")[:_IN_WORKSPACE]))
        return name.startswith("azureml://registries/") or (workspace is not None and self.takes(workspace))

    def takes_job(self, namespace: str) -> bool:
        """
        Whether the namespace of a job is on the list, or is a workspace that is: what comes from there is skipped.

        >>> AllowList((), ("synapse://ws", "dbx*")).takes_job("dbx-prod"), AllowList((), ("ws",)).takes_job("ws2")
        (True, False)
        """
        workspace = workspace_of(namespace)
        return (workspace is not None and self.takes(workspace)) or any(
            namespace.startswith(entry[:-1]) if entry.endswith("*") else namespace == entry for entry in self.jobs
        )


def read_any_event(body: str, allowed: AllowList) -> AnyEvent | Skip:
    """
    Read an event of any sender, or say why nothing is published of it; new types must not fill the dead letters.

    Raises:
        MalformedEventError, ForeignWorkspaceError, ForeignJobError
    """
    if is_openlineage_body(body):
        return read_job_event(body, allowed)
    event_type = event_type_of(body)
    if event_type and not is_known(event_type):
        return Skip(f"events of type {event_type} are not known")
    return read_event(body, allowed)


def read_event(body: str, allowed: AllowList) -> Event:
    """
    Read an event of Azure ML and check where it comes from.

    Raises:
        MalformedEventError, ForeignWorkspaceError
    """
    event = parse_event(parse_envelope(body))
    allowed.check(event.workspace)
    return event


def read_job_event(body: str, allowed: AllowList) -> RunEvent | Skip:
    """
    Read an OpenLineage event and check whose it is.

    Raises:
        MalformedEventError, ForeignJobError
    """
    if reason := why_skipped(body):
        return Skip(reason)
    event = read_run_event(body)
    for namespace in event.namespaces:
        workspace = workspace_of(namespace)
        if workspace and allowed.takes(workspace):
            return Skip(f"job.namespace: the runs of workspace {workspace.name} are read from Azure ML itself")
    for namespace in event.namespaces:
        if not allowed.takes_job(namespace):
            raise ForeignJobError(namespace)
    return event
