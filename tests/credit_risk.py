"""The credit-risk scenario, published into the emulated catalog without its events being looked at."""

import json

from cli.session import drain, local_queue
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.envelopes import split_events
from shared.handlers.message_body import REPLAY
from shared.handlers.receive import enqueue
from shared.settings import Settings


def published(emulator: Emulator) -> Services:
    """Publish every event of the scenario; one of them is malformed and ends as a dead letter."""
    services = Services(Settings.from_env(emulator.environment()))
    services.catalog.install_types()
    queue = local_queue(services)
    bodies = [event for _, body in emulator.control.events() for event in split_events(json.dumps(body))]
    enqueue(bodies, queue, services.dead_letters, source=REPLAY, now=services.now)
    for _ in drain(services, queue):
        pass
    return services
