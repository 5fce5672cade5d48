"""What a message has read of the ledger is not believed by the next one on the same thread."""

from collections.abc import Iterator

import pytest

from emulator.azurite import Azurite
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.intake.message import EVENT_GRID
from shared.intake.receive import receive_event
from shared.settings import Azurite as AzuriteSetting
from shared.settings import Settings
from shared.state.ports import Message
from tests.harness.app import WS, App, model_registered, run_completed
from tests.harness.storage import empty

TRAINED = run_completed("creditrisk_train")


@pytest.fixture
def app(emulator: Emulator, azurite_server: Azurite) -> Iterator[App]:
    """Scenario credit-risk on an empty storage account, handled on one thread."""
    emulator.control.use("credit-risk")
    where = AzuriteSetting(azurite_server.base_port)
    empty(where)
    app = App(emulator, Services(Settings.from_env(emulator.environment(f"azurite:{azurite_server.base_port}"))))
    yield app
    app.services.state.close()


def publish(app: App, event: str) -> str:
    """Handle an event as the queue trigger does."""
    services = app.services
    text = receive_event(event, source=EVENT_GRID, now=services.now, open_dead_letters=lambda: services.dead_letters)
    assert text is not None
    return services.deliveries.publish(Message("m1", text, 1, "receipt")).outcome


def test_model_is_linked_though_a_message_before_read_its_run_when_all_was_published(
    app: App, azurite_server: Azurite
) -> None:
    """A duplicate was skipped; then the catalog and the ledger were emptied and all events came once more."""
    assert publish(app, TRAINED) == "published"
    assert publish(app, model_registered("creditrisk_model", "2")) == "published"
    assert publish(app, TRAINED) == "skipped"
    app.emulator.control.use("credit-risk")
    empty(AzuriteSetting(azurite_server.base_port))
    app.services.catalog.install_types()
    assert publish(app, model_registered("creditrisk_model", "2")) == "published"
    publish(app, TRAINED)
    assert "creditrisk_train -> creditrisk_model:2" in app.edges(f"{WS}/models/creditrisk_model/versions/2")
