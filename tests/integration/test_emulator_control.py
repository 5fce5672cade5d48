"""The control plane: faults, request log, scenarios and reset, over the same TLS port as the services."""

from collections.abc import Callable, Iterator

import pytest
import requests

from emulator.server import Emulator

MODEL = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws-credit/models/creditrisk_model/versions/2"
    "?api-version=2023-08-01-preview"
)
TYPES = "/datamap/api/atlas/v2/types/typedefs/headers?api-version=2023-09-01"

Get = Callable[..., requests.Response]


@pytest.fixture
def get(emulator: Emulator) -> Iterator[Get]:
    """GET a path in scenario credit-risk, with a token, on one connection."""
    emulator.control.use("credit-risk")
    with requests.Session() as session:
        session.trust_env = False
        session.verify = emulator.ca_bundle
        session.headers["Authorization"] = "Bearer anything"

        def send(path: str, **options: object) -> requests.Response:
            return session.get(f"{emulator.url}{path}", timeout=10, **options)  # type: ignore[arg-type]

        yield send


@pytest.mark.parametrize(("path", "code"), [(MODEL, "AuthenticationFailed"), (TYPES, "Unauthorized")])
@pytest.mark.parametrize("header", [None, "Bearer", "Basic abc"])
def test_request_without_bearer_token_is_unauthorized(get: Get, path: str, code: str, header: str | None) -> None:
    """Both services answer 401, each in its own words, to anything but a bearer token."""
    response = get(path, headers={"Authorization": header})
    assert (response.status_code, response.json()["error"]["code"]) == (401, code)


def test_discovery_needs_no_token(get: Get, emulator: Emulator) -> None:
    """Discovery is asked without a token and points back to the emulator."""
    response = get("/discovery", headers={"Authorization": None})
    assert (response.status_code, response.json()["api"]) == (200, emulator.url)


def test_statuses_of_a_fault_are_answered_in_order(get: Get, emulator: Emulator) -> None:
    """A fault answers one status a request; 200 lets one through; after the last all is normal."""
    emulator.control.faults({"service": "azure_ml", "statuses": [429, 200, 503], "retry_after": 2})
    answers = [get(MODEL) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 200, 503, 200]
    assert answers[0].headers["Retry-After"] == "2"
    assert answers[0].json()["error"]["code"] == "TooManyRequests"
    assert emulator.control.pending_faults() == []


def test_fault_takes_only_what_it_names(get: Get, emulator: Emulator) -> None:
    """Service, method and path of a fault all have to match."""
    emulator.control.faults(
        {"service": "purview", "statuses": [500]},
        {"service": "azure_ml", "method": "POST", "statuses": [500]},
        {"service": "azure_ml", "path": "/datastores/", "statuses": [500]},
    )
    assert get(MODEL).status_code == 200
    assert get(TYPES).status_code == 500
    assert len(emulator.control.pending_faults()) == 2


def test_fault_repeats_as_often_as_scripted_with_its_own_body(get: Get, emulator: Emulator) -> None:
    """A list of statuses can be repeated, and a body can be given as text."""
    emulator.control.faults({"service": "purview", "statuses": [502], "times": 2, "body": "<html>Bad Gateway</html>"})
    answers = [get(TYPES) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [502, 502, 200]
    assert answers[0].text == "<html>Bad Gateway</html>"


def test_cut_connection_gives_no_answer(get: Get, emulator: Emulator) -> None:
    """A cut closes the connection; the log shows status 0, and the next request a new connection."""
    get(MODEL)
    emulator.control.faults({"service": "azure_ml", "cut": True})
    with pytest.raises(requests.ConnectionError):
        get(MODEL)
    get(MODEL)
    logged = emulator.control.requests()
    assert [request.status for request in logged] == [200, 0, 200]
    assert [request.connection - logged[0].connection for request in logged] == [0, 0, 1]


def test_delay_and_latency_show_in_the_log(get: Get, emulator: Emulator) -> None:
    """The delay of a fault comes on top of the latency of every request; reset ends both."""
    emulator.control.latency(20)
    emulator.control.faults({"service": "azure_ml", "delay_ms": 30})
    get(MODEL)
    get(MODEL)
    slow, normal = emulator.control.requests()
    assert slow.ms >= 50
    assert 20 <= normal.ms < slow.ms
    emulator.control.faults({"service": "azure_ml", "statuses": [500]})
    emulator.control.reset()
    assert get(MODEL).status_code == 200
    assert [request.ms < 20 for request in emulator.control.requests()] == [True]


@pytest.mark.parametrize(
    "fault",
    [
        {"service": "storage"},
        {"service": "purview", "status": [500]},
        {"service": "purview", "statuses": 500},
        {"service": "purview", "statuses": ["500"]},
        {"service": "purview", "statuses": [500], "path": "("},
    ],
)
def test_fault_that_could_never_happen_is_refused(emulator: Emulator, fault: dict[str, object]) -> None:
    """A misspelt fault fails the test that scripts it."""
    with pytest.raises(ValueError, match=r"\w"):
        emulator.control.faults(fault)


def test_requests_are_logged_with_service_query_and_connection(get: Get, emulator: Emulator) -> None:
    """The log has service requests only, in order, and can be cleared alone."""
    get(MODEL)
    get(TYPES)
    logged = emulator.control.requests()
    assert [request.service for request in logged] == ["azure_ml", "purview"]
    assert logged[0].query == "api-version=2023-08-01-preview"
    assert len({request.connection for request in logged}) == 1
    emulator.control.clear_requests()
    assert emulator.control.requests() == []


def test_reset_goes_back_to_the_start_of_the_scenario(get: Get, emulator: Emulator) -> None:
    """What was added is gone after a reset, and the scenario is still the same."""
    before = emulator.control.state()
    emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": {"runs": {"new_run": {}}}}})
    emulator.control.switches(max_bulk=1)
    assert emulator.control.state()["azure_ml"]["run_statuses"]["new_run"] == "Completed"
    emulator.control.reset()
    assert (emulator.control.state(), emulator.control.scenario()) == (before, "credit-risk")


@pytest.mark.parametrize(
    "fragment",
    [
        {"workspaces": {"ws-credit": {"runz": {}}}},
        {"workspaces": {"ws-credit": {"runs": {"r": {"imputs": {}}}}}},
        {"workspaces": {"ws-credit": {"runs": {"r": {"inputs": {"x": {"output_of": "absent/out"}}}}}}},
        {"workspaces": {"ws-credit": {"runs": {"r": {"parent": "absent"}}}}},
        {"workspaces": {"ws-new": {}}},
    ],
)
def test_bad_fragment_changes_nothing(emulator: Emulator, fragment: dict[str, object]) -> None:
    """A fragment with a misspelt key or a dangling reference is refused as a whole."""
    emulator.control.use("credit-risk")
    before = emulator.control.state()["azure_ml"]
    with pytest.raises(ValueError, match=r"\w"):
        emulator.control.add_to_azure_ml(fragment)
    assert emulator.control.state()["azure_ml"] == before


def test_unknown_switch_is_refused(emulator: Emulator) -> None:
    """Switches of the emulated Purview are set by their exact names."""
    with pytest.raises(ValueError, match="unknown switch"):
        emulator.control.switches(no_such_switch=True)


@pytest.mark.parametrize("value", ["40", True, None])
def test_switch_of_another_type_is_refused(emulator: Emulator, value: object) -> None:
    """Milliseconds are a number, whole or not."""
    emulator.control.switches(commit_ms=40)
    emulator.control.switches(commit_ms=0.5)
    with pytest.raises(ValueError, match="takes a float"):
        emulator.control.switches(commit_ms=value)


def test_latencies_of_the_start_are_there_after_a_reset() -> None:
    """What was switched since is gone."""
    with Emulator("empty", latency_ms=1, commit_ms=2) as emulator:
        emulator.control.latency(0)
        emulator.control.switches(commit_ms=0)
        emulator.control.reset()
        services = emulator.services
        assert (services.faults.latency_ms, services.purview.switches.commit_ms) == (1, 2)


def test_unknown_scenario_is_refused(emulator: Emulator) -> None:
    """A scenario that does not exist is refused, and the current one goes on."""
    with pytest.raises(ValueError, match="credit-risk"):
        emulator.control.use("credit-rsik")
    assert emulator.control.scenario() == "empty"


def test_unknown_paths_are_not_found_in_the_shape_of_their_service(get: Get) -> None:
    """Purview's unknown paths have Atlas's error body, the control plane's and Azure ML's have ARM's."""
    assert "errorCode" in get("/datamap/api/atlas/v2/nonsense?api-version=2023-09-01").json()
    assert get("/_emulator/nonsense").json()["error"]["code"] == "NotFound"
    assert get("/nonsense").json()["error"]["code"] == "NotFound"


def test_same_requests_give_the_same_bytes(get: Get, emulator: Emulator) -> None:
    """After a reset the same requests are answered byte for byte the same."""
    first = [get(MODEL).content, get(TYPES).content]
    emulator.control.reset()
    assert [get(MODEL).content, get(TYPES).content] == first
