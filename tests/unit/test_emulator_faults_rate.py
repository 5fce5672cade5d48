"""Faults by the dice: the same seed strikes the same requests, and what was struck is counted."""

from collections.abc import Callable, Iterator

import pytest
import requests

from emulator.faults.by_rate import KINDS, STATUSES, RateFault
from emulator.request_log import AZURE_ML, PURVIEW
from emulator.server import Emulator

TYPES = "/datamap/api/atlas/v2/types/typedefs/headers?api-version=2023-09-01"
BULK = "/datamap/api/atlas/v2/entity/bulk?api-version=2023-09-01"
WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws-empty?api-version=2024-10-01-preview"
)

Send = Callable[..., requests.Response]


@pytest.fixture
def send(emulator: Emulator) -> Iterator[Send]:
    """Send a request with a token; a broken connection raises."""
    with requests.Session() as session:
        session.trust_env = False
        session.verify = emulator.ca_bundle
        session.headers["Authorization"] = "Bearer anything"

        def request(method: str, path: str, body: object = None) -> requests.Response:
            return session.request(method, f"{emulator.url}{path}", json=body, timeout=10)

        yield request


def write(number: int) -> dict[str, object]:
    """Make a bulk request of one dataset."""
    return {"entities": [{"typeName": "DataSet", "attributes": {"qualifiedName": f"d{number}", "name": "d"}}]}


def decisions(seed: int, rate: float = 0.3, count: int = 1000, **options: object) -> list[object]:
    """Throw the dice for many requests of one path."""
    rule = RateFault.parse({"service": PURVIEW, "rate": rate, "seed": seed, **options})
    return [rule.decide(PURVIEW, "GET", "/datamap/api/x") for _ in range(count)]


def test_same_seed_makes_the_same_decisions() -> None:
    """And another seed makes others."""
    assert decisions(1) == decisions(1)
    assert decisions(1) != decisions(2)


def test_rate_is_kept_and_every_kind_occurs() -> None:
    """Over many requests; half of the cut answers were applied."""
    made = [decision for decision in decisions(1, count=4000) if decision is not None]
    assert 1000 <= len(made) <= 1400
    assert {decision.kind for decision in made} == set(KINDS)  # type: ignore[attr-defined]
    cuts = [decision.applied for decision in made if decision.kind == "cut"]  # type: ignore[attr-defined]
    assert 0.3 < sum(cuts) / len(cuts) < 0.7


def test_requests_to_other_paths_do_not_change_the_decisions_of_a_path() -> None:
    """So the order in which parallel requests arrive does not matter."""
    rule = RateFault.parse({"service": PURVIEW, "rate": 0.3, "seed": 1})
    mixed = []
    for number in range(1000):
        rule.decide(PURVIEW, "GET", f"/datamap/api/other/{number}")
        rule.decide(AZURE_ML, "GET", "/datamap/api/x")
        mixed.append(rule.decide(PURVIEW, "GET", "/datamap/api/x"))
    assert mixed == decisions(1)


@pytest.mark.parametrize(("rate", "struck"), [(0, 0), (1, 1000), (0.0, 0), (1.0, 1000)])
def test_rate_of_none_or_all_is_exact(rate: float, struck: int) -> None:
    """Zero never strikes, one always."""
    assert sum(decision is not None for decision in decisions(1, rate)) == struck


@pytest.mark.parametrize("kind", STATUSES)
def test_status_kinds_answer_their_status_and_are_counted(emulator: Emulator, send: Send, kind: str) -> None:
    """Only the kind that says so has a Retry-After, by default of no seconds; the service is named in the body."""
    emulator.control.faults({"service": PURVIEW, "rate": 1, "kinds": [kind]})
    answer = send("GET", TYPES)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (
        STATUSES[kind],
        "0" if kind == "429-retry-after" else None,
    )
    assert "Purview" in answer.json()["error"]["message"]
    assert send("GET", WORKSPACE).status_code == 200
    assert emulator.control.injected_faults() == {kind: 1}
    assert emulator.control.injected_faults(AZURE_ML) == {}


def test_retry_after_is_at_most_what_was_configured(emulator: Emulator, send: Send) -> None:
    """Whole seconds from nought on."""
    kinds = ["429-retry-after"]
    emulator.control.faults({"service": PURVIEW, "rate": 1, "kinds": kinds, "retry_after_max": 1})
    assert {send("GET", TYPES).headers["Retry-After"] for _ in range(20)} == {"0", "1"}


def test_slow_answers_are_complete_but_late(emulator: Emulator, send: Send) -> None:
    """The delay is the configured one."""
    emulator.control.faults({"service": AZURE_ML, "rate": 1, "kinds": ["slow"], "slow_ms": 30})
    assert send("GET", WORKSPACE).json()["name"] == "ws-empty"
    assert emulator.control.requests()[0].ms >= 30


@pytest.mark.parametrize("kind", ["cut", "half"])
def test_broken_connections_may_have_had_their_effect(emulator: Emulator, send: Send, kind: str) -> None:
    """The client learns nothing either way: some of the writes are there, some are not."""
    emulator.control.faults({"service": PURVIEW, "rate": 1, "seed": 3, "kinds": [kind]})
    for number in range(20):
        with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
            send("POST", BULK, write(number))
    written = len(emulator.control.state()["purview"]["entities"])
    assert 0 < written < 20
    assert emulator.control.injected_faults() == {kind: 20}
    assert {request.status for request in emulator.control.requests()} == {0}


def test_half_an_answer_has_headers_and_half_the_body(emulator: Emulator) -> None:
    """The promised length is that of the whole body."""
    emulator.control.faults({"service": PURVIEW, "rate": 1, "seed": 3, "kinds": ["half"]})
    with requests.get(
        f"{emulator.url}{TYPES}",
        headers={"Authorization": "Bearer any"},
        verify=emulator.ca_bundle,
        stream=True,
        timeout=10,
    ) as answer:
        got: list[bytes] = []
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            got.extend(answer.iter_content(1))
    assert answer.status_code == 200
    assert 0 < len(got) < int(answer.headers["Content-Length"])


def test_script_comes_before_the_dice(emulator: Emulator, send: Send) -> None:
    """What a scripted fault takes is neither decided nor counted."""
    emulator.control.faults({"service": PURVIEW, "rate": 1, "kinds": ["503"]}, {"service": PURVIEW, "statuses": [404]})
    assert [send("GET", TYPES).status_code for _ in range(2)] == [404, 503]
    (entry,) = emulator.control.pending_faults()
    assert (entry["seen"], entry["injected"]) == (1, {"503": 1})


def test_dice_respect_method_and_path(emulator: Emulator, send: Send) -> None:
    """Like scripted faults."""
    emulator.control.faults(
        {"service": PURVIEW, "rate": 1, "kinds": ["500"], "method": "post", "path": "/ENTITY/bulk$"}
    )
    assert send("GET", TYPES).status_code == 200
    assert send("POST", BULK, write(1)).status_code == 500


def test_reset_ends_the_dice(emulator: Emulator, send: Send) -> None:
    """As it ends the script."""
    emulator.control.faults({"service": PURVIEW, "rate": 1})
    emulator.control.reset()
    assert emulator.control.pending_faults() == []
    assert send("GET", TYPES).status_code == 200


@pytest.mark.parametrize(
    "fault",
    [
        {"service": "storage", "rate": 0.1},
        {"service": PURVIEW, "rate": 1.1},
        {"service": PURVIEW, "rate": -0.1},
        {"service": PURVIEW, "rate": True},
        {"service": PURVIEW, "rate": "0.1"},
        {"service": PURVIEW, "rate": 0.1, "kinds": []},
        {"service": PURVIEW, "rate": 0.1, "kinds": ["418"]},
        {"service": PURVIEW, "rate": 0.1, "kinds": "503"},
        {"service": PURVIEW, "rate": 0.1, "seed": "x"},
        {"service": PURVIEW, "rate": 0.1, "slow_ms": -1},
        {"service": PURVIEW, "rate": 0.1, "retry_after_max": -1},
        {"service": PURVIEW, "rate": 0.1, "path": "("},
        {"service": PURVIEW, "rate": 0.1, "statuses": [500]},
    ],
)
def test_rate_that_makes_no_sense_is_refused(emulator: Emulator, fault: dict[str, object]) -> None:
    """A mistyped fault fails the test that scripts it, and the script in force stays."""
    emulator.control.faults({"service": PURVIEW, "statuses": [500]})
    with pytest.raises(ValueError, match=r"\w"):
        emulator.control.faults(fault)
    assert len(emulator.control.pending_faults()) == 1
