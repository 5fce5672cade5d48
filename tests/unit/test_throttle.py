"""The pause that the catalog asks for, kept by all requests of a process and not by the one that was refused alone."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag
from typing import Any, cast

import pytest
import requests

from shared.errors import ServiceUnavailableError
from shared.http.rest import EmulatorCredential
from shared.purview.transport import LONGEST_WAIT, PurviewClient, Throttle


class Clock:
    """A clock that goes on when one sleeps by it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Session:
    """Answers each request with the next status of a script, asking for a pause with each 429."""

    def __init__(self, *statuses: int, pause: str = "") -> None:
        self.statuses: Iterator[int] = iter(statuses)
        self.pause = pause
        self.sent = 0

    def request(self, method: str, url: str, **_: Any) -> requests.Response:
        self.sent += 1
        answer = requests.Response()
        answer.status_code, answer._content = next(self.statuses, 200), b"{}"
        if answer.status_code == 429 and self.pause:
            answer.headers["Retry-After"] = self.pause
        return answer


def client(session: Session, clock: Clock) -> PurviewClient:
    return PurviewClient(
        "https://contoso.purview.azure.com",
        credential=EmulatorCredential(),
        session=cast(requests.Session, session),
        sleep=clock.sleep,
        clock=clock,
    )


def test_pause_that_one_request_was_asked_for_is_kept_by_the_next(clock: Clock) -> None:
    """Each would otherwise be refused, and count against the capacity all the same."""
    throttle = Throttle(clock=clock, sleep=clock.sleep)
    throttle.begin(7)
    with throttle.request():
        assert clock.slept == [7]


def test_request_that_would_wait_too_long_is_not_sent(clock: Clock) -> None:
    """Its message waits instead, as long as the catalog asked for; then requests are sent again."""
    session = Session(429, pause="120")
    catalog = client(session, clock)
    for _ in range(2):
        with pytest.raises(ServiceUnavailableError) as refused:
            catalog.get("/types/typedefs")
        assert refused.value.retry_after == pytest.approx(120)
    assert (session.sent, clock.slept) == (1, [])
    clock.now += 120
    assert catalog.get("/types/typedefs") == {}


def test_pause_is_waited_for_once(clock: Clock) -> None:
    """By the request that was asked for it; what comes after the pause goes at once."""
    session = Session(429, pause="7")
    catalog = client(session, clock)
    catalog.get("/types/typedefs")
    catalog.get("/types/typedefs")
    assert (session.sent, [wait for wait in clock.slept if wait]) == (3, [7])


def test_requests_go_one_by_one_until_the_catalog_has_taken_one(clock: Clock) -> None:
    """All that have waited would otherwise come at once, and be refused again."""
    throttle = Throttle(clock=clock, sleep=clock.sleep)
    throttle.begin(1)
    first, inside, others = Flag(), Flag(), list[str]()

    def probe() -> None:
        with throttle.request():
            inside.set()
            first.wait(10)
            throttle.end()

    def other() -> None:
        with throttle.request():
            others.append("sent")

    with ThreadPoolExecutor() as pool:
        done = pool.submit(probe)
        assert inside.wait(10)
        waiting = [pool.submit(other) for _ in range(5)]
        assert others == []
        first.set()
        for each in (done, *waiting):
            each.result(10)
    assert len(others) == 5


def test_answer_to_a_request_from_before_the_pause_does_not_end_it(clock: Clock) -> None:
    """It was on its way when another one was refused."""
    throttle = Throttle(clock=clock, sleep=clock.sleep)
    throttle.begin(LONGEST_WAIT + 1)
    throttle.end()
    with pytest.raises(ServiceUnavailableError), throttle.request():
        raise AssertionError("it was sent")


@pytest.fixture
def clock() -> Clock:
    return Clock()
