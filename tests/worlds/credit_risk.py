"""The credit-risk scenario, published into the emulated catalog."""

from cli.demo import publish
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.settings import Settings


def published(emulator: Emulator) -> Services:
    """Publish every event of the scenario; one of them is malformed and ends as a dead letter."""
    services = Services(Settings.from_env(emulator.environment()))
    services.catalog.install_types()
    for _ in publish(emulator, services, seed=7):
        pass
    return services
