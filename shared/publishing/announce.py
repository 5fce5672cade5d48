"""Tells others of lineage once the catalog has it: each news at least once, and nothing that was told before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.catalog.qualified_names import QualifiedName
from shared.errors import AnnouncementRefusedError, RequestRefusedError
from shared.intake.event_types import Event
from shared.ports import Announcement, Outlet
from shared.publishing.plan import Plan
from shared.state.ports import Ledger

_RENEW_AFTER = 10
"""So many announcements fit into half a lease, each with all its retries."""


@dataclass(frozen=True, slots=True)
class Announcer:
    """
    The use case after publishing.

    What was told is noted in the ledger after it was sent, apart from what was written: a message that comes back
    because nobody listened finds the catalog up to date and tells the rest.
    """

    outlet: Outlet
    ledger: Ledger

    def list_news(self, event: Event, plan: Plan, *, force: bool = False) -> Sequence[Announcement]:
        """Return what has not been told of a plan's processes, or everything."""
        announcements = self.outlet.translate(plan.entities, at=event.time)
        if force:
            return announcements
        told = self.ledger.get_fingerprints({_note(name) for each in announcements for name in each.fingerprints})
        return [each for each in announcements if not _notes(each).items() <= told.items()]

    def announce(self, news: Sequence[Announcement], *, before_some: Callable[[], None] = lambda: None) -> None:
        """
        Tell news, and note what was told, also if it is not all.

        Args:
            before_some: called now and then, to see whether it is still ours to tell.

        Raises:
            AnnouncementRefusedError: some were refused, and all the others were told.
        """
        told: dict[QualifiedName, str] = {}
        refused: dict[str, str] = {}
        try:
            for position, each in enumerate(news):
                if position % _RENEW_AFTER == 0:
                    before_some()
                try:
                    self.outlet.send(each)
                except RequestRefusedError as error:
                    refused[each.process] = str(error)
                else:
                    told |= _notes(each)
        finally:
            if told:
                self.ledger.put_fingerprints(told)
        if refused:
            raise AnnouncementRefusedError(refused)


def _notes(announcement: Announcement) -> Mapping[QualifiedName, str]:
    return {_note(name): fingerprint for name, fingerprint in announcement.fingerprints.items()}


def _note(name: QualifiedName) -> QualifiedName:
    """Name the note of what was told; the same name without prefix is that of what was written."""
    return QualifiedName(f"told/{name}")
