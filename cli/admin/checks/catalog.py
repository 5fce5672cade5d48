"""Whether the catalog takes what we write: types, collection, role, and one round trip."""

import uuid
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from cli.admin.checks.check import Check, ProblemError, UncheckedError
from cli.admin.checks.machine import Resolve, check_account, read_claims
from cli.admin.management.arm import PURVIEW_ACCOUNTS
from cli.admin.management.clients import Management
from cli.admin.management.purview_account import DATA_CURATOR, Collection, has_groups, has_role, inherits
from cli.options import AppDeployment
from shared.bootstrap import Services
from shared.catalog.entities import Entity, Ref, attributes
from shared.catalog.kinds import OTHER_DATA
from shared.catalog.qualified_names import QualifiedName
from shared.errors import AccessDeniedError, LineageError, RecordNotFoundError
from shared.http.rest import get_token

_ROLE = (
    "A Collection Administrator gives the role Data Curator: lineage setup --identity OBJECT_ID "
    "(or in the Purview portal: Data Map, Collections, Role assignments)."
)
_NO_COLLECTION = (
    "Set PURVIEW_COLLECTION to the name of a collection, the last part of its address in the Purview portal; "
    "you see only those in which you have a role."
)


def check_catalog(
    services: Services, management: Management, deployment: AppDeployment, resolve: Resolve
) -> Iterator[Check]:
    if deployment.purview_account_id:
        yield check_account(
            "catalog: account",
            lambda: management.arm.get(deployment.purview_account_id, PURVIEW_ACCOUNTS),
            services.settings.purview_endpoint,
            resolve,
            zone=services.cloud.private_zone(services.cloud.purview),
        )
    yield Check("catalog: collection", _probe_collection(services, management), _ROLE)
    yield Check("catalog: role", _probe_role(services, management, deployment), _ROLE)
    others = _unless_only_the_caller_lacks_it(services, management, deployment)
    yield Check("catalog: types", others(_probe_types(services)), _ROLE)
    yield Check("catalog: round trip", others(_probe_round_trip(services)), _ROLE)


def _probe_collection(services: Services, management: Management) -> Callable[[], str]:
    def probe() -> str:
        collection = _find_collection(services, management)
        return f"{collection.name} ({collection.friendly_name})"

    return probe


def _find_collection(services: Services, management: Management) -> Collection:
    wanted = services.settings.purview_collection
    try:
        return management.account.get_collection(wanted)
    except RecordNotFoundError as error:
        called_so = management.account.find_called(wanted)
        remedy = f"Set PURVIEW_COLLECTION={called_so[0]}." if called_so else _NO_COLLECTION
        raise ProblemError(str(error), remedy) from error


def _probe_role(services: Services, management: Management, deployment: AppDeployment) -> Callable[[], str]:
    def probe() -> str:
        identity = deployment.identity_id or str(
            read_claims(get_token(services.credential, services.cloud.purview_scope).token).get("oid") or ""
        )
        if not identity:
            raise UncheckedError("who the app is, is not known: give --identity")
        collections = {each.name: each for each in management.account.list_collections()}
        name = start = _find_collection(services, management).name
        maybe = False
        while name:
            try:
                policy = management.account.get_policy(name)
            except AccessDeniedError as error:
                raise UncheckedError(f"only a Collection Administrator may read who has roles in {name}") from error
            if has_role(policy, DATA_CURATOR, identity):
                return f"{identity} is Data Curator in {name}"
            maybe = maybe or has_groups(policy, DATA_CURATOR)
            parent = collections[name].parent if name in collections and inherits(policy) else ""
            if parent and parent not in collections:
                raise UncheckedError(f"{identity} is not Data Curator in {name}; what is above is not visible to you")
            name = parent
        if maybe:
            raise UncheckedError(f"{identity} is not Data Curator in {start} itself; it may be through a group")
        raise ProblemError(f"{identity} is not Data Curator in {start}", f"lineage setup --identity {identity}")

    return probe


Probe = Callable[[], str]


def _unless_only_the_caller_lacks_it(
    services: Services, management: Management, deployment: AppDeployment
) -> Callable[[Probe], Probe]:
    """Report a right that only the caller lacks as unchecked, where the app is known to have it."""

    def wrap(probe: Probe) -> Probe:
        def wrapped() -> str:
            try:
                return probe()
            except AccessDeniedError as error:
                if deployment.identity_id and _is_curator(_probe_role(services, management, deployment)):
                    raise UncheckedError("you are not Data Curator, so it cannot be tried; the app is") from error
                raise

        return wrapped

    return wrap


def _is_curator(probe: Probe) -> bool:
    try:
        probe()
    except LineageError:
        return False
    return True


def _probe_types(services: Services) -> Callable[[], str]:
    def probe() -> str:
        plan = services.catalog.plan_types()
        missing = [str(item["name"]) for item in (*plan.create_entities, *plan.create_relationships)]
        lacking = [f"{name} lacks {', '.join(added)}" for name, added in plan.changes.items()]
        if plan.is_empty:
            return "all are installed"
        words = [*([f"missing: {', '.join(missing)}"] if missing else []), *lacking]
        raise ProblemError("; ".join(words), "lineage typedefs apply")

    return probe


def _probe_round_trip(services: Services) -> Callable[[], str]:
    def probe() -> str:
        if any(item["name"] == OTHER_DATA for item in services.catalog.plan_types().create_entities):
            raise UncheckedError("waits for the types")  # writing would install them
        name = QualifiedName(f"azureml://lineage-doctor/{uuid.uuid4()}")
        entity = Entity(
            Ref(OTHER_DATA, name), attributes("lineage doctor", description="May be deleted: it was a test.")
        )
        rejected = services.catalog.upsert_entities([entity]).rejections
        if rejected:
            raise ProblemError(f"the catalog refused an entity: {rejected[name]}", "lineage typedefs apply")
        found = services.catalog.find([name]).get(name)
        if found is None:
            raise ProblemError(
                "an entity that was written cannot be read",
                "The role lets write but not read: give Data Curator, which lets both.",
            )
        services.catalog.remove_entity(found)
        host = urlsplit(services.settings.purview_endpoint).hostname
        return f"an entity was written to {host}, read and deleted"

    return probe
