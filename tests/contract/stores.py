"""A clock for stores, what opens one, and something of each kind to put in."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from shared.catalog.entities import Evidence, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.catalog.serving import Serving
from shared.openlineage.job_run import DatasetFact, Fact
from shared.places.datasets import DatasetName
from shared.places.matching import Match, MatchKind
from shared.state.ports import Look, PlaceUse, Row, State

FACT = Fact("", "START", at="2026-07-01T10:00:00Z", inputs=(DatasetFact(DatasetName("n", "m")),))


@dataclass
class Clock:
    """Time as the test sets it."""

    moment: datetime = field(default=datetime(2026, 7, 1, 12, 0, tzinfo=UTC))
    service_follows: bool = True

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, by: timedelta) -> None:
        """Let time pass; a service with a clock of its own needs to be waited for."""
        self.moment += by
        if not self.service_follows:
            time.sleep(by.total_seconds() + 0.1)


Open = Callable[[], State]


KEY, OTHER = QualifiedName("azureml://run"), QualifiedName("azureml://other")
PLACE = Ref("azure_blob_path", QualifiedName("https://a"))
SERVED = Serving("2026-07-01T00:00:00Z", "blue", ("churn:1",), "100")
EVIDENCE = Evidence(PLACE, is_output=False, field="inputs.a", place=PLACE)
USE = PlaceUse("a/c//x", KEY, is_output=True, is_folder=False, data=PLACE)
AT = datetime(2026, 7, 1, tzinfo=UTC)


def fill(state: State) -> None:
    """Put something of each kind into a store."""
    row = Row(KEY, "run", "published", event_time=AT, matches={"https://a": "exact"}, evidence=(EVIDENCE,))
    state.ledger.put_rows([replace(row, served=(SERVED,), files=("https://a",))])
    state.ledger.add_to_tree(KEY, models={KEY: [OTHER]}, fingerprints={KEY: "f"}, uses={KEY: [USE]})
    state.ledger.put_fingerprints({OTHER: "g"})
    state.ledger.put_matches({PLACE: Match(PLACE, MatchKind.EXACT, "rule")})
    state.ledger.index_uses([USE])
    state.ledger.add_facts(KEY, [FACT.to_json()])
    state.ledger.put_look(Look(KEY, AT, number=1, digest="d"))
    state.notes.put("note", {"a": 1})
    state.dead_letters.put(reason="r", detail="d", body="{}", attempts=1, id="letter")
    lease = state.leases.acquire("lease", holder="me", duration=timedelta(minutes=1))
    assert lease
    assert state.leases.renew(["lease"], holder="me", duration=timedelta(minutes=1))


def read_all(state: State) -> dict[str, object]:
    """Read all of that again."""
    letters = [replace(letter, at=AT) for letter in state.dead_letters.list_open()]
    rows = {key: replace(row, updated_at=None) for key, row in state.ledger.get_rows([KEY]).items()}
    return {
        "rows": rows,
        "listed": [replace(row, updated_at=None) for row in state.ledger.list_rows("run")],
        "tree": state.ledger.get_tree(KEY),
        "fingerprints": dict(state.ledger.get_fingerprints([OTHER])),
        "matches": dict(state.ledger.get_matches([PLACE], placeholders_since=AT)),
        "uses": list(state.ledger.find_uses_at([USE.path], is_output=True)),
        "facts": [Fact.from_json(text) for text in state.ledger.get_facts(KEY)],
        "looks": list(state.ledger.list_looks(until=AT, limit=10)),
        "note": dict(state.notes.get("note") or {}).get("a"),
        "letters": letters,
    }
