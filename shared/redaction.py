"""Removes secrets from text and structures before they reach the catalog, the ledger, a dead letter or a log."""

import base64
import json
import re
from collections.abc import Mapping, Sequence

REDACTED = "[redacted]"

_SECRET_WITHIN = re.compile(
    r"password|passwd|passphrase|secret(?!ar)|credential|connectionstring|connstr|sharedaccess|sastoken|sasur[il]|apikey|"
    r"accountkey"
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
_ABOUT_A_SECRET = re.compile(
    r"count|dir|enabled|env|expiry|file|filename|folder|format|length|manager|max|min|mode|name|names|path|policy|provider|"
    r"required|rotation|scope|store|type|types|validator|version"
)
"""The last words that make a setting of `secret_name`, `password_policy`, `credential_type`."""
_ASKS_FOR_ONE = re.compile(r"allow|enable|has|is|max|min|n|no|num|number|require|requires|show|uses?|with|without")
"""The first words that make a question of `has_password`, `n_secrets`."""
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
_RANDOM_AT_START = re.compile(rf"\\{{0,7}}[\"']?{_RANDOM_VALUE.pattern}")
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z]+")

_SIGNED_QUERY = re.compile(r"\?[^\s\"'<>\\?]*?(?:sig|signature|sv|se|sp|code|token|key)=[^\s\"'<>\\]*", re.IGNORECASE)
QUERY = re.compile(r"\?(?:[a-z%][\w.%-]*=|[^?]*&[\w%]+=).*$", re.DOTALL | re.IGNORECASE)
"""What a place has at its end that has a name and `=`; another question mark is part of a glob."""
_USER_INFO = re.compile(
    r"(?<![a-z0-9+.-])(?P<scheme>[a-z][a-z0-9+.-]{0,30})://(?P<user>[^/\s\"'\\]{1,500})@", re.IGNORECASE
)
_BEARER = re.compile(r"\bBearer\s+[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE)
_BASIC = re.compile(r"\bBasic\s{1,9}(?P<pair>[A-Za-z0-9+/]{8,}={0,2})(?![\w.+/=-])", re.IGNORECASE)
_AUTHORIZATION = re.compile(
    r"\b(authorization\\{0,7}[\"']?\s{0,3}[:=]\s{0,3}\\{0,7}[\"']?)"
    r"(?:Digest\s[^\r\n'\\]*|(?:[A-Za-z][\w-]{1,30}\s{1,3})?[^\s'\",;\\]+)",
    re.IGNORECASE,
)
_LONG_KEY = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==")
"""An Azure storage or Cosmos account key: 64 bytes in base64; of a path nothing shorter is taken for a secret."""
_COOKIE = re.compile(r"\b(cookie\s{0,3}:\s{0,3})[^\r\n'\"]{1,8000}", re.IGNORECASE)
_NAMED = re.compile(
    r"(?P<dashes>(?<![\w-])--?)?(?<![A-Za-z0-9_.])(?P<name>[_A-Za-z][A-Za-z0-9_.-]{0,120})"
    # an assignment, a header, YAML, also of a name in quotes; or an option and its value, also as items of a list
    r"(?P<joint>\\{0,7}[\"']?[ \t]{0,9}(?:=>|[=:](?![=:]))[ \t]{0,9}(?:[|>][+-]?\s{1,20}(?!\s))?"
    r"|(?(dashes)(?:[\s\\]{1,9}(?![\s\\-])|[ \t]{0,9}\n[ \t]{0,40}-[ \t]{1,9}(?![\s-])|\\{0,7}[\"'],\s{0,9})|(?!)))"
)
_QUOTE = re.compile(r"\\{0,7}[\"']")
_BARE = re.compile(r"[^\s;,&\"'\\]+")
_AFTER_A_TEXT = re.compile(r"[\"'][\s,;:)\]}>&|]|[\"']$")
"""A quote that closes what began before the name, and is none of the value."""
_PAIR = re.compile(
    r"(?:name|key)\\{0,7}[\"']?\s{0,9}[:=]\s{0,9}\\{0,7}[\"']?(?P<name>[\w.-]{1,120})\\{0,7}[\"']?\s{0,9},?\s{0,9}"
    r"\\{0,7}[\"']?value\\{0,7}[\"']?\s{0,9}[:=]\s{0,9}",
    re.IGNORECASE,
)
"""`{"name": "password", "value": "x"}` and `key="password" value="x"`."""
_ELEMENT = re.compile(r"<(?P<name>[A-Za-z_][\w.-]{0,120})>(?P<value>[^<>]{1,2000})(?=</)")
_USER_OPTION = re.compile(r"(?<![\w-])((?:-u|--user)[ =]{1,2}[\"']?[^\s:\"'\\@/]{1,100}:)(?!\d{1,6}\b)[^\s\"'\\]+")
"""As curl takes a user and a password; `docker run -u 1000:1000` is none."""
_ORACLE_USER = re.compile(r"(:thin:)[^\s/@]{1,100}/[^\s@]{1,200}(?=@)")
_CHANNEL = re.compile(r"(?<=/t/)[A-Za-z0-9-]{6,200}(?=/)")
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
_BASE64 = "[A-Za-z0-9+/]"
_LETTERS = "[A-Za-z0-9]"
_FORMS: tuple[tuple[str, str], ...] = (
    # Azure
    ("Q~", r"[A-Za-z0-9_~.-]{3}[78]Q~[A-Za-z0-9_~.-]{31,34}"),  # Entra: a client's secret
    ("AzFu", r"[A-Za-z0-9_-]{44}AzFu[A-Za-z0-9_-]{5}[AQgw]=="),  # Functions
    ("AzSe", rf"{_LETTERS}{{42}}AzSe[A-D]{_LETTERS}{{5}}"),  # AI Search
    ("AzCa", rf"{_BASE64}{{33}}AzCa[A-P]{_BASE64}{{5}}="),  # Redis
    ("+ACR", rf"{_BASE64}{{42}}\+ACR[A-D]{_BASE64}{{5}}"),  # Container Registry
    ("+A", rf"{_BASE64}{{33}}\+A(?:Eh|Rm|Sb)[A-P]{_BASE64}{{5}}="),  # Event Hubs, Relay, Service Bus
    ("AIoT", rf"{_BASE64}{{33}}AIoT[A-P]{_BASE64}{{5}}="),  # IoT Hub
    ("AZEG", rf"{_BASE64}{{33}}AZEG[A-P]{_BASE64}{{5}}="),  # Event Grid
    (
        "JQQJ9",
        rf"{_LETTERS}{{52}}JQQJ9[9DH]{_LETTERS}{{26}}(?:{_LETTERS}{{2}}==)?",
    ),  # AI services and others
    ("==", rf"(?<![A-Za-z0-9+]){_BASE64}{{86}}=="),  # Storage, Cosmos DB, Batch, API Management: 64 bytes in base64
    ("", r"(?=[a-z]{0,51}[2-7])[a-z2-7]{52}(?![A-Za-z0-9])"),  # DevOps, before
    # Databricks and the hosts of code and packages
    ("dapi", r"dapi[0-9a-f]{32}(?:-\d)?"),
    ("oy2", r"oy2[a-z2-7]{43}"),
    ("gh", r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    ("github_pat_", r"github_pat_[A-Za-z0-9_]{22,255}"),
    ("gl", r"gl(?:pat|ptt|dt|rt|cbt|ft|soat|imt|agent|oas)-[A-Za-z0-9_.-]{20,255}"),
    ("npm_", r"npm_[A-Za-z0-9]{36}"),
    ("pypi-", r"pypi-[A-Za-z0-9_-]{16,}"),
    ("rubygems_", r"rubygems_[0-9a-f]{48}"),
    ("dckr_", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,}"),
    # Models and experiments
    ("hf_", r"hf_[A-Za-z0-9]{30,}"),
    ("api_org_", r"api_org_[A-Za-z0-9]{30,}"),
    ("sk-", r"sk-(?:(?:proj|svcacct|admin|ant-\w{1,20})-[\w-]{20,}|[A-Za-z0-9]{20,})"),
    ("r8_", r"r8_[A-Za-z0-9]{37}"),
    ("gsk_", r"gsk_[A-Za-z0-9]{48,}"),
    ("xai-", r"xai-[A-Za-z0-9]{70,}"),
    ("pplx-", r"pplx-[A-Za-z0-9]{40,}"),
    ("pcsk_", r"pcsk_[A-Za-z0-9_]{40,}"),
    # Clouds and what is run in them
    ("A", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("AIza", r"AIza[A-Za-z0-9_-]{35}"),
    ("ya29.", r"ya29\.[A-Za-z0-9_-]{20,}"),
    ("GOCSPX-", r"GOCSPX-[A-Za-z0-9_-]{28}"),
    ("_v1_", r"do[opr]_v1_[0-9a-f]{64}"),
    ("hv", r"hv[sbr]\.[A-Za-z0-9_-]{24,}"),
    (".atlasv1.", r"[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,}"),
    ("dp.", r"dp\.(?:pt|st|ct|sa|scim|audit)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}"),
    ("pul-", r"pul-[0-9a-f]{40}"),
    ("sbp_", r"sbp_[0-9a-f]{40}"),
    ("AGE-SECRET-KEY-", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    # Services
    ("xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("xapp-", r"xapp-\d-[A-Za-z0-9-]{10,}"),
    ("hooks.slack.com/", r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/-]{20,}"),
    (".webhook.office.com/", r"(?<!-)[a-z0-9-]{1,63}\.webhook\.office\.com/webhookb2/[A-Za-z0-9@/-]{20,}"),
    ("_live_", r"[sr]k_live_[A-Za-z0-9]{10,}"),
    ("_test_", r"[sr]k_test_[A-Za-z0-9]{10,}"),
    ("SG.", r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("shp", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    ("sq0", r"sq0(?:atp|csp)-[A-Za-z0-9_-]{22,43}"),
    ("glsa_", r"glsa_[A-Za-z0-9]{32}_[0-9a-fA-F]{8}"),
    ("glc_", r"glc_[A-Za-z0-9+/]{32,}={0,2}"),
    ("NRAK-", r"NRAK-[A-Z0-9]{27}"),
    ("PMAK-", r"PMAK-[0-9a-f]{24}-[0-9a-f]{34}"),
    ("lin_api_", r"lin_api_[A-Za-z0-9]{40}"),
    ("ATATT3", r"ATATT3[A-Za-z0-9_=-]{100,}"),
    ("secret_", r"secret_[A-Za-z0-9]{43}"),
    ("ntn_", r"ntn_[A-Za-z0-9]{40,}"),
    (":AA", r"\d{8,10}:AA[A-Za-z0-9_-]{33}"),
    # Of any provider
    (
        "ey",
        r"(?<![_-])ey[A-Za-z0-9_-]{14,}\.ey[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    ),  # JWT: two objects and a signature
    (
        "PRIVATE KEY",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[^-]{0,20000}(?:-----END [A-Z0-9 ]{0,60}-----)?",
    ),
)
"""
Tokens and keys that show by their form alone: a mark that the text has to have, so that most patterns are never tried,
and the form. None is a word, a hash or a GUID: each has a fixed beginning, or a mark at a fixed place.

Sources: the forms of Azure's identifiable keys in microsoft/security-utilities (WellKnownRegexPatterns), what GitHub's
secret scanning lists as supported, and each provider's own page on its tokens.
"""
_COMPILED = tuple((mark, re.compile(rf"(?<![A-Za-z0-9]){form}")) for mark, form in _FORMS)


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
    if _SECRET_WITHIN.search(letters):
        return not (len(words) > 1 and (_ABOUT_A_SECRET.fullmatch(words[-1]) or _ASKS_FOR_ONE.fullmatch(words[0])))
    if _SECRET_END.search(letters):
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
    text = _COOKIE.sub(rf"\1{REDACTED}", _AUTHORIZATION.sub(rf"\1{REDACTED}", text))
    text = _BEARER.sub(f"Bearer {REDACTED}", text)
    text = _BASIC.sub(_without_pair, text)
    text = _without_tokens(text)
    text = _ELEMENT.sub(_without_element, text)
    text = _USER_OPTION.sub(rf"\1{REDACTED}", text)
    text = _ORACLE_USER.sub(rf"\1{REDACTED}", text)
    text = _CHANNEL.sub(REDACTED, text)
    return _without_values(_without_values(text, _PAIR), _NAMED)


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
    if not _HOST.fullmatch(host) or -1 < match["path"].find(":") < match["path"].rfind("@"):
        return f"{match['scheme']}://{REDACTED}"
    return f"{match['scheme']}://{host}{_CHANNEL_TOKEN.sub(f'/t/{REDACTED}', match['path'])}"


def _redact_value(text: str) -> str:
    return redact_body(text) if text.lstrip().startswith(("{", "[")) else redact_text(text)


def _without_user(match: re.Match[str]) -> str:
    # `abfss://filesystem@account` and `wasbs://container@account` name the container before the @, not a user.
    names_a_container = match["scheme"].lower().startswith(("abfs", "wasb")) and ":" not in match["user"]
    return match[0] if names_a_container else f"{match['scheme']}://"


def _without_tokens(text: str) -> str:
    """
    >>> _without_tokens("login with ghp_" + 36 * "a" + "."), _without_tokens("sha1 " + 5 * "0f")
    ('login with [redacted].', 'sha1 0f0f0f0f0f')
    """
    for mark, form in _COMPILED:
        if mark in text:
            text = form.sub(REDACTED, text)
    return text


def _without_element(match: re.Match[str]) -> str:
    return f"<{match['name']}>{REDACTED}" if _is_secret(match["name"], match["value"]) else match[0]


def _without_values(text: str, names: re.Pattern[str]) -> str:
    """
    Hide the values of secret names. What follows another name is looked at again: it may be a name itself.

    So it does not matter how many words, options and values stand before a secret one.
    """
    kept, position, searched = list[str](), 0, 0
    while match := names.search(text, searched):
        start = searched = match.end()
        if not _is_named(match, text):
            continue
        if is_secret_key(match["name"]):
            end = _end_of_value(text, start)
            is_hidden = end > start and _is_secret(match["name"], text[start:end]) and not text.startswith("//", start)
        else:
            random = _RANDOM_AT_START.match(text, start) if "key" in match["name"].lower() else None
            end, is_hidden = random.end() if random else start, random is not None
        if is_hidden:
            kept += (text[position:start], _hidden(text[start:end]))
            position = searched = end
    return "".join((*kept, text[position:]))


def _is_named(match: re.Match[str], text: str) -> bool:
    """Whether a name names what follows: in prose ("The token: a unit") it does not, nor a class of azure-identity."""
    groups = match.groupdict()
    if groups.get("joint") != ": " or groups.get("dashes"):
        return True
    if re.fullmatch(r"(?:[A-Z][a-z]+)*Credential", match["name"]):
        return False
    before = text[max(0, match.start() - 2) : match.start()]
    word = _BARE.match(text, match.end())
    is_in_a_sentence = len(before) == 2 and before[0].isalnum() and before[1] == " "
    return not (is_in_a_sentence and word and word[0].strip(".").isalpha() and word[0].islower())


def _end_of_value(text: str, start: int) -> int:
    """Return where a value ends: a shell joins pieces in quotes and bare ones; braces hold all up to their end."""
    if text[start : start + 1] in ("{", "[") and not text.startswith(REDACTED, start):
        end = text.find("}" if text[start] == "{" else "]", start)
        return end + 1 if end >= 0 else len(text)
    end = start
    while end < len(text):
        if quote := _QUOTE.match(text, end):
            if end > start and _AFTER_A_TEXT.match(text, quote.end() - 1):
                break
            closing = text.find(quote[0], quote.end())
            end = closing + len(quote[0]) if closing >= 0 else len(text)
        elif bare := _BARE.match(text, end):
            end = bare.end()
        else:
            break
    return end


def _hidden(value: str) -> str:
    """Keep the quotes of a value that is whole in quotes, so that JSON stays JSON."""
    quote = _QUOTE.match(value)
    whole = quote and len(value) > len(quote[0]) and value.endswith(quote[0]) and value.count(quote[0]) == 2
    return f"{quote[0]}{REDACTED}{quote[0]}" if quote and whole else REDACTED


def _without_json_value(match: re.Match[str]) -> str:
    opening, key = match.groups()
    return f"{opening}{REDACTED}" if is_secret_key(key) else match[0]
