"""Cache: an answer is remembered for a while, a failure never, and the memory is bounded."""

import pytest

from shared.cache import Cache
from shared.errors import RecordNotFoundError, ServiceUnavailableError


class Answers:
    """Counts how often it is asked; the time is what the test says it is."""

    def __init__(self) -> None:
        self.asked = 0
        self.time = 0.0

    def ask(self) -> int:
        self.asked += 1
        return self.asked


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def cache(answers: Answers) -> Cache:
    return Cache(size=2, seconds=60.0, clock=lambda: answers.time)


def test_second_question_is_answered_from_memory(cache: Cache, answers: Answers) -> None:
    """Immutable things are asked for once."""
    assert [cache.get("a", answers.ask), cache.get("a", answers.ask), answers.asked] == [1, 1, 1]


def test_another_key_is_another_question(cache: Cache, answers: Answers) -> None:
    """Keys are compared whole."""
    assert [cache.get(("ws", "a"), answers.ask), cache.get(("ws", "b"), answers.ask)] == [1, 2]


@pytest.mark.parametrize(("seconds", "expected"), [(59.9, 1), (60.0, 2)])
def test_old_answer_is_forgotten(cache: Cache, answers: Answers, seconds: float, expected: int) -> None:
    """A renamed datastore shows within that time."""
    cache.get("a", answers.ask)
    answers.time = seconds
    assert cache.get("a", answers.ask) == expected


def test_answer_that_was_put_saves_the_question(cache: Cache, answers: Answers) -> None:
    """An event may bring along what we would have asked for."""
    cache.put("a", 7)
    assert [cache.get("a", answers.ask), answers.asked] == [7, 0]


def test_answer_of_none_is_remembered_too(cache: Cache) -> None:
    """That there is nothing is an answer."""
    asked = []
    for _ in range(2):
        cache.get("a", lambda: asked.append(1))
    assert len(asked) == 1


@pytest.mark.parametrize("failure", [ServiceUnavailableError("busy"), RecordNotFoundError("not yet")])
def test_failure_is_not_remembered(cache: Cache, answers: Answers, failure: Exception) -> None:
    """What failed a moment ago may be there now."""

    def fail() -> int:
        raise failure

    with pytest.raises(type(failure)):
        cache.get("a", fail)
    assert cache.get("a", answers.ask) == 1


def test_answer_asked_for_longest_ago_goes_first(cache: Cache, answers: Answers) -> None:
    """A backfill of 100,000 runs must not grow without end."""
    cache.put("a", "a")
    cache.put("b", "b")
    cache.get("a", answers.ask)
    cache.put("c", "c")
    assert [cache.get("a", answers.ask), cache.get("c", answers.ask), answers.asked] == ["a", "c", 0]
    assert cache.get("b", answers.ask) == 1


def test_only_answers_that_are_not_remembered_are_asked_for(cache: Cache) -> None:
    """Many keys, one question; what was forgotten is asked for again, and so is what is not to be kept."""
    asked: list[list[str]] = []

    def ask(keys: list[str]) -> dict[str, str]:
        asked.append(keys)
        return {key: key.upper() for key in keys}

    cache.put("a", "A")
    expected = {"a": "A", "b": "B"}
    assert cache.get_many(["a", "b"], ask, keep=lambda _: {}) == expected
    assert cache.get_many(["a", "b"], ask) == expected
    assert cache.get_many(["a", "b"], ask) == expected
    cache.forget(["a"])
    assert cache.get_many(["a", "b"], ask) == expected
    assert asked == [["b"], ["b"], ["a"]]
