"""Reading the body of an event subscription: what Event Grid takes, and what it adds."""

import re
from typing import Any

from emulator.arm.errors import invalid_request

Body = dict[str, Any]

_NAME = re.compile(r"[A-Za-z0-9-]{3,64}")
_FUNCTION = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Web/sites/[^/]+/functions/[^/]+", re.I
)
_STORAGE = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Storage/storageAccounts/[^/]+", re.I
)
_MEMBERS = {
    "destination",
    "deliveryWithResourceIdentity",
    "filter",
    "labels",
    "expirationTimeUtc",
    "eventDeliverySchema",
    "retryPolicy",
    "deadLetterDestination",
    "deadLetterWithResourceIdentity",
}
_READ_ONLY = {"topic", "provisioningState"}
_SCHEMAS = ("EventGridSchema", "CloudEventSchemaV1_0", "CustomInputSchema")


def check_name(name: str) -> str:
    """Return a name that Event Grid takes."""
    if not _NAME.fullmatch(name):
        raise invalid_request(f"Invalid name {name}: it must have 3 to 64 letters, digits and hyphens.")
    return name


def read_properties(properties: object) -> Body:
    """Return the properties of a new subscription with the defaults filled in, or refuse them."""
    if not isinstance(properties, dict):
        raise invalid_request("The event subscription must have properties.")
    unknown = properties.keys() - _MEMBERS - _READ_ONLY
    if unknown:
        raise invalid_request(f"Could not find member {sorted(unknown)[0]} on event subscription properties.")
    given = {key: value for key, value in properties.items() if key in _MEMBERS and value is not None}
    identity = given.get("deliveryWithResourceIdentity")
    _check_destination(identity.get("destination") if isinstance(identity, dict) else given.get("destination"))
    if "deadLetterDestination" in given:
        _check_dead_letters(given["deadLetterDestination"])
    _check_filter(given.get("filter", {}))
    if given.get("eventDeliverySchema", _SCHEMAS[0]) not in _SCHEMAS:
        raise invalid_request(f"eventDeliverySchema must be one of {', '.join(_SCHEMAS)}.")
    retries = {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440, **_object(given.get("retryPolicy", {}))}
    for key, most in (("maxDeliveryAttempts", 30), ("eventTimeToLiveInMinutes", 1440)):
        if not isinstance(retries[key], int) or not 1 <= retries[key] <= most:
            raise invalid_request(f"{key} must be a whole number from 1 to {most}.")
    defaults: Body = {"labels": [], "eventDeliverySchema": _SCHEMAS[0], "filter": {}}
    return {**defaults, **given, "retryPolicy": retries}


def _check_destination(destination: object) -> None:
    body = _object(destination, "destination")
    properties = _object(body.get("properties", {}))
    kind, resource = body.get("endpointType"), str(properties.get("resourceId"))
    if kind == "AzureFunction" and not _FUNCTION.fullmatch(resource):
        raise invalid_request(f"Invalid resource id {resource}: it is not the id of a function.")
    if kind == "WebHook" and not str(properties.get("endpointUrl")).startswith("https://"):
        raise invalid_request("The endpointUrl of a webhook must begin with https://.")
    if kind == "StorageQueue" and not (_STORAGE.fullmatch(resource) and properties.get("queueName")):
        raise invalid_request("A storage queue needs the resourceId of a storage account and a queueName.")
    if kind not in ("AzureFunction", "WebHook", "StorageQueue"):
        raise invalid_request(f"The emulator's Event Grid does not deliver to {kind!r}.")


def _check_dead_letters(destination: object) -> None:
    body = _object(destination, "deadLetterDestination")
    properties = _object(body.get("properties", {}))
    container = properties.get("blobContainerName")
    if body.get("endpointType") != "StorageBlob" or not _STORAGE.fullmatch(str(properties.get("resourceId"))):
        raise invalid_request("Dead letters go to a StorageBlob with the resourceId of a storage account.")
    if not isinstance(container, str) or not container:
        raise invalid_request("Dead letters need a blobContainerName.")


def _check_filter(given: object) -> None:
    types = _object(given).get("includedEventTypes")
    if types is not None and (not isinstance(types, list) or not all(isinstance(item, str) and item for item in types)):
        raise invalid_request("includedEventTypes must be a list of event types.")


def _object(value: object, name: str = "a member") -> Body:
    if not isinstance(value, dict):
        raise invalid_request(f"{name} of the event subscription must be an object.")
    return value
