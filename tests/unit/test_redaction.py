"""Redaction: no secret reaches the catalog, the ledger, a dead letter or a log, and nothing else is taken away."""

import base64
import json
import random
import string
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared import redaction
from shared.redaction import (
    is_secret_key,
    redact_body,
    redact_links,
    redact_mapping,
    redact_place,
    redact_text,
    redact_url,
)

KEY = "q7Zk" * 21 + "Ab=="
"""The form of a storage account key: 64 bytes in base64."""
SAS = "sv=2024-11-04&ss=b&srt=sco&sp=rl&se=2027-01-01T00:00:00Z&sig=hunter2hunter2%3D"

# Each has a secret in it that shows by its form alone.
SECRETS = {
    "signed URL": f"https://acct.blob.core.windows.net/c/f.csv?{SAS}",
    "URL with a signature alone": "https://acct.blob.core.windows.net/c/f.csv?sig=hunter2hunter2",
    "URL with a function key": "https://app.azurewebsites.net/api/f?code=hunter2hunter2==",
    "URL with a user": "https://user:hunter2hunter2@example.com/x",
    "connection string": f"AccountName=a;AccountKey={KEY};EndpointSuffix=core.windows.net",
    "connection string with a signature": "BlobEndpoint=https://a.example.com/;SharedAccessSignature=hunter2hunter2",
    "service bus connection string": "Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=hunter2hunter2=",
    "database connection string": "Server=tcp:s.database.windows.net;User ID=u;Password=hunter2hunter2;Encrypt=True",
    "user and password in base64": "Basic " + base64.b64encode(b"user:hunter2hunter2").decode(),
    "key of a model's provider": "sk-proj-hunter2hunter2hunter2hunter2",
    "bearer token": "Authorization: Bearer hunter2hunter2.hunter2hunter2",
    "account key": KEY,
}
secret_texts = pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())

SECRET_NAMES = (
    "api_key",
    "apiKey",
    "API-KEY",
    "x-api-key",
    "openai.api.key",
    "storageAccountKey",
    "accessToken",
    "token",
    "sas_token",
    "sasUri",
    "clientSecret",
    "secret",
    "password",
    "db_pwd",
    "connectionString",
    "private_key",
    "credential",
    "Authorization",
    "openai_key",
    "cog_key",
    "SPEECH_KEY",
    "AWS_KEY",
    "db_pass",
    "MYSQL_PASS",
    "pw",
    "creds",
    "jwt",
    "id_token",
    "db_pwd_prod",
    "SAS_PROD",
    "pat_devops",
    "auth_header",
    "OPENAIKEY",
    "cogkey",
    "dbpass",
    "openai_key_prod",
    "private_key_pem",
)
PLAIN_NAMES = (
    "max_tokens",
    "maxTokens",
    "num_tokens",
    "n_tokens",
    "key",
    "keyboard",
    "primary_key_column",
    "tokenizer",
    "tokenization",
    "author",
    "signal",
    "design",
    "passenger_count",
    "area",
    "primary_key",
    "primaryKey",
    "partition_key",
    "join_key",
    "pad_token",
    "eos_token",
    "add_pad_token",
    "num_vec_per_token",
    "stop_token",
    "n_pass",
    "sas_dataset",
    "sig_level",
    "auth_type",
    "monkey",
    "date_key",
    "customer_key",
)


def leaked(text: str) -> bool:
    return "hunter2" in text or KEY[:40] in text or "dXNlcjpodW50ZXIy" in text


@pytest.mark.parametrize("name", [*SECRET_NAMES, "AZURE_STORAGE_KEY", "PGPASSWORD"])
def test_name_of_a_secret_is_known(name: str) -> None:
    """Whatever the style of the name: its words say it."""
    assert is_secret_key(name)


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_name_of_a_setting_is_no_secret(name: str) -> None:
    """A parameter that only resembles a secret is part of what people look for in lineage."""
    assert not is_secret_key(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_key", "5"),
        ("openai_key", "None"),
        ("label_token", "True"),
        ("fairness_pass", "True"),
        ("user_key", "user_id"),
        ("use_auth", "False"),
    ],
)
def test_value_that_is_no_key_is_kept(name: str, value: str) -> None:
    """A small number or a switch is no secret, and `lineage diff` must show it change."""
    assert redact_mapping({name: value}) == {name: value}


@pytest.mark.parametrize("value", ["0123456789abcdef" * 2, "q7Zk" * 10 + "Ab=="])
def test_random_value_under_the_name_of_a_column_is_stripped(value: str) -> None:
    """`primary_key` is a column in data, and a key in what a storage account answers."""
    assert value not in str(redact_mapping({"primary_key": value, "primaryKey": value, "key1": value}))
    assert value not in redact_text(f"python score.py --primary-key {value} --key={value}")


@pytest.mark.parametrize("name", ["password", "db_pass", "clientSecret"])
def test_password_that_is_a_number_is_stripped(name: str) -> None:
    """People do choose 1234."""
    assert redact_mapping({name: "1234"}) == {name: "[redacted]"}


@pytest.mark.parametrize("partition", ["date_key=2026-01-01", "account_key=7", "token=7"])
def test_path_that_looks_like_a_setting_stays(partition: str) -> None:
    """Two partitions are two places, whatever stands before them; only the signature goes."""
    url = f"https://lake.dfs.core.windows.net/fs/Sales Data/{partition}/a.csv"
    assert redact_place(f"{url}?{SAS}") == url


@secret_texts
def test_secret_that_shows_by_its_form_is_stripped_from_text(secret: str) -> None:
    """Whatever the member is called: URLs, connection strings and keys are known by their form."""
    assert not leaked(redact_text(f"see {secret} for more"))


@secret_texts
def test_text_around_a_secret_stays(secret: str) -> None:
    """A message must remain useful after redaction."""
    redacted = redact_text(f"see '{secret}' for more")
    assert redacted.startswith("see '")
    assert redacted.endswith("' for more")


@pytest.mark.parametrize("secret", ["hunter2", "hunter2@hunter2", "hunter2:hunter2"])
def test_password_in_a_url_is_stripped_whatever_it_contains(secret: str) -> None:
    """An @ in a password does not end it: the host begins after the last one."""
    assert not leaked(redact_text(f"https://user:{secret}@example.com/x"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Ünïcödé text, nothing secret",
        "https://acct.blob.core.windows.net/c/f.csv",
        "abfss://fs@acct.dfs.core.windows.net/raw/a.csv",
        "wasbs://c@acct.blob.core.windows.net/raw/a.csv",
        "azureml://locations/eastus2/workspaces/11111111-1111-1111-1111-111111111111/data/churn/versions/3",
        "python train.py --data DatasetConsumptionConfig:raw --lr 0.01 --max-tokens 512",
        "0000000000000000000000000000000000000001",
        "scikit-learn==1.5.1",
        "Basic statistics of the loans",
        "Basic classification_baseline",
        "Basic understanding-of-the-loans",
        "Basic preprocessing4features",
        "abfss://fs@acct.dfs.core.windows.net/Basic customer_segments_2024.csv",
        "Bearer bonds of 2026",
        "models/sk-learn-classifier-of-loans-2026.pkl",
        "keys: customer and date",
        "The token: a unit of text",
    ],
)
def test_text_without_a_secret_is_left_alone(text: str) -> None:
    """Redaction that eats lineage is a fault as well."""
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "text", ["the password=hunter2", "see 'the password=hunter2'", "run it with a token=hunter2 --lr 1"]
)
def test_assignment_in_prose_is_stripped_whatever_word_is_before_it(text: str) -> None:
    """The word before is no name that takes the assignment for its value."""
    assert "hunter2" not in redact_text(text)


@pytest.mark.parametrize("flag", ["--api-key hunter2", "--password hunter2", "--password=hunter2", "--token hunter2"])
def test_secret_given_to_an_option_is_stripped_from_a_command(flag: str) -> None:
    """A run's command becomes an attribute that every reader of the catalog sees."""
    redacted = redact_text(f"python train.py {flag} --data raw")
    assert not leaked(redacted)
    assert redacted.endswith("--data raw")


@pytest.mark.parametrize(
    "header", ["Authorization: Basic dTpodW50ZXIy", "curl -H 'Authorization: Basic dTpodW50ZXIy' x"]
)
def test_whole_value_of_an_authorization_header_is_stripped(header: str) -> None:
    """The scheme is not the secret; what follows it is, however short."""
    assert "dTpodW50ZXIy" not in redact_text(header)


@pytest.mark.parametrize(
    "text", ["password=''hunter2", "password='x'hunter2", 'token="x"hunter2', "--password ''hunter2"]
)
def test_secret_does_not_end_at_a_quote_within_it(text: str) -> None:
    """A shell joins quoted and bare pieces into one word, and so do we."""
    assert not leaked(redact_text(text))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"https://acct.blob.core.windows.net/c/f.csv?{SAS}#x", "https://acct.blob.core.windows.net/c/f.csv"),
        ("https://user:pw@host/path", "https://host/path"),
        ("https://token@host/path", "https://host/path"),
        ("abfss://fs@acct.dfs.core.windows.net/a?sig=x", "abfss://fs@acct.dfs.core.windows.net/a"),
        ("wasbs://c@acct.blob.core.windows.net/a", "wasbs://c@acct.blob.core.windows.net/a"),
    ],
)
def test_url_keeps_only_what_names_a_place(url: str, expected: str) -> None:
    """The container before the @ of an abfss URL is a place; a user before the @ of an https URL is not."""
    assert redact_url(url) == expected


def test_tag_with_a_secret_name_is_redacted_whatever_its_value() -> None:
    """A mapping becomes text, and secret ones among its values go."""
    values = {"api_key": "abc", "lr": 0.01, "none": None, "url": f"https://h/c?{SAS}"}
    assert redact_mapping(values) == {"api_key": "[redacted]", "lr": "0.01", "none": "", "url": "https://h/c"}


def test_body_keeps_everything_that_is_no_secret() -> None:
    """A dead letter can be replayed, so what is not secret must be there to the letter."""
    body = {"topic": "/subscriptions/s", "data": {"runId": "ü", "n": 1, "f": 0.5, "b": True, "x": None, "l": ["a"]}}
    assert json.loads(redact_body(json.dumps(body))) == body


@pytest.mark.parametrize("value", ["abc", 5, ["abc"], {"inner": "abc"}, json.dumps({"inner": "abc"})])
def test_member_with_a_secret_name_is_redacted_with_all_below_it(value: object) -> None:
    """`secrets: {a: …, b: …}` hides both."""
    assert json.loads(redact_body(json.dumps({"secrets": value, "area": "x"}))) == {
        "secrets": "[redacted]",
        "area": "x",
    }


@pytest.mark.parametrize("space", ["", " ", "\n  "])
def test_json_in_a_string_is_redacted_by_name(space: str) -> None:
    """AML puts JSON into strings (`azureml.parameters`), however it is indented."""
    inner = space + json.dumps({"api_key": "hunter2", "lr": "0.01"})
    redacted = redact_body(json.dumps({"azureml.parameters": inner}))
    assert not leaked(redacted)
    assert json.loads(json.loads(redacted)["azureml.parameters"])["lr"] == "0.01"


@pytest.mark.parametrize(
    "body",
    [
        '{"runTags": {"api_key": "hunter2"',
        '{"runTags": {"api_key": "hunter2',
        'oops {"api_key": "hunter2"}',
        '{"azureml.parameters": "{\\"api_key\\": \\"hunter2\\"}"',
        f'oops "https://acct.blob.core.windows.net/c?{SAS}"',
    ],
)
def test_secret_in_a_body_that_is_not_json_is_stripped(body: str) -> None:
    """A body cut short is dead-lettered as well."""
    assert not leaked(redact_body(body))


def _insert(structure: Any, secret: str, path: list[int]) -> Any:
    """Put a secret at a place in a structure: in place of a leaf, or as the name of a member."""
    if isinstance(structure, list) and structure:
        index = (path.pop() if path else 0) % len(structure)
        return [_insert(item, secret, path) if number == index else item for number, item in enumerate(structure)]
    if isinstance(structure, dict) and structure:
        names = sorted(structure)
        name = names[(path.pop() if path else 0) % len(names)]
        return {**structure, name: _insert(structure[name], secret, path)}
    return secret


plain_text = st.text(st.characters(codec="utf-8", exclude_characters='{["'), max_size=8)
structures = st.recursive(
    st.none() | st.booleans() | st.integers() | plain_text,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(plain_text, children, max_size=4),
    max_leaves=12,
)
paths = st.lists(st.integers(0, 3), max_size=6)


@given(structures, st.sampled_from(sorted(SECRETS.values())), paths)
def test_secret_in_any_value_of_a_body_does_not_survive(structure: Any, secret: str, path: list[int]) -> None:
    """However deep, in a list or in an object: what shows by its form goes."""
    assert not leaked(redact_body(json.dumps(_insert(structure, secret, path))))


@given(structures, st.sampled_from(SECRET_NAMES), paths)
def test_secret_under_any_telling_name_in_a_body_does_not_survive(structure: Any, name: str, path: list[int]) -> None:
    """However deep, whatever its form: what its name gives away goes."""
    body = _insert(structure, "PLACE", path)
    text = json.dumps(body).replace('"PLACE"', json.dumps({name: "hunter2"}))
    assert not leaked(redact_body(text))


@given(structures, st.sampled_from(SECRET_NAMES), paths, st.integers(0, 2))
def test_secret_in_json_within_json_does_not_survive(structure: Any, name: str, path: list[int], depth: int) -> None:
    """JSON may stand in a string in JSON in a string."""
    inner = json.dumps({name: "hunter2"})
    for _ in range(depth):
        inner = json.dumps({"parameters": inner})
    assert not leaked(redact_body(json.dumps(_insert(structure, inner, path))))


@secret_texts
def test_secret_in_the_name_of_a_member_does_not_survive(secret: str) -> None:
    """A name is a position in a body too; a map keyed by URL is not unheard of."""
    assert not leaked(redact_body(json.dumps({"inputs": {secret: "x"}})))


@given(structures, st.sampled_from(sorted(SECRETS.values())), paths)
def test_body_redacted_twice_is_as_redacted_once(structure: Any, secret: str, path: list[int]) -> None:
    """A body is redacted when it is enqueued and again when it is dead-lettered."""
    once = redact_body(json.dumps(_insert(structure, secret, path)))
    assert redact_body(once) == once


pieces = st.sampled_from(
    (
        *SECRETS.values(),
        *("https://", "user:pw@", "a:b@c:d@", "?sig=a", "sig=", "Password=", "pwd: ", "Bearer ", "AccountKey="),
        *("abcdefgh", " ", ";", "&", '"', "\\", "@", "://", "/", "?", "=", "[redacted]", "api-key"),
    )
)


@given(st.lists(pieces | plain_text, max_size=8).map("".join))
@example("https://a:b@c:d@host")
def test_text_redacted_twice_is_as_redacted_once(text: str) -> None:
    """What redaction leaves behind does not look like a secret."""
    assert redact_text(redact_text(text)) == redact_text(text)


@given(st.text())
def test_any_body_is_redacted_without_an_exception(body: str) -> None:
    """A dead letter that cannot be redacted could not be stored."""
    assert isinstance(redact_body(body), str)


def test_body_nested_beyond_reason_is_redacted_without_an_exception() -> None:
    """A body that exhausts the JSON parser must still find its way to the dead letters."""
    assert not leaked(redact_body("[" * 100_000 + '{"api_key": "hunter2"}'))


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["a", "Ab3", "a.", "?", "a://", '"a', "\\", '{"a":', "sig=", "Bearer "])
def test_long_text_is_redacted_in_time_that_grows_with_its_length(piece: str) -> None:
    """A message may have 64 KB, and a tag's value may be one long word: no pattern may try every pair of places."""
    text = piece * (60_000 // len(piece))
    assert isinstance(redact_body(text), str)
    assert isinstance(redact_text(text), str)


IDIOMS = (
    "python -m train --password {}",
    "python train.py --verbose --password {}",
    "python train.py --fp16 --api-key={}",
    "./run.sh --token {}",
    "az login --service-principal --username a --password {}",
    "docker run -e DB_PASSWORD={} image",
    "helm install --set db.password={} x",
    "db:\n  host: h\n  password: {}\n",
    "db:\n  password: |\n    {}\n",
    "args:\n- --password\n- {}\n",
    "Cookie: a=b; session={}",
    "see https://h/a?X-Amz-Signature={}",
    "env:\n- name: password\n  value: {}\n",
    "{{'user': 'u', 'password': '{}'}}",
    "[{{'name': 'password', 'value': '{}'}}]",
    '{{"Name": "password", "Value": "{}"}}',
    '--cfg \'{{"password": "{}"}}\'',
    'curl -d \'{{"password":"{}"}}\' https://h',
    'config = {{"api_key": "{}"}}',
    '["--password", "{}"]',
    r"{{\"password\": \"{}\"}}",
    "Authorization: token {}",
    "Authorization: ApiKey {}",
    'Authorization: Digest username="u", response="{}"',
    "curl -H 'x-functions-key: {}' https://h",
    "https://h/a?password={}",
    "see ?pwd={}&a=1",
    "https://h/cb#access_token={}",
    "//registry/:_authToken={}",
    "_auth={}",
    "<password>{}</password>",
    '<add key="password" value="{}"/>',
    "Driver=x;Pwd={{a;{}}};Server=s",
    "jdbc:oracle:thin:u/{}@h",
    "psql \"host=h password='{}' dbname=d\"",
    "curl -u u:{} https://h",
    "https://conda.example.com/t/{}/main",
    '$env:HF_TOKEN="{}"',
    "spark-submit --conf spark.hadoop.fs.azure.account.key.a.dfs.core.windows.net={}",
    "java -Dspring.datasource.password={} app",
    "--password\\\n  {}",
    "--password 'a {}' --lr 1",
)
WORDS = st.sampled_from(
    (
        "python",
        "-m",
        "train",
        "--verbose",
        "--lr",
        "0.1",
        "-e",
        "A=b",
        "x.py",
        "--out=o",
        "'a b'",
        '"c"',
        "--",
        "&&",
        "${{x}}",
    )
)


@pytest.mark.parametrize("idiom", IDIOMS)
def test_value_under_a_telling_name_is_stripped_however_it_is_written(idiom: str) -> None:
    """Options, assignments, YAML, JSON in text with either quotes, headers, queries, XML, ODBC, JDBC, npm and conda."""
    assert "hunter2x" not in redact_text(idiom.format("hunter2x"))


@given(
    st.lists(WORDS, max_size=9),
    st.sampled_from(("--password ", "--password=", "--api-key ", "HF_TOKEN=", "-e DB_PASSWORD=", "--set a.secret=")),
    st.sampled_from(("hunter2x", "'hunter2x y'", '"hunter2x y"', "hunter2x'y'")),
    st.lists(WORDS, max_size=5),
)
def test_secret_of_a_command_is_stripped_whatever_stands_before_and_after(
    before: list[str], option: str, value: str, after: list[str]
) -> None:
    """It does not depend on how many words, options and quotes there are; and what follows stays."""
    text = " ".join([*before, f"{option}{value}", *after])
    redacted = redact_text(text)
    assert "hunter2x" not in redacted
    assert redacted.endswith(" ".join(after))


@pytest.mark.parametrize(
    "text",
    [
        "python x.py --primary_key id --auth_type none --pad_token eos",
        "std::token::x",
        "token==1.0",
        "a == b; token != c",
        "Error: invalid token: unexpected end",
        "{'pad_token': '<pad>', 'eos_token': '</s>'}",
        "Credential: not available",
        "docker run -u 1000:1000 image",
        "--secret-name my-secret --password-policy strict",
        "https://github.com/a/b#L1",
        "n_secrets: 5",
    ],
)
def test_words_that_look_like_secrets_are_left_alone(text: str) -> None:
    """Options about secrets, operators and prose."""
    assert redact_text(text) == text


@pytest.mark.parametrize("redact", [redact_text, redact_body, redact_links, redact_place, redact_url])
def test_every_text_is_redacted_in_time_in_proportion_to_its_length(redact: Callable[[str], str]) -> None:
    """Twice the text may take little more than twice the time, of whatever it consists; every pattern is tried."""
    assert [piece for piece in PIECES if is_slower_than_linear(redact, piece)] == []


PIECES = (
    *(
        "a",
        "Ab3",
        "a.",
        "a-",
        "?",
        "a://",
        "a://-",
        '"a',
        "'",
        "\\",
        '{"a":',
        "sig=",
        "Bearer ",
        "Basic ",
        "--a ",
        "-e a=",
    ),
    *("a=[", "key=", "key=[", "password=", "<a>", "<password>", "-u a:", ":thin:a/", "/t/", "name=a value=", "a:@"),
    *("authorization:", "ey", "eyJ0.", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "q7Zk+A", "AzSe", "Q~", "=", "+"),
    *("[", "{", "a@", "git+"),
)
MARKS = " ".join(mark for mark, _ in redaction._FORMS)
"""With these in a text, no form is passed over."""


LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def made(before: str, length: int, after: str = "", alphabet: str = LETTERS) -> str:
    """Make a token of a provider's form: none that was ever given out stands in this file."""
    chance = random.Random(f"{before}{length}{after}")  # noqa: S311 - the same each time
    return before + "".join(chance.choice(alphabet) for _ in range(length)) + after


TOKENS = {
    "Entra client secret": made(made("", 3) + "8Q" + "~", 34),
    "Functions key": made(made("", 44, alphabet=LETTERS + "_-") + "Az" + "Fu", 5, "A==", LETTERS + "_-"),
    "AI Search key": made(made("", 42) + "Az" + "SeA", 5),
    "Redis key": made(made("", 33) + "Az" + "CaB", 5, "="),
    "Container Registry password": made(made("", 42) + "+A" + "CRC", 5),
    "Service Bus key": made(made("", 33) + "+A" + "SbA", 5, "="),
    "Event Hubs key": made(made("", 33) + "+A" + "EhB", 5, "="),
    "AI services key": made(made("", 52) + "JQ" + "QJ99", 26),
    "DevOps token": made(made("", 52) + "JQ" + "QJ99", 14, "AAAAAZ" + "DO") + made("", 4),
    "DevOps token as before": made("2", 51, alphabet="abcdefghijklmnopqrstuvwxyz234567"),
    "IoT Hub key": made(made("", 33) + "AI" + "oTA", 5, "="),
    "Event Grid key": made(made("", 33) + "AZ" + "EGA", 5, "="),
    "NuGet key": made("oy" + "2", 43, alphabet="abcdefghijklmnopqrstuvwxyz234567"),
    "Storage key": made("", 86, "=="),
    "Databricks token": made("da" + "pi", 32, alphabet=HEX),
    "GitHub token": made("gh" + "p_", 36),
    "GitHub fine-grained token": made("github_" + "pat_", 82),
    "GitLab token": made("gl" + "pat-", 20),
    "npm token": made("np" + "m_", 36),
    "PyPI token": made("py" + "pi-", 150),
    "Hugging Face token": made("h" + "f_", 34),
    "OpenAI key": made("s" + "k-proj-", 60),
    "Anthropic key": made("s" + "k-ant-api03-", 90),
    "AWS key id": made("AK" + "IA", 16, alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "Google key": made("AI" + "za", 35),
    "Slack token": made("xo" + "xb-", 40),
    "Stripe key": made("sk_" + "live_", 24),
    "SendGrid key": made(made("S" + "G.", 22) + ".", 43),
    "JWT": ".".join((made("ey" + "J", 30), made("ey" + "J", 80), made("", 43))),
    "private key": "-----BEGIN RSA PRIV" + "ATE KEY-----\n" + made("", 64) + "\n-----END RSA PRIV" + "ATE KEY-----",
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=list(TOKENS))
@pytest.mark.parametrize("text", ["{}", "see {} for more", "-k {}", "x={};y", '{{"note": "{}"}}', "https://h/{}/x"])
def test_token_of_a_known_form_is_stripped_wherever_it_stands(token: str, text: str) -> None:
    """Under a harmless name, in prose, in a command, in JSON, in an address."""
    redacted = redact_body(text.format(token))
    assert token[8:40] not in redacted
    assert redact_mapping({"note": text.format(token)})["note"].count(token[8:40]) == 0


@pytest.mark.parametrize(
    "text",
    [
        made("", 32, alphabet=HEX),
        made("sha256:", 64, alphabet=HEX),
        "0f8fad5b-d9cb-469f-a165-70867728950e",
        "sk_learn_model ghost hf_dataset pypi-mirror gh_pages glossary npm_config_registry",
        "eyJ is how a JWT begins",
        "AKIAKAKA.csv",
    ],
)
def test_hash_or_word_is_no_token(text: str) -> None:
    """Commits, digests and ids name what lineage is about."""
    assert redact_text(text) == text


def is_slower_than_linear(redact: Callable[[str], object], piece: str) -> bool:
    """Measure the least time of a few rounds, twice the text against the text; what takes no time proves nothing."""

    def seconds(length: int) -> float:
        text = f"{piece * (length // len(piece))} {MARKS}"
        rounds = []
        for _ in range(3):
            start = time.process_time()
            redact(text)
            rounds.append(time.process_time() - start)
        return min(rounds)

    if seconds(64_000) < 0.1:  # nothing that grows faster can be as quick as this
        return False
    return all(seconds(64_000) > 3 * seconds(32_000) for _ in range(3))  # each time, whatever else the machine does
