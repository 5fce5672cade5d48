"""Whether queue, ledger and dead letters exist and may be used, and what the ledger says of the app's work."""

import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from cli.admin.checks.check import Check, ProblemError, UncheckedError
from cli.admin.checks.machine import Resolve, check_account
from cli.admin.management.arm import STORAGE_ACCOUNTS
from cli.admin.management.clients import Management
from cli.options import AppDeployment
from shared.bootstrap import Services
from shared.intake.deliver import LastEventNote
from shared.reconciling.progress import read_coverage
from shared.settings import StorageAccount

_DAY = timedelta(days=1)
_ROLES = (
    "Give the app and yourself Storage Blob Data Contributor, Storage Queue Data Contributor and Storage Table Data "
    "Contributor on the storage account; queues, table and containers are made by the deployment (`azd provision`)."
)


def check_state(
    services: Services, management: Management, deployment: AppDeployment, resolve: Resolve
) -> Iterator[Check]:
    """Yield checks of the three stores. The queue is only read: a message of ours would be worked on."""
    storage = services.settings.storage
    if deployment.storage_account_id and isinstance(storage, StorageAccount):
        yield check_account(
            "storage: account",
            lambda: management.arm.get(deployment.storage_account_id, STORAGE_ACCOUNTS),
            storage.blob_endpoint,
            resolve,
            zone=services.cloud.private_zone(f"blob.{services.cloud.storage}"),
        )
    yield Check("storage: queue", _probe_queue(services), _ROLES)
    yield Check("storage: ledger", _probe_ledger(services), _ROLES)
    yield Check("storage: dead letters", _probe_dead_letters(services), _ROLES)


def check_history(services: Services) -> Iterator[Check]:
    """Yield checks of what the app has done so far."""
    yield Check("events: last one seen", _probe_last_event(services), "See the checks of storage.")
    yield Check("coverage", _probe_coverage(services), "See the checks of storage.")
    yield Check("dead letters", _probe_open_letters(services), "See the checks of storage.")


def _probe_queue(services: Services) -> Callable[[], str]:
    def probe() -> str:
        waiting = services.queue.count()
        return f"{waiting} {'message waits' if waiting == 1 else 'messages wait'}"

    return probe


def _probe_ledger(services: Services) -> Callable[[], str]:
    def probe() -> str:
        name = f"doctor/{uuid.uuid4()}"
        services.state.notes.put(name, {"at": services.now().isoformat()})
        services.state.notes.get(name)
        services.state.notes.forget(name)
        return "a row was written, read and deleted"

    return probe


def _probe_dead_letters(services: Services) -> Callable[[], str]:
    def probe() -> str:
        services.dead_letters.get("doctor")
        return "can be read"

    return probe


def _probe_last_event(services: Services) -> Callable[[], str]:
    def probe() -> str:
        seen = LastEventNote.read(services.state.notes)
        if seen is None:
            raise UncheckedError("no event has come from Event Grid yet; look again after the next run")
        return f"{seen.event_type} at {seen.at:%Y-%m-%d %H:%M} UTC"

    return probe


def _probe_coverage(services: Services) -> Callable[[], str]:
    def probe() -> str:
        coverages = read_coverage(services.state.notes, now=services.now(), scopes=services.allowed.prefixes)
        if not coverages:
            raise UncheckedError("the timer `reconcile` has not looked through any workspace yet")
        words = ", ".join(f"{each.workspace.rpartition('/')[2]} {each.percent} %" for each in coverages)
        stale = [each.at for each in coverages if each.at and services.now() - datetime.fromisoformat(each.at) > _DAY]
        if stale:
            raise ProblemError(
                f"{words}; last looked at {min(stale)}",
                "The timer `reconcile` does not run or fails: look at RECONCILE_SCHEDULE and at the app's log.",
            )
        if problems := [f"{each.workspace}: {each.problem}" for each in coverages if each.problem]:
            raise ProblemError(
                f"{words}; {'; '.join(problems)}", "Give the app its role there, or take it out of LINEAGE_WORKSPACES."
            )
        if any(each.complete and each.gaps for each in coverages):
            raise ProblemError(words, "`lineage status` names every gap with its reason.")
        return words

    return probe


def _probe_open_letters(services: Services) -> Callable[[], str]:
    def probe() -> str:
        letters = services.dead_letters.count_open()
        if letters:
            raise ProblemError(
                f"{sum(each.count for each in letters.values())} open: {', '.join(letters)}",
                "docs/runbook.md says what each reason means; `lineage status` has the command for each.",
            )
        return "none is open"

    return probe
