"""Sets up the catalog: the app is Data Curator of its collection, and our types are there."""

import tenacity

from cli.admin.management.clients import Management
from cli.admin.management.policies import DATA_CURATOR, has_role, with_role
from cli.admin.steps.step import Change, Step
from shared.bootstrap import Services

_CONFLICT = (409, 412)


def give_role(services: Services, management: Management, identity_id: str, *, command: str) -> Step:
    """Make the app Data Curator of the collection, besides whoever is already."""

    def plan() -> Change | str:
        collection = management.account.get_collection(services.settings.purview_collection)
        if has_role(management.account.get_policy(collection.name), DATA_CURATOR, identity_id):
            return f"{identity_id} is Data Curator in {collection.friendly_name}"
        return Change(
            f"{identity_id} becomes Data Curator in {collection.friendly_name}",
            lambda: _grant(management, collection.name, identity_id),
        )

    return Step("role in the catalog", plan, command)


@tenacity.retry(
    retry=tenacity.retry_if_exception(lambda error: getattr(error, "status", 0) in _CONFLICT),
    stop=tenacity.stop_after_attempt(3),
    reraise=True,
)
def _grant(management: Management, collection: str, identity_id: str) -> None:
    """Replace the policy; if somebody else did so since we read it, read it again."""
    policy = management.account.get_policy(collection)
    if not has_role(policy, DATA_CURATOR, identity_id):
        management.account.put_policy(with_role(policy, DATA_CURATOR, identity_id))


def install_types(services: Services, *, later: str, command: str) -> Step:
    """Install or upgrade the types that lineage needs."""

    def plan() -> Change | str:
        planned = services.catalog.plan_types()
        if planned.is_empty:
            return "all are installed"
        created = len(planned.create_entities) + len(planned.create_relationships)
        words = f"{created} are created, {len(planned.update_entities)} get what they lack"
        return Change(words, services.catalog.install_types)

    return Step("types in the catalog", plan, command, later)
