"""The only place that constructs clients, and not before they are needed: importing this touches nothing."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from shared.clouds import BY_ARM_ENDPOINT, PUBLIC, Cloud
from shared.intake.allow_list import AllowList
from shared.intake.deliver import Deliveries, LastEventNote
from shared.intake.message import RECONCILE, decode_body
from shared.intake.receive import enqueue
from shared.publishing.announce import Announcer
from shared.publishing.engine import Publisher
from shared.publishing.labels import ClassificationLabels
from shared.reconciling.progress import note_unmarked
from shared.reconciling.reconcile import Reconciler
from shared.settings import Settings, wants_application_insights, wants_console
from shared.state.ports import DeadLetters, Ledger, Message, Queue, State
from shared.telemetry import AZURE_ML, CATALOG, record_request, start_exporting

if TYPE_CHECKING:
    import azure.functions as func
    from azure.core.credentials import TokenCredential
    from azure.core.pipeline.transport import RequestsTransport

    from shared.azure_ml.run.resolver import Resolver
    from shared.azure_ml.services.inventory import Inventory
    from shared.azure_ml.services.sdk import SdkClient
    from shared.http.rest import RestClient
    from shared.intake.replay import Undelivered
    from shared.model import WorkspaceId
    from shared.openlineage.outgoing import OpenLineageOutlet
    from shared.purview.catalog import PurviewCatalog
    from shared.purview.reader import LineageReader
    from shared.purview.transport import PurviewClient

_ASKED_AT_ONCE = 16
"""Workspaces that readiness reaches side by side."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@cache
def services() -> "Services":
    """
    Return the services of this process, made of its environment, and see to its logs and telemetry.

    Raises:
        ConfigurationError
    """
    start_telemetry()
    return Services(Settings.from_env(os.environ))


def start_telemetry() -> None:
    """See to the logs and the telemetry of this process, also where its settings are wrong: that is to be seen."""
    # azure-core's INFO lines hold whole requests, and there are ten for each message.
    logging.getLogger("azure").setLevel(logging.WARNING)
    start_exporting(wanted=wants_application_insights(os.environ), console=wants_console(os.environ))


def to_message(message: "func.QueueMessage") -> Message:
    """Translate a message of the Functions host, which host.json keeps from decoding it."""
    body = decode_body(message.get_body().decode("utf-8", errors="replace"))
    return Message(message.id or "", body, message.dequeue_count or 1, message.pop_receipt or "")


@dataclass
class Services:
    """Everything a handler needs, each made on first use and then kept."""

    settings: Settings
    now: Callable[[], datetime] = utc_now

    @property
    def cloud(self) -> Cloud:
        return BY_ARM_ENDPOINT.get(self.settings.arm_endpoint.casefold(), PUBLIC)

    @property
    def allowed(self) -> AllowList:
        return AllowList(self.settings.workspaces, self.settings.openlineage_jobs)

    @property
    def deliveries(self) -> Deliveries:
        return Deliveries(
            self.state.queue,
            self.state.dead_letters,
            self.state.notes,
            self.publisher,
            self.allowed,
            self.last_event,
            now=self.now,
        )

    @cached_property
    def last_event(self) -> LastEventNote:
        return LastEventNote(self.state.notes, self.now)

    @cached_property
    def state(self) -> State:
        if isinstance(self.settings.storage, Path):
            from shared.state.sqlite import open_state

            return open_state(str(self.settings.storage), now=self.now)
        from shared.state.azure_storage import open_state as open_azure_state

        return open_azure_state(self.settings.storage, token=lambda: self.credential, now=self.now)

    @cached_property
    def undelivered(self) -> "Undelivered | None":
        """What Event Grid could not deliver; None with a SQLite file, where it leaves nothing."""
        if isinstance(self.settings.storage, Path):
            return None
        from shared.state.azure_storage import open_undelivered

        return open_undelivered(self.settings.storage, token=lambda: self.credential)

    @property
    def queue(self) -> Queue:
        return self.state.queue

    @property
    def dead_letters(self) -> DeadLetters:
        return self.state.dead_letters

    @property
    def ledger(self) -> Ledger:
        return self.state.ledger

    @cached_property
    def publisher(self) -> Publisher:
        return Publisher(
            self.resolver,
            self.catalog,
            self.state.ledger,
            self.state.leases,
            now=self.now,
            infer_columns=self.settings.infer_columns,
            downstream=self.settings.downstream,
            labels=self.labels,
            announcer=Announcer(self.outlet, self.state.ledger) if self.settings.openlineage_out else None,
            is_held=self.allowed.holds,
            publish_again=self._publish_again,
            mark_again=partial(note_unmarked, self.state.notes),
        )

    def _publish_again(self, events: Sequence[str]) -> None:
        enqueue(events, self.state.queue, self.state.dead_letters, source=RECONCILE, now=self.now)

    @cached_property
    def outlet(self) -> "OpenLineageOutlet":
        return self.open_outlet(self.settings.openlineage_out)

    def open_outlet(self, target: str) -> "OpenLineageOutlet":
        """Open what takes OpenLineage events: the setting's target, or another, which gets no token."""
        from shared.http.rest import build_session
        from shared.openlineage.outgoing import open_outlet

        return open_outlet(
            target,
            session=lambda: build_session(self.settings.ca_bundle),
            credential=lambda: self.credential,
            scope=self.settings.openlineage_scope if target == self.settings.openlineage_out else "",
        )

    @property
    def reconciler(self) -> Reconciler:
        return Reconciler(
            self.inventory,
            self.resolver,
            self.catalog,
            self.publisher,
            self.state,
            self.allowed,
            self.now,
            self.labels,
            partial(self.deliveries.drain_poison, self.state.poison),
            keep=timedelta(days=self.settings.retention_days),
        )

    @property
    def labels(self) -> ClassificationLabels | None:
        return ClassificationLabels(self.catalog) if self.settings.classification_labels else None

    @cached_property
    def catalog(self) -> "PurviewCatalog":
        from shared.purview.catalog import PurviewCatalog

        return PurviewCatalog(self.purview, scanners=self.settings.scanners)

    @cached_property
    def impatient_catalog(self) -> "PurviewCatalog":
        """The catalog for those who ask whether it answers now: nothing is tried again."""
        from shared.purview.catalog import PurviewCatalog

        return PurviewCatalog(self._open_purview(patient=False))

    @cached_property
    def lineage(self) -> "LineageReader":
        from shared.purview.reader import LineageReader

        return LineageReader(self.purview)

    @cached_property
    def purview(self) -> "PurviewClient":
        return self._open_purview(patient=True)

    def _open_purview(self, *, patient: bool) -> "PurviewClient":
        from shared.http.rest import build_session
        from shared.purview.transport import ATTEMPTS, PurviewClient

        return PurviewClient(
            self.settings.purview_endpoint,
            credential=self.credential,
            session=build_session(self.settings.ca_bundle, observe=partial(record_request, CATALOG)),
            collection=self.settings.purview_collection,
            scope=f"{self.cloud.purview_audience}/.default",
            attempts=ATTEMPTS if patient else 1,
        )

    @cached_property
    def azure_ml(self) -> "Resolver":
        from shared.azure_ml.run.resolver import Resolver

        return Resolver(
            self.rest,
            arm_endpoint=self.settings.arm_endpoint,
            open_sdk=self.open_sdk,
            clock=time.monotonic,
            owners=self.settings.owners,
            watches=self.allowed.takes,
            studio=self.cloud.studio,
            scopes=self.settings.workspaces,
        )

    @cached_property
    def resolver(self) -> "Resolver":
        return self.azure_ml

    def open_sdk(self, workspace: "WorkspaceId") -> "SdkClient":
        """Build the SDK's client of a workspace; that is slow, so the caller keeps it."""
        from shared.azure_ml.services.sdk import SdkClient

        return SdkClient(
            workspace,
            arm_endpoint=self.settings.arm_endpoint,
            credential=self.credential,
            transport=self.transport,
            owners=self.settings.owners,
        )

    @cached_property
    def inventory(self) -> "Inventory":
        from shared.azure_ml.services.inventory import Inventory

        return Inventory(self.rest, arm_endpoint=self.settings.arm_endpoint, get_record=self.azure_ml.get_record)

    @cached_property
    def rest(self) -> "RestClient":
        from shared.http.rest import RestClient

        return RestClient(self.credential, self.transport, scope=f"{self.settings.arm_endpoint}/.default")

    @cached_property
    def impatient_inventory(self) -> "Inventory":
        """
        The workspaces for those who ask whether they can be read now: once, and all side by side.

        Over connections of their own, which no message holds.
        """
        from azure.core.pipeline.transport import RequestsTransport

        from shared.azure_ml.services.inventory import Inventory
        from shared.http.rest import RestClient, build_session

        session = build_session(
            self.settings.ca_bundle,
            size=min(len(self.settings.workspaces), _ASKED_AT_ONCE) or 1,
            observe=partial(record_request, AZURE_ML),
        )
        transport = RequestsTransport(session=session, session_owner=False)
        rest = RestClient(self.credential, transport, scope=f"{self.settings.arm_endpoint}/.default", retries=0)
        return Inventory(rest, arm_endpoint=self.settings.arm_endpoint, get_record=self.azure_ml.get_record)

    @cached_property
    def transport(self) -> "RequestsTransport":
        """One transport for the SDK's twenty clients and for ours: they share its connections."""
        from azure.core.pipeline.transport import RequestsTransport

        from shared.http.rest import build_session

        session = build_session(self.settings.ca_bundle, observe=partial(record_request, AZURE_ML))
        return RequestsTransport(session=session, session_owner=False)

    @cached_property
    def credential(self) -> "TokenCredential":
        if self.settings.credential == "emulator":
            from shared.http.rest import EmulatorCredential

            return EmulatorCredential()
        from azure.identity import DefaultAzureCredential

        if self.cloud is PUBLIC or os.environ.get("AZURE_AUTHORITY_HOST"):
            return DefaultAzureCredential()
        return DefaultAzureCredential(authority=self.cloud.authority)
