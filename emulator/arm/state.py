"""The state of the emulated ARM: the groups it knows, and Event Grid's topics in them."""

from collections.abc import Mapping
from typing import Any

from emulator.arm.errors import group_not_found, invalid_request, resource_not_found
from emulator.arm.groups import Group
from emulator.arm.operations import Operations
from emulator.arm.resources import PurviewAccount, Storage, storage_accounts
from emulator.arm.role_assignments import RoleAssignments
from emulator.arm.subscription_body import check_name, read_properties
from emulator.arm.topics import TOPIC, EventSubscription, SystemTopic
from emulator.azure_ml import AzureML
from emulator.azure_ml.errors import AzureMLError, subscription_not_found
from emulator.merge import merge
from emulator.purview.identity import Source

SITES = "Microsoft.Web/sites"
WORKSPACES = "Microsoft.MachineLearningServices.Workspaces"

_KEYS = {"system_topics", "purview_account", "storage_accounts", "sites"}
_TOPIC_KEYS = {"subscription", "resource_group", "source", "location", "event_subscriptions", "metrics"}
_ACCOUNT_KEYS = {"subscription", "resource_group", "region", "public_network_access", "private_endpoints"}
_SUBSCRIPTION_KEYS = {"properties", "provisioning_state", "expires", "metrics"}


class Arm:
    """
    What is around the workspaces.

    The seed has ``system_topics`` by name, with their ``source`` (the name of a workspace or an ARM id),
    ``event_subscriptions`` by name and ``metrics``; ``purview_account``; and ``storage_accounts`` by name,
    for what differs from an account that a workspace has anyway; and ``sites`` by name, each with a ``state``,
    ``app_settings``, and ``functions`` by name, of which each may be ``disabled`` or have ``errors`` of the host.
    """

    def __init__(self, seed: Mapping[str, object], azure_ml: AzureML, purview_name: str) -> None:
        self._azure_ml = azure_ml
        self._purview_name = purview_name
        self._seed: dict[str, Any] = {}
        self.operations = Operations()
        self.role_assignments = RoleAssignments()
        self._ids = Source("arm")
        self.topics: dict[str, SystemTopic] = {}
        self.merge(seed)

    def merge(self, fragment: Mapping[str, Any]) -> None:
        """Add to the state; a bad fragment raises ValueError. A topic that is named again is replaced."""
        _check_keys("the ARM seed", fragment, _KEYS)
        topics = {
            topic.id.lower(): topic
            for name, node in (fragment.get("system_topics") or {}).items()
            for topic in [self._topic(name, node)]
        }
        seed: dict[str, Any] = merge(self._seed, fragment)
        _check_keys("purview_account", seed.get("purview_account") or {}, _ACCOUNT_KEYS)
        for name, node in (seed.get("sites") or {}).items():
            _check_keys(f"site {name}", node, {"state", "app_settings", "functions"})
            for key, function in (node.get("functions") or {}).items():
                _check_keys(f"function {key}", function or {}, {"disabled", "errors"})
        for name, node in (seed.get("storage_accounts") or {}).items():
            _check_keys(f"storage account {name}", node, {"public_network_access"})
        self._seed = seed
        self.topics |= topics

    def group(self, subscription: str, name: str) -> Group:
        """Find a resource group, in any case; groups are those of the workspaces and of Purview."""
        self.check_subscription(subscription)
        wanted = (subscription.lower(), name.lower())
        for group in self._groups():
            if (group.subscription.lower(), group.name.lower()) == wanted:
                return group
        raise group_not_found(name)

    def check_subscription(self, subscription: str) -> None:
        """Refuse a subscription that nothing is in."""
        if subscription.lower() not in {group.subscription.lower() for group in self._groups()}:
            raise subscription_not_found(subscription)

    def topic(self, group: Group, name: str) -> SystemTopic:
        """Find a system topic."""
        found = self.topics.get(group.resource_id(TOPIC, name).lower())
        if found is None:
            raise resource_not_found(f"{TOPIC}/{name}", group.name)
        return found

    def topic_named(self, name: str) -> SystemTopic:
        """Find a system topic by its name alone, for the control plane."""
        found = [topic for topic in self.topics.values() if topic.name.lower() == name.lower()]
        if len(found) != 1:
            raise ValueError(f"no system topic {name!r}; there are {[topic.name for topic in self.topics.values()]}")
        return found[0]

    def put_topic(
        self, group: Group, name: str, location: str, source: str, topic_type: str
    ) -> tuple[SystemTopic, bool]:
        """Create the topic of a source, or return the one that is there; tells whether it is new."""
        key = group.resource_id(TOPIC, check_name(name)).lower()
        known = self.topics.get(key)
        if known is not None and known.source.lower() != source.lower():
            raise invalid_request("System topic source cannot be modified.")
        rival = next((topic for topic in self.topics.values() if topic.source.lower() == source.lower()), None)
        if rival is not None and rival is not known:
            raise invalid_request(
                f"There is an existing tracked system topic for the given source {source}. Only one system topic is "
                "allowed per source."
            )
        if known is not None:
            return known, False
        if topic_type.lower() != WORKSPACES.lower():
            raise invalid_request(f"The emulator's Event Grid has no topics of type {topic_type!r}.")
        region = self._region(source)
        if region is None:
            raise invalid_request(f"The source {source} was not found.")
        if region.lower() != location.lower().replace(" ", ""):
            raise invalid_request("System topic's location must match with location of the source resource.")
        self.topics[key] = SystemTopic(name, group, location, source, topic_type, self._ids.guid())
        return self.topics[key], True

    def storage(self, group: Group, name: str) -> Storage:
        """Find a storage account."""
        changes = self._seed.get("storage_accounts") or {}
        for account in storage_accounts(self._azure_ml, changes):
            if account.group == group and account.name == name.lower():
                return account
        raise resource_not_found(f"Microsoft.Storage/storageAccounts/{name}", group.name)

    def site(self, group: Group, name: str) -> dict[str, Any]:
        """Show a function app; those of the seed are there, each in a state."""
        node = self._site(group, name)
        return {
            "id": group.resource_id(SITES, name),
            "name": name,
            "type": SITES,
            "kind": "functionapp,linux",
            "properties": {"state": node.get("state", "Running"), "enabled": True},
        }

    def site_functions(self, group: Group, name: str) -> list[dict[str, Any]]:
        """List the functions of a function app, also those that its host could not start."""
        functions = self._site(group, name).get("functions") or {}
        return [
            {
                "id": f"{group.resource_id(SITES, name)}/functions/{function}",
                "name": f"{name}/{function}",
                "type": f"{SITES}/functions",
                "properties": {
                    "name": function,
                    "language": "python",
                    "isDisabled": bool((node or {}).get("disabled")),
                },
            }
            for function, node in functions.items()
        ]

    def function_status(self, group: Group, site: str, name: str) -> dict[str, Any] | None:
        """Show why the host could not start a function; nothing if it has none of that name."""
        functions = self._site(group, site).get("functions") or {}
        if name not in functions:
            return None
        errors = (functions[name] or {}).get("errors")
        return {"errors": errors} if errors else {}

    def app_settings(self, group: Group, name: str) -> dict[str, Any]:
        """Show the app settings of a function app, with their values."""
        node = self._site(group, name)
        return {
            "id": f"{group.resource_id(SITES, name)}/config/appsettings",
            "name": "appsettings",
            "type": f"{SITES}/config",
            "properties": dict(node.get("app_settings") or {}),
        }

    def purview(self) -> PurviewAccount:
        """Return the Purview account, by default in the group of the first workspace."""
        node = dict(self._seed.get("purview_account") or {})
        names = next(iter(self._azure_ml.workspaces())).names
        group = Group(node.pop("subscription", names.subscription), node.pop("resource_group", names.resource_group))
        node["private_endpoints"] = tuple(node.get("private_endpoints", ()))
        return PurviewAccount(self._purview_name, group, node.pop("region", names.region), **node)

    def dump(self) -> dict[str, Any]:
        """Give everything that can be written."""
        return {
            "system_topics": [topic.to_json() for topic in self.topics.values()],
            "event_subscriptions": [
                each.to_json(topic.id) for topic in self.topics.values() for each in topic.subscriptions.values()
            ],
            "role_assignments": self.role_assignments.to_json(),
        }

    def _site(self, group: Group, name: str) -> dict[str, Any]:
        node: dict[str, Any] | None = (self._seed.get("sites") or {}).get(name)
        if node is None:
            raise resource_not_found(f"{SITES}/{name}", group.name)
        return node

    def _groups(self) -> list[Group]:
        groups = [Group(w.names.subscription, w.names.resource_group) for w in self._azure_ml.workspaces()]
        return [*groups, self.purview().group, *(topic.group for topic in self.topics.values())]

    def _region(self, source: str) -> str | None:
        regions = {w.names.id.lower(): w.names.region for w in self._azure_ml.workspaces()}
        return regions.get(source.lower())

    def _topic(self, name: str, node: Mapping[str, Any]) -> SystemTopic:
        """Read a topic of a seed, which has been there for a while."""
        _check_keys(f"system topic {name}", node, _TOPIC_KEYS)
        names = next(
            (w.names for w in self._azure_ml.workspaces() if node["source"] in (w.names.workspace, w.names.id)), None
        )
        if names is None:
            raise ValueError(f"the source of system topic {name} is no workspace: {node['source']}")
        group = Group(node.get("subscription", names.subscription), node.get("resource_group", names.resource_group))
        topic = SystemTopic(
            check_name(name), group, node.get("location", names.region), names.id, WORKSPACES, self._ids.guid()
        )
        topic.metrics.set(node.get("metrics", {}), None, 0)
        for key, child in (node.get("event_subscriptions") or {}).items():
            _check_keys(f"event subscription {key}", child, _SUBSCRIPTION_KEYS)
            try:
                subscription = EventSubscription(check_name(key), read_properties(child.get("properties")))
            except AzureMLError as problem:
                raise ValueError(f"event subscription {key}: {problem}") from problem
            subscription.set_state(child.get("provisioning_state"), child.get("expires"))
            topic.subscriptions[key.lower()] = subscription
            topic.metrics.set(child.get("metrics", {}), key, 0)
        return topic


def _check_keys(what: str, node: Mapping[str, Any], known: set[str]) -> None:
    unknown = node.keys() - known
    if unknown:
        raise ValueError(f"unknown keys in {what}: {sorted(unknown)}")
