"""The endpoints for collections and their metadata policies."""

from emulator.purview.account.admin_call import AdminAnswer, AdminCall
from emulator.purview.account.admin_errors import bad_request, not_found
from emulator.purview.account.collections import Collection
from emulator.purview.policies.policy_document import collection_of
from emulator.purview.policies.roles import READ_COLLECTION, ROLES, WRITE_COLLECTION


def list_collections(call: AdminCall) -> AdminAnswer:
    """List the collections that the caller can see."""
    collections = call.purview.account.collections.values()
    visible = [item.to_json() for item in collections if call.may(READ_COLLECTION, item.name)]
    return AdminAnswer({"value": visible, "count": len(visible)})


def get_collection(call: AdminCall) -> AdminAnswer:
    """Read one collection."""
    collection = _collection(call)
    call.require(READ_COLLECTION, collection.name)
    return AdminAnswer(collection.to_json())


def put_collection(call: AdminCall) -> AdminAnswer:
    """Create a collection below another, with a policy of its own, or rename it."""
    account, name, body = call.purview.account, call.path["name"], call.document
    old, reference = account.find(name), body.get("parentCollection")
    if reference is None and old is not None and old.parent is None:
        parent = None
    else:
        parent = account.find(str(reference.get("referenceName"))) if isinstance(reference, dict) else None
        if parent is None:
            raise bad_request("parentCollection must refer to a collection.")
    if old is not None and old.parent != (parent and parent.name):
        raise bad_request("The emulator does not move collections.")
    call.require(WRITE_COLLECTION, parent.name if parent else name)
    friendly_name, description = body.get("friendlyName") or name, body.get("description")
    creator = old.created_by if old else call.principal
    collection = Collection(name.lower(), str(friendly_name), parent.name if parent else None, creator, description)
    try:
        account.put(collection)
    except ValueError as problem:
        raise bad_request(str(problem)) from problem
    if old is None:
        call.purview.policies.create(collection.name, collection.parent, call.principal)
    return AdminAnswer(collection.to_json())


def list_roles(_: AdminCall) -> AdminAnswer:
    """List the built-in roles."""
    return AdminAnswer({"values": [role.to_json() for role in ROLES.values()]})


def list_policies(call: AdminCall) -> AdminAnswer:
    """List the policies of the collections that the caller administers, or the one of a collection."""
    policies, name = call.purview.policies, call.query.get("collectionName")
    found = policies.all() if name is None else [policies.of_collection(name)]
    return AdminAnswer({"values": [item for item in found if call.may(WRITE_COLLECTION, collection_of(item))]})


def get_policy_of_collection(call: AdminCall) -> AdminAnswer:
    """Read the policy of a collection."""
    policy = call.purview.policies.of_collection(call.path["name"])
    call.require(WRITE_COLLECTION, collection_of(policy))
    return AdminAnswer(policy)


def get_policy(call: AdminCall) -> AdminAnswer:
    """Read a policy by id."""
    policy = call.purview.policies.get(call.path["policy"])
    call.require(WRITE_COLLECTION, collection_of(policy))
    return AdminAnswer(policy)


def put_policy(call: AdminCall) -> AdminAnswer:
    """Replace a policy as a whole."""
    policy = call.purview.policies.get(call.path["policy"])
    call.require(WRITE_COLLECTION, collection_of(policy))
    return AdminAnswer(call.purview.policies.replace(policy["id"], call.document))


def _collection(call: AdminCall) -> Collection:
    found = call.purview.account.find(call.path["name"])
    if found is None:
        raise not_found("Collection", call.path["name"])
    return found
