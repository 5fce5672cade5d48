"""Each field of each body Azure ML answers in golden cases, dropped, null or of another type: nothing ever crashes."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest
from azure.core.pipeline.transport import RequestsTransport

from emulator.server import Emulator
from shared.azure_ml.assets import Assets
from shared.azure_ml.resolver import Resolver
from shared.bootstrap import Services
from shared.errors import TransientError
from shared.handlers.message_body import MessageBody
from shared.handlers.messages import AllowList, handle_message
from shared.handlers.outcome import DEAD_LETTERED
from shared.handlers.publish import Publisher
from shared.http_session import build_session
from shared.model import WorkspaceId
from shared.settings import Settings
from shared.state.sqlite import Database, SqliteLedger
from tests.fakes import NOON, FakeCatalog, FakeClock, FakeDeadLetters, FreeLeases
from tests.golden_case import WORKSPACE_ID, Case
from tests.tape import Mutation, Tape

CASES = (
    "command",
    "sweep",
    "batch-scoring-by-model",
    "v1-pipeline",
    "online-endpoint",
    "batch-endpoint",
    "model-as-input",
    "unknown-kind",
)


@dataclass
class Player:
    """Publishes the events of a case against a tape, into a catalog of its own each time."""

    case: Case
    services: Services
    tape: Tape

    @cached_property
    def assets(self) -> Assets:
        """The SDK's client, which keeps nothing of what it read and takes long to make."""
        return self.services.open_assets(WorkspaceId.parse(WORKSPACE_ID))

    def play(self) -> Iterator[tuple[str, str]]:
        """Yield how each event ended, and the detail of its dead letter."""
        database = Database(":memory:", now=FakeClock())
        resolver = Resolver(
            self.services.rest,
            arm_endpoint=self.services.settings.arm_endpoint,
            open_assets=lambda _: self.assets,
            clock=lambda: 0.0,
        )
        publisher = Publisher(
            resolver, FakeCatalog(), SqliteLedger(database), FreeLeases(), now=lambda: NOON.replace(year=2027)
        )
        for number, event in enumerate(self.case.events):
            letters = FakeDeadLetters()
            try:
                outcome = handle_message(
                    MessageBody(self.case.spell(event), f"message {number}"),
                    attempt=1,
                    allowed=AllowList((WORKSPACE_ID,)),
                    publisher=publisher,
                    dead_letters=letters,
                )
                yield outcome.outcome, letters.letters[0].detail if letters.letters else ""
            except TransientError as error:
                yield "transient", str(error)
        database.close()

    def judge(self, mutation: Mutation) -> str:
        """Return what is wrong with how the events of the case ended, or ""."""
        self.tape.mutation = mutation
        try:
            ends = list(self.play())
        except Exception as error:  # noqa: BLE001 - any exception that is not transient is what we look for
            return f"{mutation.label}: {error!r}"
        nameless = [
            detail
            for end, detail in ends
            if end == DEAD_LETTERED and not any(name in detail for name in mutation.names)
        ]
        return f"{mutation.label}: dead-lettered without the field's name: {nameless[0]}" if nameless else ""


@pytest.fixture
def player(emulator: Emulator, tmp_path: Path, request: pytest.FixtureRequest) -> Player:
    """The case a test is given by name, recorded once."""
    case = Case.load(request.param)
    emulator.control.use("empty")
    emulator.control.add_to_azure_ml(case.seed)
    services = Services(Settings.from_env(emulator.environment(f"sqlite:///{tmp_path / 'unused.sqlite'}")))
    session = build_session(services.settings.ca_bundle)
    tape = Tape(session.get_adapter("https://"))
    session.mount("https://", tape)
    services.__dict__["transport"] = RequestsTransport(session=session, session_owner=False)
    player = Player(case, services, tape)
    recorded = list(player.play())
    tape.recording = False
    assert list(player.play()) == recorded
    assert {end for end, _ in recorded} <= {"published", "skipped"}
    return player


@pytest.mark.parametrize("player", CASES, indirect=True)
def test_answer_with_a_field_dropped_null_or_retyped_crashes_nothing(player: Player) -> None:
    """The outcome is published, skipped, transient, or dead-lettered with the name of the field."""
    first = player.case.name == CASES[0]
    mutations = [each for each in player.tape.mutations() if first or not each.is_of_any_case]
    assert len(mutations) > 100
    broken = [verdict for mutation in mutations if (verdict := player.judge(mutation))]
    assert not broken, "\n".join([f"{len(broken)} of {len(mutations)}", *broken])
