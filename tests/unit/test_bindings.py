"""What the host makes of the app settings that bindings name; each case follows from the sources named there."""

import re
from pathlib import Path

import pytest

import functions
from emulator.functions_host.schedules import ScheduleError, parse_schedule
from shared.bindings import CONNECTION, FUNCTIONS, SCHEDULE, find_binding_problems, find_schedule_problem

ROOT = Path(__file__).parents[2]
RIGHT = {
    "RECONCILE_SCHEDULE": "0 */15 * * * *",
    "LineageStorage__queueServiceUri": "https://stlineage.queue.core.windows.net/",
    "LineageStorage__credential": "managedidentity",
    "LINEAGE_STORAGE": "https://stlineage.blob.core.windows.net/",
}
"""As infra/modules/function-app.bicep sets them."""
KEY = "AccountKey=c2VjcmV0"


TAKEN = (
    "0 */15 * * * *",
    "*/15 * * * *",
    "  0   0 3 * *   SUN ",
    "0 0 3 * * 0-6",
    "0 0 3 * * Mon-Fri",
    "0 0 3 * * fri-MON",
    "0 0 3 * september Wednesday",
    "0 0 3 * s m",
    "0 0 3 * JUL,a,12 T/2",
    "*/0 * * * * *",
    "5/0 * * * * *",
    "0/-3 * * * * *",
    "30-10/5 1,2,3 0 * * *",
    "0 0 0 29 2 *",
    "0 0 0 31 1,4 *",
    "0 0 0 1 1\t *",
    "00:15:00",
    "24:00:00",
    "5",
    "1.02:03:04.5",
    "6:12:14:45",
    "23:59",
    " 00:00:01 ",
)
REFUSED = (
    ("", "is not set"),
    ("  ", "is not set"),
    ("hourly", "has 1 field;"),
    ("0 0 0 * * * 2026", "has 7 fields;"),
    ("0\t*/15 * * * *", "'0\\t*/15' cannot be a minute"),
    ("0 0\t3 * * *", "'0\\t3' cannot be a hour"),
    ("0\t0\t3\t*\t*\t*", "has 1 field;"),
    ("0 0 3 * * 7", "'7' cannot be a day of the week (0 to 6, or a name)"),
    ("0 0 3 * * 0-7", "'0-7' cannot be a day of the week"),
    ("0 0 3 * * Sundays", "'Sundays' cannot be a day of the week"),
    ("0 0 3 * 0 *", "'0' cannot be a month"),
    ("0 0 3 0 * *", "'0' cannot be a day"),
    ("0 0 3 0-5 * *", "'0-5' cannot be a day"),
    ("60 * * * * *", "'60' cannot be a second"),
    ("0 0 24 * * *", "'24' cannot be a hour"),
    ("0 0 24/2 * * *", "'24/2' cannot be a hour"),
    ("1,,2 * * * * *", "'' cannot be a second"),
    ("1, * * * * *", "'' cannot be a second"),
    ("5- * * * * *", "'5-' cannot be a second"),
    ("-5 * * * * *", "'-5' cannot be a second"),
    ("/5 * * * * *", "'/5' cannot be a second"),
    ("*/5/2 * * * * *", "'*/5/2' cannot be a second"),
    ("1-2-3 * * * * *", "'1-2-3' cannot be a second"),
    ("*-5 * * * * *", "'*-5' cannot be a second"),
    ("? * * * * *", "'?' cannot be a second"),
    ("0 0 0 L * *", "'L' cannot be a day"),
    ("Mon * * * * *", "'Mon' cannot be a second"),
    ("1st * * * * *", "'1st' cannot be a second"),
    ("99999999999 * * * * *", "'99999999999' cannot be a second"),
    ("٣ * * * * *", "'٣' cannot be a second"),
    (f"{'9' * 5_000} * * * * *", "Exceeds the limit"),
    ("24:00", "has 1 field;"),
    ("00:60:00", "has 1 field;"),
    ("10675200", "has 1 field;"),
    ("9" * 5_000, "has 1 field;"),
    ("@hourly", "has 1 field;"),
    ("%RECONCILE_SCHEDULE%", "has 1 field;"),
)


@pytest.mark.parametrize("schedule", TAKEN)
def test_schedule_that_the_host_takes_is_right(schedule: str) -> None:
    """NCRONTAB of five or six fields with names in full or any beginning, or a time span."""
    assert find_schedule_problem(schedule) == ""


@pytest.mark.parametrize(("schedule", "problem"), REFUSED)
def test_schedule_that_the_host_refuses_is_named_with_the_field(schedule: str, problem: str) -> None:
    """The host switches the timer off then, and says so in its log only."""
    found = find_schedule_problem(schedule)
    assert found[: len(problem)] == problem
    assert found.endswith("give six fields of NCRONTAB, such as 0 */15 * * * *")


def test_emulated_host_takes_and_refuses_the_same() -> None:
    """Both are written from the same sources, each on its own."""
    assert [schedule for schedule in TAKEN if not parse_schedule(schedule)] == []
    for schedule, _ in REFUSED:
        with pytest.raises(ScheduleError):
            parse_schedule(schedule)


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("0 0 0 30 2 *", "names day 30, which none of its months has"),
        ("0 0 0 31 4,6,Sep,11 *", "names day 31"),
        ("00:00:00", "is not a time span above zero"),
        ("-00:15:00", "is not a time span above zero"),
        ("0", "is not a time span above zero"),
    ],
)
def test_schedule_that_the_host_takes_and_that_means_no_ticks_is_named(schedule: str, problem: str) -> None:
    """It never comes, or runs without a pause."""
    assert find_schedule_problem(schedule).startswith(problem)


def test_app_as_it_is_deployed_has_no_problem() -> None:
    """Nor have the others ways in which a connection may be given."""
    assert find_binding_problems(RIGHT) == []


@pytest.mark.parametrize(
    ("connection", "storage"),
    [
        ({"LineageStorage__accountName": "stlineage"}, "stlineage"),
        ({"LINEAGESTORAGE__QUEUESERVICEURI": "https://STLINEAGE.queue.core.windows.net"}, "stlineage"),
        ({"LineageStorage__serviceUri": "https://stlineage.queue.core.windows.net"}, "stlineage"),
        ({"AzureWebJobsLineageStorage__accountName": "stlineage", "LineageStorage__accountName": "other"}, "stlineage"),
        ({"LineageStorage": f"DefaultEndpointsProtocol=https;AccountName=stlineage;{KEY}"}, "stlineage"),
        (
            {"LineageStorage": f"AccountName=st1;{KEY};EndpointSuffix=core.chinacloudapi.cn"},
            "https://st1.blob.core.chinacloudapi.cn",
        ),
        ({"ConnectionStrings__LineageStorage": f"AccountName=stlineage;{KEY}"}, "stlineage"),
        ({"LineageStorage": "UseDevelopmentStorage=true"}, "azurite"),
        (
            {
                "LineageStorage": f"AccountName=devstoreaccount1;{KEY};QueueEndpoint=http://127.0.0.1:4711/devstoreaccount1;"
            },
            "azurite:4710",
        ),
        (
            {
                "LineageStorage": f"AccountName=devstoreaccount1;{KEY};QueueEndpoint=http://localhost:10001/devstoreaccount1"
            },
            "azurite",
        ),
    ],
)
def test_connection_that_leads_to_our_account_is_right(connection: dict[str, str], storage: str) -> None:
    """With an identity, with a key, or to Azurite; names of settings in any case, since the host ignores it."""
    assert find_binding_problems({SCHEDULE: "5", "LINEAGE_STORAGE": storage, **connection}) == []


@pytest.mark.parametrize(
    ("connection", "setting", "problem"),
    [
        ({}, "LineageStorage__queueServiceUri", "is not set"),
        ({"LineageStorage__credential": "managedidentity"}, "LineageStorage__queueServiceUri", "is not the address"),
        (
            {"LineageStorage__blobServiceUri": RIGHT["LINEAGE_STORAGE"]},
            "LineageStorage__queueServiceUri",
            "is not the address",
        ),
        ({"LineageStorage__queueServiceUri": ""}, "LineageStorage__queueServiceUri", "is not the address"),
        ({"LineageStorage__queueServiceUri": "stlineage"}, "LineageStorage__queueServiceUri", "is not the address"),
        ({"LineageStorage__queueServiceUri": "https://[x"}, "LineageStorage__queueServiceUri", "is not the address"),
        ({"LineageStorage__accountName": ""}, "LineageStorage__accountName", "is not the address"),
        ({"LineageStorage": ""}, "LineageStorage", "is not a storage account's connection string"),
        (
            {"LineageStorage": "", "LineageStorage__accountName": "stlineage"},
            "LineageStorage",
            "is not a storage account's connection string",
        ),
        ({"LineageStorage": "stlineage"}, "LineageStorage", "is not a storage account's connection string"),
        ({"LineageStorage": "AccountName=stlineage"}, "LineageStorage", "is not a storage account's connection string"),
        ({"LineageStorage__accountName": "stother"}, "LineageStorage__accountName", "leads to stother.queue."),
        (
            {"LineageStorage": f"AccountName=stother;{KEY}"},
            "LineageStorage",
            "leads to stother.queue.core.windows.net, and LINEAGE_STORAGE to stlineage.queue.core.windows.net",
        ),
        (
            {"LineageStorage": "UseDevelopmentStorage=true"},
            "LineageStorage",
            "leads to 127.0.0.1:10001/devstoreaccount1",
        ),
    ],
)
def test_connection_that_the_host_cannot_use_or_that_leads_elsewhere_is_named(
    connection: dict[str, str], setting: str, problem: str
) -> None:
    """By the setting to correct, and without any key that is in it."""
    (found,) = find_binding_problems({SCHEDULE: "5", "LINEAGE_STORAGE": "stlineage", **connection})
    assert found.startswith(f"{setting}: {problem}")
    assert KEY not in found


def test_state_in_a_file_is_named_beside_a_queue_of_a_storage_account(tmp_path: object) -> None:
    """What the app writes there, no function of the host would read."""
    (found,) = find_binding_problems({**RIGHT, "LINEAGE_STORAGE": f"sqlite:///{tmp_path}/lineage.sqlite"})
    assert found.startswith("LINEAGE_STORAGE: is a file")


def test_account_is_not_compared_with_a_setting_that_is_wrong_itself() -> None:
    """`settings` names that one."""
    assert find_binding_problems({**RIGHT, "LINEAGE_STORAGE": "what is this"}) == []


@pytest.mark.parametrize("name", ["AzureWebJobs.reconcile.Disabled", "AzureWebJobs_reconcile_Disabled"])
def test_function_that_is_switched_off_by_a_setting_is_named(name: str) -> None:
    """Both ways to write it; `false` switches nothing off."""
    assert find_binding_problems({**RIGHT, name: "false", "AzureWebJobs.other.Disabled": "1"}) == []
    assert find_binding_problems({**RIGHT, name: "True"}) == [f"{name}: switches the function reconcile off"]


def test_every_wrong_setting_is_named_at_once() -> None:
    """Without any of them two functions and the receiver's output are off."""
    found = find_binding_problems({"AzureWebJobs.replay.Disabled": "1"})
    assert [problem.partition(":")[0] for problem in found] == [
        "RECONCILE_SCHEDULE",
        "LineageStorage__queueServiceUri",
        "AzureWebJobs.replay.Disabled",
    ]


def test_names_are_those_of_the_app() -> None:
    """Functions, connection and schedule, as the triggers have them."""
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "functions").glob("*.py"))
    assert set(re.findall(r'^@bp\.function_name\("(\w+)"\)$', sources, re.MULTILINE)) == FUNCTIONS
    assert set(re.findall(r"%(\w+)%", sources)) == {SCHEDULE}
    assert functions.CONNECTION == CONNECTION
