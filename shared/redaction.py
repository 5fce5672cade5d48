"""Removes secrets from text and structures before they reach the catalog, the ledger, a dead letter or a log."""

import base64
import json
import re
from collections.abc import Mapping, Sequence

REDACTED = "[redacted]"

_SECRET_WITHIN = re.compile(
    r"password|passwd|passphrase|secret|credential|connectionstring|connstr|sharedaccess|sastoken|sasur[il]|apikey"
)
_SECRET_END = re.compile(
    r"(?:pwd|authorization|(?:db|user|admin|root|pg|sql|smtp|ftp|ldap)(?:pass|pw)|"
    r"(?:api|access|account|shared|storage|subscription|private|encryption|signing|master|function|"
    r"host|service|client|auth|admin|azure|cosmos|blob|sas|openai)keys?)$"
)
_SECRET_WORD = re.compile(r"sas|sig|auth|pat|pwd|pw|creds?|jwt|bearer|cookie")
_SECRET_LAST_WORD = re.compile(r"pass|key|token")
_NOT_SECRET_AFTER = re.compile(r"dataset|enabled|format|level|library|method|mode|provider|table|type|version")
"""The last words that make a setting of `auth_type`, `sas_dataset`, `sig_level`."""
_SAME_WITHOUT = re.compile(
    r"prod|production|dev|test|stg|stage|staging|qa|uat|ci|old|pem|value|primary|secondary|backup|v"
)
"""What stands after a name and does not change what it names: `openai_key_prod`, `private_key_pem`, `token_v2`."""
_NOT_SECRET_BEFORE = {
    "key": re.compile(
        r"action|attention|audio|business|cache|caption|column|composite|customer|data|dataset|date|dict|document|"
        r"entity|eval|event|feature|foreign|group|hash|hot|image|index|input|item|join|label|logits|lookup|merge|"
        r"message|metric|mon|name|natural|object|observation|order|output|partition|primary|product|prompt|query|"
        r"record|reward|routing|row|sample|shard|sort|state|surrogate|target|text|time|tur|unique|video|whis"
    ),
    "token": re.compile(
        r"bos|class|cls|eos|image|initializer|mask|max|min|modifier|n|num|pad|per|placeholder|sep|special|start|stop|"
        r"unk"
    ),
    "pass": re.compile(r"all|backward|band|by|first|forward|high|last|low|multi|n|num|one|per|second|single|two"),
}
"""By the last word of a name, the words before it that make it a setting: `partition_key`, `pad_token`, `n_pass`."""
_PLAIN_VALUE = re.compile(r"-?\d{1,3}(?:\.\d*)?|true|false|yes|no|none|null|[a-z]+_[a-z_]+|", re.IGNORECASE)
"""What no key is: a small number, a switch, the name of a column."""
_SWITCH = re.compile(r"\d|true|false|yes|no|none|null|", re.IGNORECASE)
_RANDOM_VALUE = re.compile(
    r"(?<![\w+/])(?:[0-9a-f]{32}|[0-9a-f]{64}|(?=[A-Za-z+/]*\d)(?=[A-Z0-9+/]*[a-z]|[A-Z0-9]+\b)[A-Za-z0-9+/]{40,}={0,2})(?![\w+/=])"
)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z]+")

_SIGNED_QUERY = re.compile(r"\?[^\s\"'<>\\?]*?(?:sig|sv|se|sp|code|token|key)=[^\s\"'<>\\]*", re.IGNORECASE)
QUERY = re.compile(r"\?(?:[a-z%][\w.%-]*=|[^?]*&[\w%]+=).*$", re.DOTALL | re.IGNORECASE)
"""What a place has at its end that has a name and `=`; another question mark is part of a glob."""
_USER_INFO = re.compile(
    r"(?<![a-z0-9+.-])(?P<scheme>[a-z][a-z0-9+.-]{0,30})://(?P<user>[^/\s\"'\\]{1,500})@", re.IGNORECASE
)
_BEARER = re.compile(r"\bBearer\s+[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE)
_BASIC = re.compile(r"\bBasic\s{1,9}(?P<pair>[A-Za-z0-9+/]{8,}={0,2})(?![\w.+/=-])", re.IGNORECASE)
_FORM_OF_A_KEY = re.compile(r"(?<![\w-])sk-(?:(?:proj|svcacct|admin|ant-\w{1,20})-[\w-]{20,}|[A-Za-z0-9]{20,})")
"""The form of keys of OpenAI and Anthropic; `sk-learn-model` is none."""
_AUTHORIZATION = re.compile(
    r"\b(authorization\s{0,3}[:=]\s{0,3})(?:(?:Bearer|Basic)\s{1,3})?[^\s'\",;\\]+", re.IGNORECASE
)
_LONG_KEY = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==")
"""An Azure storage or Cosmos account key: 64 bytes in base64."""
_ASSIGNMENT = re.compile(
    r"(?P<opening>(?P<dashes>(?<![\w-])--?)?(?<![A-Za-z0-9_.])(?P<name>[A-Za-z][A-Za-z0-9_.-]{0,80})"
    r"(?P<joint>\s{0,3}[=:]\s{0,3}|(?(dashes)\s{1,3}|\s{1,3}(?![^\s'\"]+=))))"
    r"(?P<value>(?:\"[^\"]*\"?|'[^']*'?|[^\s;,&\"'\\])+)"
)
_QUOTED = re.compile(r"(['\"])([^'\"]*)(['\"]?)")
_LINK = re.compile(
    r"(?P<scheme>(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30})://(?P<host>[^\s/?#]*)(?P<path>[^\s?#]*)\S*", re.IGNORECASE
)
_HOST = re.compile(r"(?:[\w.~-]*|\[[0-9a-f:.]+\])(?::\d*)?", re.IGNORECASE)
_REPOSITORY_USER = re.compile(r"(?<=\+)[^\s/@+]{1,500}@(?=[\w.-]{1,255}:)")
"""As in `git+user@host:path`, which is not a URL."""
_CHANNEL_TOKEN = re.compile(r"/t/[^/]+")
"""Where the URL of a private conda channel carries its token."""
_JSON_PAIR = re.compile(
    r"((?<!\\)\\{0,7}\"([^\"\\]{1,200})\\{0,7}\"\s{0,9}:\s{0,9}\\{0,7}\")(?:[^\"\\]|\\+[^\"\\])*", re.DOTALL
)


def is_secret_key(key: str) -> bool:
    """
    Return whether a tag, parameter or property of this name is likely to hold a secret.

    >>> is_secret_key("api_key"), is_secret_key("PGPASSWORD"), is_secret_key("accessToken"), is_secret_key("max_tokens")
    (True, True, True, False)
    """
    words = [word.lower() for word in _WORDS.split(key) if word]
    while len(words) > 1 and _SAME_WITHOUT.fullmatch(words[-1]):
        words.pop()
    letters = "".join(words)
    if _SECRET_WITHIN.search(letters) or _SECRET_END.search(letters):
        return True
    if any(_SECRET_WORD.fullmatch(word) for word in words):
        return not _NOT_SECRET_AFTER.fullmatch(words[-1])
    return _ends_in_a_secret(words)


def redact_text(text: str) -> str:
    """
    Strip SAS tokens, keys, passwords, users in URLs and the values of secret options from free text.

    >>> redact_text("https://a.blob.core.windows.net/c/f.csv?sv=2024&sig=abc done")
    'https://a.blob.core.windows.net/c/f.csv done'
    >>> redact_text("AccountName=a;AccountKey=abc==;EndpointSuffix=x")
    'AccountName=a;AccountKey=[redacted];EndpointSuffix=x'
    >>> redact_text("HF_TOKEN=x python train.py --api-key y --lr 0.1")
    'HF_TOKEN=[redacted] python train.py --api-key [redacted] --lr 0.1'
    """
    text = _SIGNED_QUERY.sub("", text)
    text = _USER_INFO.sub(_without_user, text)
    text = _AUTHORIZATION.sub(rf"\1{REDACTED}", text)
    text = _BEARER.sub(f"Bearer {REDACTED}", text)
    text = _BASIC.sub(_without_pair, text)
    text = _FORM_OF_A_KEY.sub(REDACTED, text)
    text = _ASSIGNMENT.sub(_without_value, text)
    return _LONG_KEY.sub(REDACTED, text)


def redact_body(body: str) -> str:
    """
    Strip secrets from a raw message: by the name of a member where it is JSON, and by what the text shows.

    >>> redact_body('{"runTags":{"api_key":"abc"}}')
    '{"runTags": {"api_key": "[redacted]"}}'
    """
    try:
        return json.dumps(redact_json(json.loads(body)))
    except (ValueError, RecursionError):
        return redact_text(_JSON_PAIR.sub(_without_json_value, body))


def redact_json(value: object) -> object:
    """Strip secrets from a JSON value: by the name of a member, and by what text shows."""
    match value:
        case dict() if "value" in value and _is_secret(
            str(value.get("key") or value.get("name") or ""), value["value"]
        ):
            return {key: REDACTED if key == "value" else redact_json(item) for key, item in value.items()}
        case dict():
            return {
                redact_text(key): REDACTED if _is_secret(key, item) else redact_json(item)
                for key, item in value.items()
            }
        case list():
            return [redact_json(item) for item in value]
        case str():
            return _redact_value(value)  # AML puts JSON into strings: azureml.parameters, pipeline_spec
    return value


def redact_mapping(values: Mapping[str, object]) -> dict[str, str]:
    """Turn tags, parameters or properties into text, without the secret ones among them."""
    return {
        redact_text(key): REDACTED if _is_secret(key, value) else _redact_value("" if value is None else str(value))
        for key, value in values.items()
    }


def redact_url(url: str) -> str:
    """
    Strip the query, fragment and user of a URL; a place is named by what remains.

    >>> redact_url("https://user:pw@host/path/x.csv?sig=abc#part")
    'https://host/path/x.csv'
    """
    return re.split(r"[?#]", _USER_INFO.sub(_without_user, url), maxsplit=1)[0]


def redact_place(url: str) -> str:
    """
    Strip user, query and whole keys of the URL of a place; its path stays, also one that looks like a setting.

    >>> redact_place("https://a.dfs.core.windows.net/fs/Sales Data/date_key=7/a.csv?sv=2024&sig=abc")
    'https://a.dfs.core.windows.net/fs/Sales Data/date_key=7/a.csv'
    """
    return _LONG_KEY.sub(REDACTED, QUERY.sub("", _USER_INFO.sub(_without_user, url)))


def redact_links(text: str) -> str:
    """
    Strip secrets from text about where packages come from; of a URL, only host and path remain.

    >>> redact_links("git+https://user:pw@host/o/r.git@v1#egg=x")
    'git+https://host/o/r.git@v1'
    >>> redact_links("https://conda.host/t/tk-1-2/main")
    'https://conda.host/t/[redacted]/main'
    """
    return redact_text(_LINK.sub(_without_credentials, _REPOSITORY_USER.sub("", text)))


def _ends_in_a_secret(words: Sequence[str]) -> bool:
    last, before = (words or [""])[-1], words[:-1]
    if _SECRET_LAST_WORD.fullmatch(last):
        if not before:
            return last != "key"  # alone, it names what something is found by
        return not _NOT_SECRET_BEFORE[last].fullmatch(before[-1])
    for ending in ("key", "token"):  # `COGKEY`, `hftoken`
        if last.endswith(ending):
            return not _NOT_SECRET_BEFORE[ending].fullmatch(last.removesuffix(ending))
    return False


def _is_secret(name: str, value: object) -> bool:
    """Tell by the name, unless the value says otherwise: a switch is no key, and random letters are no column."""
    text = str(value).strip().strip("'\"")
    if not is_secret_key(name):
        return "key" in name.lower() and _RANDOM_VALUE.search(text) is not None
    lower = name.lower()
    if lower.endswith("pass"):
        return not _SWITCH.fullmatch(text)
    return not (lower.endswith(("key", "token", "auth", "sas", "sig", "pat", "jwt")) and _PLAIN_VALUE.fullmatch(text))


def _without_pair(match: re.Match[str]) -> str:
    """Hide what decodes to `user:password`; other words after "Basic" are words."""
    try:
        decoded = base64.b64decode(match["pair"] + "=" * (-len(match["pair"]) % 4), validate=True).decode()
    except ValueError:
        return match[0]
    return f"Basic {REDACTED}" if ":" in decoded and decoded.isprintable() else match[0]


def _without_credentials(match: re.Match[str]) -> str:
    host = match["host"].rpartition("@")[2]
    # A password with a slash in it ends where the port should be, or in the path.
    if not _HOST.fullmatch(host) or re.search(r":.*@", match["path"]):
        return f"{match['scheme']}://{REDACTED}"
    return f"{match['scheme']}://{host}{_CHANNEL_TOKEN.sub(f'/t/{REDACTED}', match['path'])}"


def _redact_value(text: str) -> str:
    return redact_body(text) if text.lstrip().startswith(("{", "[")) else redact_text(text)


def _without_user(match: re.Match[str]) -> str:
    # `abfss://filesystem@account` and `wasbs://container@account` name the container before the @, not a user.
    names_a_container = match["scheme"].lower().startswith(("abfs", "wasb")) and ":" not in match["user"]
    return match[0] if names_a_container else f"{match['scheme']}://"


def _without_value(match: re.Match[str]) -> str:
    is_option = bool(match["joint"].strip() or match["dashes"])
    # Prose such as "EnvironmentCredential: not available" names a class of azure-identity.
    is_class = re.fullmatch(r"(?:[A-Z][a-z]+)+Credential", match["name"]) is not None
    secret = is_option and _is_secret(match["name"], match["value"]) and not is_class
    secret = secret and not match["value"].startswith("//")
    if secret:
        return f"{match['opening']}{REDACTED}"
    # What is in quotes may hold an assignment of its own: `see 'the password=…'`.
    return f"{match['opening']}{_QUOTED.sub(_without_quoted, match['value'])}"


def _without_quoted(match: re.Match[str]) -> str:
    quote, inner, end = match.groups()
    return f"{quote}{_ASSIGNMENT.sub(_without_value, inner)}{end}"


def _without_json_value(match: re.Match[str]) -> str:
    opening, key = match.groups()
    return f"{opening}{REDACTED}" if is_secret_key(key) else match[0]
