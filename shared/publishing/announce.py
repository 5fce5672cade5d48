"""Sends lineage to others once the catalog has it: each change at least once, and nothing that was sent before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.catalog.qualified_names import QualifiedName
from shared.errors import AnnouncementRefusedError, RequestRefusedError
from shared.ports import Announcement, Outlet
from shared.publishing.plan import Plan
from shared.state.ports import Ledger

_RENEW_AFTER = 10
"""So many announcements fit into half a lease, each with all its retries."""


@dataclass(frozen=True, slots=True)
class Announcer:
    """
    The use case after publishing.

    What was sent is noted in the ledger afterwards, apart from what was written: a message that comes back because
    the receiver was down finds the catalog up to date and sends the rest.
    """

    outlet: Outlet
    ledger: Ledger

    def list_unsent(self, plan: Plan, *, force: bool = False) -> Sequence[Announcement]:
        """Return what has not been sent of a plan's processes, or everything; nothing of what is never sent."""
        if plan.announced_at is None:
            return ()
        announcements = self.outlet.translate(plan.entities, at=plan.announced_at)
        if force:
            return announcements
        sent = self.ledger.get_fingerprints({_note(name) for each in announcements for name in each.fingerprints})
        return [each for each in announcements if not _notes(each).items() <= sent.items()]

    def send(self, unsent: Sequence[Announcement], *, before_some: Callable[[], None] = lambda: None) -> None:
        """
        Send announcements, and note those that were sent, also if it is not all.

        Args:
            before_some: called now and then, to see whether we still hold the lease.

        Raises:
            AnnouncementRefusedError: some were refused, and all the others were sent.
        """
        sent: dict[QualifiedName, str] = {}
        refused: dict[str, str] = {}
        try:
            for position, each in enumerate(unsent):
                if position % _RENEW_AFTER == 0:
                    before_some()
                try:
                    self.outlet.send(each)
                except RequestRefusedError as error:
                    refused[each.process] = str(error)
                else:
                    sent |= _notes(each)
        finally:
            if sent:
                self.ledger.put_fingerprints(sent)
        if refused:
            raise AnnouncementRefusedError(refused)


def _notes(announcement: Announcement) -> Mapping[QualifiedName, str]:
    return {_note(name): fingerprint for name, fingerprint in announcement.fingerprints.items()}


def _note(name: QualifiedName) -> QualifiedName:
    """Name the note of what was sent; the same name without prefix is that of what was written."""
    return QualifiedName(f"told/{name}")
