"""The error answers of Purview's account, policy and scanning services, which share one envelope."""


class AdminError(Exception):
    """An error answer: its status, code and message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def to_json(self) -> dict[str, object]:
        """Build the envelope."""
        return {"error": {"code": self.code, "message": str(self), "target": None, "details": []}}


class NotAuthorizedError(AdminError):
    """The caller has no role that allows this; the service does not say which one it misses."""

    def __init__(self) -> None:
        super().__init__(403, "Unauthorized", "Not authorized to access account")

    def to_json(self) -> dict[str, object]:
        """Build the answer of the gateway before all of Purview's services."""
        return {"error": {"code": self.code, "message": str(self)}}


def not_found(what: str, name: str) -> AdminError:
    """The answer for something that is not there."""
    return AdminError(404, "NotFound", f"{what} {name} was not found.")


def bad_request(message: str) -> AdminError:
    """The answer to a body or a parameter that cannot be used."""
    return AdminError(400, "BadRequest", message)
