"""SECURITY.md makes claims; those that a number or a test holds must name one that exists."""

import re
from pathlib import Path

import pytest

from shared.intake.deliver import Patience
from shared.intake.message import MESSAGE_LIMIT
from shared.intake.replay import BODY_LIMIT, EVENT_LIMIT
from shared.state.azure_storage import DEAD_LETTERS, POISON_QUEUE, QUEUE, TABLE, UNDELIVERED
from shared.state.ports import LONGEST_LEASE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
TESTS = set(re.findall(r"`(test_\w+)`", PAGE))
DEFINED = {
    name
    for path in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE)
}


def test_every_test_that_is_named_exists() -> None:
    """A renamed test takes its claim with it."""
    assert len(TESTS) > 20
    assert sorted(TESTS - DEFINED) == []


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        (f"at most {BODY_LIMIT // 1024**2} MiB", BODY_LIMIT % 1024**2 == 0),
        (f"{EVENT_LIMIT} events a request", True),
        (f"{MESSAGE_LIMIT // 1024} KiB a message", MESSAGE_LIMIT % 1024 == 0),
        ("counts for ten minutes at most", LONGEST_LEASE.total_seconds() == 600),
        ("five attempts, then a dead letter", Patience().failures == 5),
    ],
)
def test_limit_is_the_one_in_the_code(words: str, holds: bool) -> None:
    """As it is worded there."""
    assert words in PAGE
    assert holds


def test_everything_that_stores_something_is_listed() -> None:
    """Both queues, the table and both containers, by name."""
    listed = set(re.findall(r"^\| (?:queue|table|container) `([\w-]+)` \|", PAGE, re.MULTILINE))
    assert listed == {QUEUE, POISON_QUEUE, TABLE, DEAD_LETTERS, UNDELIVERED}


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("functions/health.py", 'route="health/live", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS'),
        ("functions/health.py", 'route="health/ready", methods=["GET"], auth_level=func.AuthLevel.FUNCTION'),
        ("functions/replay.py", 'route="replay", methods=["POST"], auth_level=func.AuthLevel.FUNCTION'),
        ("shared/azure_ml/services/workspace_api.py", "link_at(first, link, also=self._hosts)"),
        ("shared/azure_ml/services/inventory.py", "link_at(self._arm_endpoint, page)"),
        ("infra/modules/storage-account.bicep", "allowSharedKeyAccess: false"),
        ("infra/modules/storage-account.bicep", "daysAfterModificationGreaterThan: replayedRetentionDays"),
        ("infra/main.bicep", "param replayedRetentionDays int = 90"),
    ],
)
def test_code_that_a_claim_rests_on_is_still_there(path: str, words: str) -> None:
    """Where no behaviour is tested from outside."""
    assert words in (ROOT / path).read_text(encoding="utf-8")
