"""The error answers of Azure Resource Manager and of Event Grid behind it."""

from emulator.azure_ml.errors import AzureMLError, arm_error


def group_not_found(name: str) -> AzureMLError:
    """ARM's answer for a resource group it does not know."""
    return arm_error(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def resource_not_found(resource: str, group: str) -> AzureMLError:
    """ARM's answer for a resource that is not in a group it knows."""
    message = (
        f"The Resource '{resource}' under resource group '{group}' was not found. For more details please go to "
        "https://aka.ms/ARMResourceNotFoundFix"
    )
    return arm_error(404, "ResourceNotFound", message)


def parent_not_found(parent: str) -> AzureMLError:
    """ARM's answer to a write below a resource that is not there."""
    message = f"Can not perform requested operation on nested resource. Parent resource '{parent}' not found."
    return arm_error(404, "ParentResourceNotFound", message)


def invalid_request(message: str) -> AzureMLError:
    """Event Grid's answer to a request it cannot carry out."""
    return arm_error(400, "InvalidRequest", message)
