"""Removes secrets from text and structures before they reach the catalog, the ledger, a dead letter or a log."""

import json
import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

REDACTED = "[redacted]"

# A key is secret by its words, so that `maxTokens` (a setting) stays and `access_token` goes.
_SECRET_KEY = re.compile(
    r"(?:^|[^a-z])(?:api_?keys?|apikeys?|access_?keys?|account_?keys?|shared_?access(?:_?key|_?signature)?|secrets?|"
    r"passw(?:or)?d|passwd|pwd|tokens?|credentials?|connection_?strings?|conn_?str|private_?keys?|"
    r"sas(?:_?(?:url|uri|token))?|sig|authorization)(?:[^a-z]|$)"
)
_WORD_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[-.\s]+")

_SIGNATURE = re.compile(r"\?[^\s\"'<>\\]*?(?:sig|sv|se|sp|code|token|key)=[^\s\"'<>\\]*", re.IGNORECASE)
_BARE_SIGNATURE = re.compile(r"\b(sig)=[^&\s\"'<>;\\]+", re.IGNORECASE)
_SECRET_PAIR = re.compile(
    r"\b(AccountKey|SharedAccessKey|SharedAccessSignature|Password|Pwd|ClientSecret|AccessKey|api[_-]?key)"
    r"(\s*[=:]\s*)[^;,&\s\"'\\]+",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(?<=://)[^/@\s:]+:[^/@\s]+@")
_BEARER = re.compile(r"\bBearer\s+[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_LONG_KEY = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==")
"""An Azure storage or Cosmos account key: 64 bytes in base64."""
_SECRET_JSON_PAIR = re.compile(r"(\\?\"([A-Za-z0-9_.\- ]+)\\?\"\s*:\s*\\?\")((?:[^\"\\]|\\(?!\").)*)(\\?\")")


def is_secret_key(key: str) -> bool:
    """
    Tell whether a tag, parameter or property of this name is likely to hold a secret.

    >>> is_secret_key("api_key"), is_secret_key("storageAccountKey"), is_secret_key("max_tokens_per_doc")
    (True, True, False)
    """
    words = _WORD_BOUNDARY.sub("_", key).lower()
    return _SECRET_KEY.search(words) is not None and not words.startswith(("max_", "num_", "n_"))


def redact_text(text: str) -> str:
    """
    Strip SAS tokens, account keys, passwords in URLs and connection strings from free text.

    >>> redact_text("https://a.blob.core.windows.net/c/f.csv?sv=2024&sig=abc done")
    'https://a.blob.core.windows.net/c/f.csv done'
    >>> redact_text("AccountName=a;AccountKey=abc==;EndpointSuffix=x")
    'AccountName=a;AccountKey=[redacted];EndpointSuffix=x'
    """
    text = _SIGNATURE.sub("", text)
    text = _BARE_SIGNATURE.sub(rf"\1={REDACTED}", text)
    text = _SECRET_PAIR.sub(rf"\1\2{REDACTED}", text)
    text = _USER_INFO.sub("", text)
    text = _BEARER.sub(f"Bearer {REDACTED}", text)
    return _LONG_KEY.sub(REDACTED, text)


def redact_body(body: str) -> str:
    """
    Strip secrets from a raw message: by the name of a member where it is JSON, and by what the text shows.

    >>> redact_body('{"runTags":{"api_key":"abc"}}')
    '{"runTags": {"api_key": "[redacted]"}}'
    """
    try:
        return json.dumps(_redact_json(json.loads(body)), ensure_ascii=False)
    except ValueError:
        return redact_text(_SECRET_JSON_PAIR.sub(_blank_secret_pair, body))


def redact_mapping(values: Mapping[str, object]) -> dict[str, str]:
    """Turn tags, parameters or properties into text, without the secret ones among them."""
    return {
        key: REDACTED if is_secret_key(key) else redact_text("" if value is None else str(value))
        for key, value in values.items()
    }


def redact_url(url: str) -> str:
    """
    Strip the query, fragment and user of a URL; a place is named by what remains.

    >>> redact_url("https://user:pw@host/path/x.csv?sig=abc#part")
    'https://host/path/x.csv'
    """
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    # `abfss://filesystem@account` and `wasbs://container@account` name the container before the @, not a user.
    netloc = parts.netloc if at and ":" not in user and parts.scheme.startswith(("abfs", "wasb")) else host
    return urlunsplit((parts.scheme, netloc, parts.path, "", ""))


def _redact_json(value: object) -> object:
    match value:
        case dict():
            return {key: REDACTED if is_secret_key(key) else _redact_json(item) for key, item in value.items()}
        case list():
            return [_redact_json(item) for item in value]
        case str() if value.startswith(("{", "[")):
            return redact_body(value)  # AML puts JSON into strings: azureml.parameters, pipeline_spec
        case str():
            return redact_text(value)
    return value


def _blank_secret_pair(match: re.Match[str]) -> str:
    opening, key, _, closing = match.groups()
    return f"{opening}{REDACTED}{closing}" if is_secret_key(key) else match[0]
