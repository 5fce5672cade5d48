"""Every error the product raises on purpose, and whether a retry may help.

LineageError
  TransientError            a retry may help: the message comes back
    ServiceUnavailableError   429, 408, 423, 5xx, timeout, cut connection, a conflict that passes
    AccessDeniedError         401, 403: most often a role that has not propagated yet
    RunNotSettledError        the event arrived before the record it is about
    LeaseHeldError            another worker is publishing the same, or took over from us
      ClaimHeldError            another worker is creating the same entity
  TerminalError             a retry cannot help: the message is dead-lettered
    MalformedEventError       a field is missing or wrong
    ForeignWorkspaceError     a workspace outside LINEAGE_WORKSPACES
    ForeignJobError           a job outside LINEAGE_OPENLINEAGE_JOBS
    RecordNotFoundError       Azure ML has no such run, model or endpoint
    RequestRefusedError       a service refused the request itself (another 4xx)
    UnreadableAnswerError     a service answered in a shape we do not know
    EntityRejectedError       the catalog refused an entity
    AnnouncementRefusedError  the OpenLineage receiver rejected an event; the catalog has the lineage
  ConfigurationError        an app setting is missing or wrong; names every bad one at once
"""

from collections.abc import Mapping, Sequence


class LineageError(Exception):
    """The base of all errors; `reason` is the word that dead letters and logs group by."""

    @property
    def reason(self) -> str:
        return type(self).__name__.removesuffix("Error")


class TransientError(LineageError):
    """A retry may help."""


class ServiceUnavailableError(TransientError):
    """The service throttles, is down or not ready, or was too slow; `retry_after` in seconds, if it said so."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AccessDeniedError(TransientError):
    """The service answered 401 or 403. Role assignments take minutes to arrive, so this comes back."""


class RunNotSettledError(TransientError):
    """The record does not yet show what the event announced."""


class LeaseHeldError(TransientError):
    """
    Another worker is publishing the same run tree, or took it over because we were too slow.

    Attributes:
        overwrote: whether our last request may have undone what that worker wrote; then all is written once more.
    """

    overwrote = False


class ClaimHeldError(LeaseHeldError):
    """Another worker is creating an entity that we were to create; it will be there in a moment."""


class TerminalError(LineageError):
    """A retry cannot help."""


class MalformedEventError(TerminalError):
    """The event cannot be read; `field` names what is missing or wrong, as `data.runId`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


class ForeignWorkspaceError(TerminalError):
    """The event comes from a workspace that is not on the allow-list; no call was made."""

    def __init__(self, workspace_id: str) -> None:
        super().__init__(f"topic: workspace {workspace_id} is not in LINEAGE_WORKSPACES")
        self.workspace_id = workspace_id


class ForeignJobError(TerminalError):
    """An OpenLineage event comes from a job whose namespace is not on the allow-list."""

    def __init__(self, namespace: str) -> None:
        super().__init__(f"job.namespace: {namespace} is not in LINEAGE_OPENLINEAGE_JOBS")
        self.namespace = namespace


class RecordNotFoundError(TerminalError):
    """Azure ML does not have what the event is about: it was deleted, or never existed."""


class RequestRefusedError(TerminalError):
    """A service refused the request; `status` is its HTTP status, `code` its own error code, if any."""

    def __init__(self, message: str, *, status: int, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class UnreadableAnswerError(TerminalError):
    """A service answered in a shape we do not know; bringing the message back would show us the same."""


class EntityRejectedError(TerminalError):
    """The catalog refused entities; `rejections` maps each qualifiedName to the catalog's words."""

    def __init__(self, rejections: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {words}" for name, words in sorted(rejections.items())))
        self.rejections = dict(rejections)


class AnnouncementRefusedError(TerminalError):
    """The OpenLineage receiver rejected events; `refusals` maps the qualifiedName of each process to its answer."""

    def __init__(self, refusals: Mapping[str, str]) -> None:
        first, *more = sorted(refusals.items())
        others = f"; so were {len(more)} more" if more else ""
        super().__init__(f"{first[1]} (about {first[0]}){others}")
        self.refusals = dict(refusals)


def describe_refusal(error: LineageError) -> str:
    """Say why something cannot be read, in the same words each time: the id of a request would be another each time."""
    match error:
        case RequestRefusedError(status=status) if status:
            return f"HTTP {status}"
        case RecordNotFoundError():
            return "Azure ML has no such record"
        case AccessDeniedError():
            return "access is denied"
    return "the answer is not of a form that is known here"


class ConfigurationError(LineageError):
    """App settings are missing or wrong; `problems` has one sentence for each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
