"""Where an event type is named besides its row in the table: the template's subscription, setup's, and the docs."""

import re
from pathlib import Path

from cli.admin.management.event_grid import Target, build_subscription
from shared.intake.event_types import NAMESPACE

ROOT = Path(__file__).parents[2]


def types_in_template() -> set[str]:
    """Return the types that the deployed subscription asks for."""
    template = (ROOT / "infra/modules/event-subscription.bicep").read_text(encoding="utf-8")
    return set(re.findall(rf"'{re.escape(NAMESPACE)}(\w+)'", template))


def types_in_setup() -> set[str]:
    """Return the types that the subscription of `lineage setup` asks for."""
    body = build_subscription(Target("function", "storage")).serialize()["properties"]
    return {name.removeprefix(NAMESPACE) for name in body["filter"]["includedEventTypes"]}


def types_in_docs() -> dict[str, bool]:
    """Return the types in the table of docs/architecture.md, and whether it says that we subscribe to them."""
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^ +\| `(\w+)` \|.*\| (yes|no) \|$", page, re.MULTILINE)
    return {name: subscribed == "yes" for name, subscribed in rows}
