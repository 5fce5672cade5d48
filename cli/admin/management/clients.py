"""Makes the management clients of the same settings, credential and connections as the product's own."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from cli.admin.management.arm import ResourceManager
from cli.admin.management.event_grid import EventGrid
from cli.admin.management.purview_account import PurviewAccount
from cli.admin.management.purview_scans import PurviewScans
from shared.bootstrap import Services
from shared.http.rest import RestClient

if TYPE_CHECKING:
    from azure.mgmt.eventgrid import EventGridManagementClient


POLLING_SECONDS = 5
"""Between two looks at how a write of Event Grid stands; it takes some ten seconds, and the SDK's own pause is 30."""


class Management:
    """Each client is made on first use and then kept."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._endpoint = services.settings.purview_endpoint

    @cached_property
    def arm(self) -> ResourceManager:
        rest = self._rest(self._arm_scope, needs="Reader, or Owner to give roles", service="Azure Resource Manager")
        return ResourceManager(rest, self._services.settings.arm_endpoint)

    @cached_property
    def event_grid(self) -> EventGrid:
        return EventGrid(self._open_event_grid)

    @cached_property
    def account(self) -> PurviewAccount:
        needs = "Collection Administrator of the collection"
        return PurviewAccount(self._rest(self._purview_scope, needs=needs, service="Purview"), self._endpoint)

    @cached_property
    def scans(self) -> PurviewScans:
        needs = "Data Source Administrator of the collection"
        return PurviewScans(self._rest(self._purview_scope, needs=needs, service="Purview"), self._endpoint)

    @property
    def _arm_scope(self) -> str:
        return f"{self._services.settings.arm_endpoint}/.default"

    @property
    def _purview_scope(self) -> str:
        return self._services.cloud.purview_scope

    def _rest(self, scope: str, **words: Any) -> RestClient:
        return RestClient(self._services.credential, self._services.transport, scope=scope, **words)

    def _open_event_grid(self, subscription_id: str) -> "EventGridManagementClient":
        from azure.mgmt.eventgrid import EventGridManagementClient

        return EventGridManagementClient(
            self._services.credential,
            subscription_id,
            base_url=self._services.settings.arm_endpoint,
            credential_scopes=[self._arm_scope],
            transport=self._services.transport,
            polling_interval=POLLING_SECONDS,
        )
