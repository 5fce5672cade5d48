"""What no event told is found on a schedule: runs, models, endpoints, scans, and what is gone."""

import random
from collections.abc import Callable

from shared.handlers.coverage import Coverage
from tests.app import App

Start = Callable[..., App]


def drain(app: App) -> None:
    """Publish what is on the queue."""
    app.replay([])


def test_thirty_percent_of_the_events_withheld_ends_in_full_coverage(start_app: Start) -> None:
    """Some ticks, each bounded, find all of it; the catalog is what it would have been."""
    app = start_app("fleet", runs=60)
    events = app.events()
    told = random.Random(7).sample(events, round(0.7 * len(events)))
    app.replay(told)
    before = app.services.reconciler.tick()
    assert any(coverage.gaps for coverage in before)
    drain(app)
    after = app.services.reconciler.tick()
    assert [(coverage.percent, coverage.gaps) for coverage in after] == [(100.0, ())] * 3
    reconciled = app.catalog_content()
    whole = start_app("fleet", runs=60)
    whole.replay(whole.events())
    whole.services.reconciler.tick()
    drain(whole)
    assert reconciled == whole.catalog_content()
