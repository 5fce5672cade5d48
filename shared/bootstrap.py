"""The only place that constructs clients, and not before they are needed: importing this touches nothing."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from shared.handlers.messages import AllowList, handle_message
from shared.handlers.outcome import Outcome
from shared.handlers.publish import Publisher
from shared.settings import Settings
from shared.state.ports import Message
from shared.state.sqlite import Database, SqliteDeadLetters, SqliteLedger, SqliteQueue

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

    from shared.azure_ml.resolver import Resolver
    from shared.purview.catalog import PurviewCatalog


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Services:
    """Everything a handler needs, each made on first use and then kept."""

    settings: Settings
    now: Callable[[], datetime] = utc_now

    def handle(self, message: Message, *, force: bool = False) -> Outcome:
        return handle_message(
            message.body,
            attempt=message.dequeue_count,
            allowed=self.allowed,
            publisher=self.publisher,
            dead_letters=self.dead_letters,
            force=force,
        )

    @property
    def allowed(self) -> AllowList:
        return AllowList(self.settings.workspaces)

    @cached_property
    def database(self) -> Database:
        return Database(str(self.settings.storage), now=self.now)

    @cached_property
    def queue(self) -> SqliteQueue:
        return SqliteQueue(self.database)

    @cached_property
    def dead_letters(self) -> SqliteDeadLetters:
        return SqliteDeadLetters(self.database)

    @cached_property
    def ledger(self) -> SqliteLedger:
        return SqliteLedger(self.database)

    @cached_property
    def publisher(self) -> Publisher:
        return Publisher(self.runs, self.catalog, self.ledger, now=self.now)

    @cached_property
    def catalog(self) -> "PurviewCatalog":
        from shared.http_session import build_session
        from shared.purview.catalog import PurviewCatalog
        from shared.purview.transport import PurviewClient

        client = PurviewClient(
            self.settings.purview_endpoint,
            credential=self._credential,
            session=build_session(self.settings.ca_bundle),
            collection=self.settings.purview_collection,
        )
        return PurviewCatalog(client)

    @cached_property
    def runs(self) -> "Resolver":
        from azure.core.pipeline.transport import RequestsTransport

        from shared.azure_ml.assets import Assets
        from shared.azure_ml.resolver import Resolver
        from shared.azure_ml.rest import RestClient
        from shared.http_session import build_session

        arm = self.settings.arm_endpoint
        # One transport for the SDK's twenty clients and for ours: they share its connections.
        transport = RequestsTransport(session=build_session(self.settings.ca_bundle), session_owner=False)
        return Resolver(
            RestClient(self._credential, transport, scope=f"{arm}/.default"),
            arm_endpoint=arm,
            open_assets=lambda workspace: Assets(
                workspace, arm_endpoint=arm, credential=self._credential, transport=transport
            ),
            clock=time.monotonic,
        )

    @cached_property
    def _credential(self) -> "TokenCredential":
        if self.settings.credential == "emulator":
            from shared.emulator_credential import EmulatorCredential

            return EmulatorCredential()
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential()
