"""The services of a running emulator, and going back to a scenario's start."""

from collections.abc import Sequence

from emulator.arm import Arm
from emulator.azure_ml import AzureML
from emulator.event_grid.event_files import EventFile
from emulator.faults.scripted import Faults
from emulator.purview import Purview
from emulator.purview.pauses import Pauses
from emulator.request_log import RequestLog
from emulator.scenarios import Scenario, load


class Services:
    """Everything that changes while the emulator runs; touched by its event loop only."""

    azure_ml: AzureML
    purview: Purview
    arm: Arm
    events: Sequence[EventFile]
    openlineage: Sequence[EventFile]

    def __init__(self, scenario: Scenario, latency_ms: float = 0, commit_ms: float = 0) -> None:
        self.log = RequestLog()
        self.faults = Faults()
        self.pauses = Pauses()
        self._latency_ms = latency_ms
        self._commit_ms = commit_ms
        self.use(scenario)

    def use(self, scenario: Scenario) -> None:
        """Start a scenario: its state, no faults, an empty log, the latencies of the command line."""
        seed = load(scenario)
        self.scenario = scenario
        self.azure_ml = AzureML(seed.azure_ml, seed.families)
        self.purview = Purview(seed.purview, self.pauses)
        if self._commit_ms:
            self.purview.switches.commit_ms = self._commit_ms
        self.arm = Arm(seed.arm, self.azure_ml, self.purview.account.name)
        self.events = seed.events
        self.openlineage = seed.openlineage
        self.faults.replace([])
        self.faults.latency_ms = self._latency_ms
        self.log.clear()

    def reset(self) -> None:
        """Start the current scenario again."""
        self.use(self.scenario)
