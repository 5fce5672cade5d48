"""Each field of each body Azure ML answers in the golden cases, dropped, null, retyped or extra: nothing crashes."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import pytest
from azure.core.pipeline.transport import RequestsTransport

from emulator.server import Emulator
from shared.azure_ml.run.resolver import Resolver
from shared.azure_ml.services.inventory import Inventory
from shared.azure_ml.services.sdk import SdkClient
from shared.bootstrap import Services
from shared.errors import LineageError, TransientError
from shared.http.rest import RestClient, build_session
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
from tests.harness.once import once_a_run
from tests.harness.pure_core import LATER, KeepingCatalog
from tests.harness.tape import Key, Mutation, Remembering, Tape, mutations_of, with_extras
from tests.worlds.golden_case import KEY, WORKSPACE_ID, Case, case_names

MADE_UP = re.compile(r"(\{|%7B)'unexpected'")
"""What an object looks like that was taken for a text."""
FIELDS = 5_000
"""So many different changes of fields there are at least."""


@dataclass
class Azure:
    """Azure ML behind a tape, with the SDK's clients, which keep nothing of what they read and take long to make."""

    emulator: Emulator
    services: Services
    tape: Tape
    clients: dict[WorkspaceId, SdkClient] = field(default_factory=dict)

    def record(self, case: Case) -> "Recording":
        """Play a case against the emulator."""
        playback = self._open(case)
        self.tape.recording = True
        ends, lineage = playback.lineage()
        self.tape.recording = False
        assert {end for end, _ in ends} <= {"published", "skipped"}
        return Recording([(key, *answer) for key, answer in self.tape.answers.items()], lineage)

    def load(self, case: Case, recording: "Recording") -> "Playback":
        """Have what was recorded ready, and make sure that playing it back is the same."""
        playback = self._open(case)
        for event in case.events:
            playback.change(event)
        self.tape.answers |= {(*key,): (status, body) for key, status, body in recording.answers}
        assert as_json(playback.lineage()[1]) == as_json(recording.lineage)
        return playback

    def _open(self, case: Case) -> "Playback":
        self.emulator.control.use("empty")
        self.emulator.control.add_to_azure_ml(case.seed)
        self.tape.forget()
        rest, sdk = Remembering(self.services.rest, self.tape), dict[WorkspaceId, SdkClient]()

        def open_sdk(workspace: WorkspaceId) -> SdkClient:
            if workspace not in self.clients:
                self.clients[workspace] = self.services.open_sdk(workspace)
            return sdk.setdefault(workspace, cast(SdkClient, Remembering(self.clients[workspace], self.tape)))

        return Playback(case, self, cast(RestClient, rest), open_sdk)


@dataclass(frozen=True, slots=True)
class Recording:
    """What Azure ML answered in a case, and the lineage that came of it."""

    answers: list[tuple[Key, int, Any]]
    lineage: object

    def mutations(self) -> Iterator[Mutation]:
        for key, status, body in self.answers:
            if status == 200:
                yield from mutations_of((*key,), body)


@dataclass
class Playback:
    """Publishes the events of a case from the tape, into a catalog and a ledger of its own each time."""

    case: Case
    azure: Azure
    rest: RestClient
    open_sdk: Callable[[WorkspaceId], SdkClient]

    def ends(self) -> tuple[list[tuple[str, str]], KeepingCatalog]:
        """Return how each event ended with the detail of its dead letter, and what was written."""
        state, catalog = open_state(":memory:", now=lambda: LATER), KeepingCatalog()
        catalog.scan(self.case.scanned)
        try:
            outcomes = list(self._play(state, catalog))
        finally:
            state.close()
        return outcomes, catalog

    def lineage(self) -> tuple[list[tuple[str, str]], object]:
        """Return how each event ended, and the lineage as a golden has it."""
        ends, catalog = self.ends()
        return ends, catalog.read_lineage()

    def _play(self, state: State, catalog: KeepingCatalog) -> Iterator[tuple[str, str]]:
        tape, allowed = self.azure.tape, AllowList((WORKSPACE_ID,))
        arm = self.azure.services.settings.arm_endpoint
        resolver = Resolver(self.rest, arm_endpoint=arm, open_sdk=self.open_sdk, clock=lambda: 0.0)
        publisher = Publisher(resolver, catalog, state.ledger, FreeLeases(), now=lambda: LATER)
        inventory = Inventory(self.rest, arm_endpoint=arm, get_record=resolver.get_record)
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
                yield _handle(MessageBody(self.case.to_event(event), event), publisher, allowed)
            else:
                tape.epoch += 1
                if tape.recording:
                    self.change(event)

    def change(self, event: Any) -> None:
        """Change what the emulated workspace holds, if that is what the event is."""
        control = self.azure.emulator.control
        if "azure_ml" in event:
            control.add_to_azure_ml({"workspaces": {KEY: event["azure_ml"]}})
        elif "delete" in event:
            control.delete(*event["delete"][:2], **event["delete"][2], workspace=WORKSPACE_ID)

    def judge(self, mutation: Mutation) -> str:
        """Return what is wrong with how the events of the case ended, or ""."""
        self.azure.tape.change, self.azure.tape.changed = mutation.apply, mutation.key
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
    session.trust_env = False
    tape = Tape(session.get_adapter("https://"))
    session.mount("https://", tape)
    services.__dict__["transport"] = RequestsTransport(session=session, session_owner=False)
    return Azure(emulator_server, services, tape)


@pytest.fixture(scope="module")
def recordings(azure: Azure, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    """All cases, recorded once a run, in the order in which a field is tried: what is quick comes first."""
    cases = sorted(map(Case.load, case_names()), key=lambda case: len(case.events))

    def record() -> str:
        recorded = {case.name: as_json(asdict(azure.record(case))) for case in cases}
        return json.dumps(recorded).replace(azure.emulator.url, "{emulator}")

    recorded = json.loads(once_a_run(tmp_path_factory, "mutations", record).replace("{emulator}", azure.emulator.url))
    return {name: Recording(**recording) for name, recording in recorded.items()}


@pytest.fixture(scope="module")
def mutations(recordings: dict[str, Recording]) -> dict[str, list[Mutation]]:
    """What is tried in each case: a field that looks the same in the same answer about the same kind is tried once."""
    tried = set[tuple[object, ...]]()

    def untried(recording: Recording) -> Iterator[Mutation]:
        for mutation in recording.mutations():
            if mutation.shape not in tried:
                tried.add(mutation.shape)
                yield mutation

    return {name: list(untried(recording)) for name, recording in recordings.items()}


@pytest.mark.parametrize("name", case_names())
def test_answer_with_a_field_dropped_null_or_retyped_crashes_nothing(
    azure: Azure, recordings: dict[str, Recording], mutations: dict[str, list[Mutation]], name: str
) -> None:
    """The outcome is published, skipped, transient, or dead-lettered with the name of the field; no name is made up."""
    playback = azure.load(Case.load(name), recordings[name])
    broken = [verdict for mutation in mutations[name] if (verdict := playback.judge(mutation))]
    assert not broken, "\n".join([f"{len(broken)} of {len(mutations[name])}", *broken])


def test_fields_of_all_answers_are_tried(mutations: dict[str, list[Mutation]]) -> None:
    """Fewer, and some bodies are not looked at any more."""
    assert sum(map(len, mutations.values())) > FIELDS


@pytest.mark.parametrize("name", case_names())
def test_unknown_members_change_nothing(azure: Azure, recordings: dict[str, Recording], name: str) -> None:
    """Azure ML adds some with every version."""
    playback = azure.load(Case.load(name), recordings[name])
    expected = playback.lineage()
    azure.tape.change = with_extras
    assert playback.lineage() == expected


def as_json(value: object) -> Any:
    """Return a value as a file gives it back."""
    return json.loads(json.dumps(value))
