"""Each field of each body Azure ML answers in the golden cases, dropped, null, retyped or extra: nothing crashes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from azure.core.pipeline.transport import RequestsTransport

from emulator.server import Emulator
from shared.azure_ml.run.resolver import Resolver
from shared.azure_ml.services.inventory import Inventory
from shared.azure_ml.services.sdk import SdkClient
from shared.bootstrap import Services
from shared.errors import LineageError, TransientError
from shared.http.rest import build_session
from shared.intake.allow_list import AllowList
from shared.intake.deliver import handle_message
from shared.intake.message import MessageBody
from shared.model import WorkspaceId
from shared.publishing.engine import Publisher
from shared.publishing.plan import DEAD_LETTERED
from shared.reconciling.reconcile import Reconciler
from shared.settings import Settings
from shared.state.ports import State
from shared.state.sqlite import open_state
from tests.harness.fakes import FakeDeadLetters, FreeLeases
from tests.harness.pure_core import LATER, KeepingCatalog
from tests.harness.tape import Mutation, Tape, with_extras
from tests.worlds.golden_case import KEY, WORKSPACE_ID, Case, case_names

MADE_UP = re.compile(r"(\{|%7B)'unexpected'")
"""What an object looks like that was taken for a text."""
FIELDS = 5_000
"""So many different changes of fields there are at least; fewer, and some bodies are not looked at any more."""


@dataclass
class Azure:
    """Azure ML behind a tape, with the SDK's clients, which keep nothing of what they read and take long to make."""

    emulator: Emulator
    services: Services
    tape: Tape
    clients: dict[WorkspaceId, SdkClient] = field(default_factory=dict)

    def open_sdk(self, workspace: WorkspaceId) -> SdkClient:
        if workspace not in self.clients:
            self.clients[workspace] = self.services.open_sdk(workspace)
        return self.clients[workspace]

    def play(self, case: Case) -> "Playback":
        """Record what Azure ML answers in a case, and make sure that playing it back is the same."""
        self.emulator.control.use("empty")
        self.emulator.control.add_to_azure_ml(case.seed)
        self.tape.answers.clear()
        self.tape.recording, self.tape.change = True, lambda _, body: body
        playback = Playback(case, self)
        recorded = playback.lineage()
        self.tape.recording = False
        assert playback.lineage() == recorded
        assert {end for end, _ in recorded[0]} <= {"published", "skipped"}
        return playback


@dataclass
class Playback:
    """Publishes the events of a case from the tape, into a catalog and a ledger of its own each time."""

    case: Case
    azure: Azure

    def ends(self) -> tuple[list[tuple[str, str]], KeepingCatalog]:
        """Return how each event ended with the detail of its dead letter, and what was written."""
        state, catalog = open_state(":memory:", now=lambda: LATER), KeepingCatalog()
        catalog.scan(self.case.scanned)
        try:
            told = list(self._play(state, catalog))
        finally:
            state.close()
        return told, catalog

    def lineage(self) -> tuple[list[tuple[str, str]], object]:
        """Return how each event ended, and the lineage as a golden has it."""
        ends, catalog = self.ends()
        return ends, catalog.read_lineage()

    def _play(self, state: State, catalog: KeepingCatalog) -> Iterator[tuple[str, str]]:
        tape, services, allowed = self.azure.tape, self.azure.services, AllowList((WORKSPACE_ID,))
        arm = services.settings.arm_endpoint
        resolver = Resolver(services.rest, arm_endpoint=arm, open_sdk=self.azure.open_sdk, clock=lambda: 0.0)
        publisher = Publisher(resolver, catalog, state.ledger, FreeLeases(), now=lambda: LATER)
        inventory = Inventory(services.rest, arm_endpoint=arm)
        reconciler = Reconciler(inventory, resolver, catalog, publisher, state, allowed, lambda: LATER)
        tape.epoch = 0
        for event in self.case.events:
            if event == "reconcile":
                try:
                    reconciler.tick()
                except LineageError as error:
                    yield _end_of(error)
                while message := state.queue.receive(visibility=LATER - LATER.replace(year=2026)):
                    state.queue.delete(message)
                    yield _handle(MessageBody.parse(message.body, message_id=message.id), publisher, allowed)
            elif isinstance(event, str):
                yield _handle(MessageBody(self.case.spell(event), event), publisher, allowed)
            else:
                tape.epoch += 1
                if tape.recording:
                    self._change(event)

    def _change(self, event: Any) -> None:
        control = self.azure.emulator.control
        if "azure_ml" in event:
            control.add_to_azure_ml({"workspaces": {KEY: event["azure_ml"]}})
        else:
            control.delete(*event["delete"][:2], **event["delete"][2], workspace=WORKSPACE_ID)

    def judge(self, mutation: Mutation) -> str:
        """Return what is wrong with how the events of the case ended, or ""."""
        self.azure.tape.change = lambda key, body: mutation.apply(body) if key == mutation.key else body
        try:
            ends, catalog = self.ends()
        except Exception as error:  # noqa: BLE001 - any exception that is not transient is what we look for
            return f"{self.case.name}: {mutation.label}: {error!r}"
        for end, detail in ends:
            if end == DEAD_LETTERED and not any(name in detail for name in mutation.names):
                return f"{self.case.name}: {mutation.label}: dead-lettered without the field's name: {detail}"
        made_up = [name for name in catalog.entities if MADE_UP.search(name)]
        return f"{self.case.name}: {mutation.label}: gives the name {made_up[0]}" if made_up else ""


def _handle(body: MessageBody, publisher: Publisher, allowed: AllowList) -> tuple[str, str]:
    letters = FakeDeadLetters()
    try:
        outcome = handle_message(body, attempt=1, allowed=allowed, publisher=publisher, dead_letters=letters)
    except TransientError as error:
        return _end_of(error)
    return outcome.outcome, letters.letters[0].detail if letters.letters else ""


def _end_of(error: LineageError) -> tuple[str, str]:
    return "transient" if isinstance(error, TransientError) else DEAD_LETTERED, str(error)


@pytest.fixture(scope="module")
def azure(emulator_server: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Azure:
    storage = tmp_path_factory.mktemp("mutations") / "unused.sqlite"
    services = Services(Settings.from_env(emulator_server.environment(f"sqlite:///{storage}")))
    session = build_session(services.settings.ca_bundle)
    tape = Tape(session.get_adapter("https://"))
    session.mount("https://", tape)
    services.__dict__["transport"] = RequestsTransport(session=session, session_owner=False)
    return Azure(emulator_server, services, tape)


@pytest.mark.timeout(900)
def test_answer_with_a_field_dropped_null_or_retyped_crashes_nothing(azure: Azure) -> None:
    """
    The outcome is published, skipped, transient, or dead-lettered with the name of the field; no name is made up of it.

    A field that looks the same in the same operation's answer about the same kind of thing is tried once.
    """
    tried, broken = set[tuple[object, ...]](), list[str]()
    for case in sorted(map(Case.load, case_names()), key=lambda case: len(case.events)):  # what is quick comes first
        playback = azure.play(case)
        for mutation in list(azure.tape.mutations()):
            if mutation.shape not in tried:
                tried.add(mutation.shape)
                broken += [verdict] if (verdict := playback.judge(mutation)) else []
    assert not broken, "\n".join([f"{len(broken)} of {len(tried)}", *broken])
    assert len(tried) > FIELDS


@pytest.mark.parametrize("name", case_names())
def test_members_that_nobody_knows_change_nothing(azure: Azure, name: str) -> None:
    """Azure ML adds some with every version."""
    playback = azure.play(Case.load(name))
    expected = playback.lineage()
    azure.tape.change = lambda key, body: body if "/artifacts/" in key[1] else with_extras(body)  # files are people's
    assert playback.lineage() == expected
