"""The error answers of ARM, of the workspace services behind it, and of their MLflow."""


class AzureMLError(Exception):
    """An error answer: its status and its body."""

    def __init__(self, status: int, body: dict[str, object]) -> None:
        super().__init__(body)
        self.status = status
        self.body = body


def arm_error(status: int, code: str, message: str) -> AzureMLError:
    """Build ARM's envelope, which the workspace services use as well."""
    return AzureMLError(status, {"error": {"code": code, "message": message}})


def missing_api_version() -> AzureMLError:
    """ARM does not guess the version."""
    message = "The api-version query parameter (?api-version=) is required for all requests."
    return arm_error(400, "MissingApiVersionParameter", message)


def invalid_api_version(given: str) -> AzureMLError:
    """ARM knows the form of a version."""
    message = f"The api-version '{given}' is invalid. The supported form is 'yyyy-MM-dd' or 'yyyy-MM-dd-preview'."
    return arm_error(400, "InvalidApiVersionParameter", message)


def subscription_not_found(name: str) -> AzureMLError:
    """ARM's answer for a subscription it does not know."""
    return arm_error(404, "SubscriptionNotFound", f"The subscription '{name}' could not be found.")


def workspace_not_found(name: str, resource_group: str) -> AzureMLError:
    """ARM's answer for a workspace that is not there."""
    message = (
        f"The Resource 'Microsoft.MachineLearningServices/workspaces/{name}' under resource group "
        f"'{resource_group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )
    return arm_error(404, "ResourceNotFound", message)


def not_found(kind: str, name: str) -> AzureMLError:
    """A workspace service's answer for anything inside a workspace."""
    return arm_error(404, "UserError", f"{kind} {name} not found.")


def bad_request(message: str) -> AzureMLError:
    """A workspace service's answer to a request it cannot read."""
    return arm_error(400, "UserError", message)


def mlflow_error(status: int, code: str, message: str) -> AzureMLError:
    """Build MLflow's envelope."""
    return AzureMLError(status, {"error_code": code, "message": message})


def no_such_path(method: str, path: str) -> AzureMLError:
    """ARM's answer for a path it does not know."""
    return arm_error(404, "NotFound", f"The emulator's Azure Machine Learning has no {method} {path}.")
