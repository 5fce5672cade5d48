"""What went wrong, in words that say what to do; the page shows them and stays usable."""

from dataclasses import dataclass

from questions.find import AmbiguousAssetError, AssetNotFoundError
from shared.errors import AccessDeniedError, LineageError, RequestRefusedError, ServiceUnavailableError


@dataclass(frozen=True, slots=True)
class Trouble:
    """A title, what the service said, and what to do."""

    title: str
    words: str
    advice: str


def explain(error: LineageError, *, endpoint: str) -> Trouble:
    """Say what an error of reading the catalog means for the person at the page."""
    words = str(error)
    match error:
        case AccessDeniedError():
            return Trouble(
                "The catalog does not let you in",
                words,
                "Sign in (az login), and have the role Data Reader given to you in the collection of the lineage. "
                "`lineage doctor` says which role is missing. Then press Refresh.",
            )
        case ServiceUnavailableError():
            return Trouble(
                "The catalog cannot be reached",
                words,
                f"It is looked for at {endpoint}. Check PURVIEW_ENDPOINT, your network and VPN; `lineage doctor` "
                "finds out where it ends. Then press Refresh.",
            )
        case AmbiguousAssetError():
            return Trouble("That is not one asset", words, "Pick one of the suggestions of the search field.")
        case AssetNotFoundError():
            return Trouble(
                "There is no such asset",
                words,
                "Look for it in the search field. What was published a moment ago is found by its qualifiedName.",
            )
        case RequestRefusedError():
            return Trouble("The catalog refuses the request", words, "`lineage doctor` checks the catalog.")
        case _:
            return Trouble("The catalog could not be read", words, "`lineage doctor` checks the catalog.")
