"""Places: data outside Azure ML is matched with what a scan already put into the catalog, and the rule is named."""

import pytest

from shared.catalog.downstream import NOTHING
from shared.catalog.entities import Entity, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.model import AssetId, Data, DataAsset, Location, Unresolved, WorkspaceId
from shared.places import platforms
from shared.places.matching import (
    SETS,
    Match,
    MatchKind,
    list_feeds,
    list_places,
    match_places,
    match_sets,
    places_of_feed,
    registered_from,
)
from shared.places.place import Place
from shared.places.platforms import place_named, place_of
from shared.places.storage import find_sets
from tests.harness.fakes import FakeCatalog
from tests.unit.examples import LAKE_URL, WORKSPACE_ID, WS, at, data_asset, model, run, tree

DFS = "https://contosolake.dfs.core.windows.net/fs"
BLOB = "https://contosolake.blob.core.windows.net/fs"
PART_FILES = "{SparkPartitions}"
DATASET_URL = "https://app.powerbi.com/groups/g/datasets/d"
OUTPUT = at("azureml/cmd_1/out/", run_id="cmd_1")
REPORT_URL = "https://app.powerbi.com/groups/g/reports/r"


def scanned(*names: str) -> dict[QualifiedName, Ref]:
    """Build a catalog in which a scan found these."""
    return {QualifiedName(name): Ref("scanned", QualifiedName(name)) for name in names}


def fed_by_tags(asset: DataAsset) -> list[Place]:
    """List what an asset's tags name in Power BI."""
    return [
        place
        for _, feeds in list_feeds(WORKSPACE_ID, asset, NOTHING)
        for feed in feeds
        for place in places_of_feed(feed)
    ]


def match(location: Location, *names: str) -> tuple[str, MatchKind]:
    place = place_of(location)
    found = match_places([place], scanned(*names))[place.ref]
    return str(found.ref.qualified_name), found.kind


@pytest.mark.parametrize("name", [f"{DFS}/raw", f"{DFS}/raw/", f"{BLOB}/raw", f"{BLOB}/raw/"])
def test_scanned_folder_is_found_under_any_of_its_names(name: str) -> None:
    """Both hosts, with and without the trailing slash: the entity keeps the name the scan gave it."""
    assert match(at("raw/"), name) == (name, MatchKind.EXACT)


@pytest.mark.parametrize("name", [f"{DFS}/raw/{PART_FILES}", f"{BLOB}/raw/{PART_FILES}"])
def test_folder_of_part_files_is_found_as_a_resource_set(name: str) -> None:
    """Purview folds a Spark output into one asset."""
    assert match(at("raw/"), name) == (name, MatchKind.RESOURCE_SET)


def test_place_that_no_scan_found_is_a_placeholder() -> None:
    """It gets the name and type that a scan will use, so that the scan updates it."""
    place = place_of(at("raw/a.CSV"))
    expected = Ref("azure_datalake_gen2_path", QualifiedName(f"{DFS}/raw/a.csv"))
    assert match_places([place], {}) == {expected: Match(expected, MatchKind.PLACEHOLDER)}


def test_exact_match_comes_before_a_resource_set() -> None:
    """The folder itself says more than the pattern it was folded into, even on the other host."""
    assert match(at("raw/"), f"{DFS}/raw/{PART_FILES}", f"{BLOB}/raw/") == (f"{BLOB}/raw/", MatchKind.EXACT)


def test_own_host_comes_before_the_other() -> None:
    """Where an account was scanned both ways, the datastore decides."""
    assert match(at("raw/"), f"{BLOB}/raw", f"{DFS}/raw") == (f"{DFS}/raw", MatchKind.EXACT)


def test_file_is_never_a_resource_set() -> None:
    """Part files lie in folders."""
    place = place_of(at("raw/a.csv"))
    assert place.resource_sets == ()
    assert match(at("raw/a.csv"), f"{DFS}/raw/a.csv/{PART_FILES}")[1] is MatchKind.PLACEHOLDER


def test_name_that_differs_in_case_is_another_place() -> None:
    """Names in the catalog are case sensitive."""
    assert match(at("Raw/a.csv"), f"{DFS}/raw/a.csv")[1] is MatchKind.PLACEHOLDER


def test_place_outside_catalogued_storage_is_not_looked_up() -> None:
    """Purview scans no public URL."""
    place = place_of(Location("https://example.com/iris.csv"))
    assert (place.exact, place.resource_sets) == ((), ())


def test_path_that_a_run_of_the_tree_wrote_below_its_own_id_is_not_looked_up() -> None:
    """Nothing but the run can have put data there, and no scan came by before it ended."""
    (place,) = list_places(tree(run("cmd_1", outputs={"out": OUTPUT})))
    assert (place.exact, place.resource_sets) == ((), ())


def test_path_that_an_earlier_run_wrote_is_looked_up() -> None:
    """A scan may have come by since."""
    (place,) = list_places(tree(run("cmd_2", inputs={"in": OUTPUT})))
    assert f"{DFS}/azureml/cmd_1/out" in place.exact


def test_places_of_a_tree_are_listed_once_and_in_order() -> None:
    """Whatever the order of runs and however many of them touch a place."""
    one = run("one", inputs={"x": at("b.csv")}, outputs={"y": at("c.csv")})
    two = run("two", inputs={"x": at("c.csv"), "z": data_asset("loan", at("a.csv"))})
    expected = [f"{LAKE_URL}/{name}" for name in ("a.csv", "b.csv", "c.csv")]
    assert [place.ref.qualified_name for place in list_places(tree(one, two, root_id="root"))] == expected
    assert list_places(tree(two, one, root_id="root")) == list_places(tree(one, two, root_id="root"))


def test_model_touches_no_place() -> None:
    """It is named by us alone."""
    assert list_places(tree(run("one", inputs={"m": model("churn")}))) == ()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (Unresolved("azureml://datastores/x/paths/y"), f"{WS}/unresolved/azureml://datastores/x/paths/y"),
        (
            Unresolved("?", WorkspaceId("s", "rg", "other"), AssetId("data", "loan", "3")),
            "azureml://subscriptions/s/resourcegroups/rg/workspaces/other/data/loan/versions/3",
        ),
        (data_asset("iris", None, registry="reg"), "azureml://registries/reg/data/iris/versions/1"),
        (data_asset("deleted", None), f"{WS}/data/deleted/versions/1"),
    ],
    ids=["unresolved", "another workspace's", "registry", "deleted"],
)
def test_data_known_by_name_alone_is_looked_up_by_name(data: Data, name: str) -> None:
    """The catalog may hold it from when its datastore could be read, under a type that is unknown now."""
    (place,) = list_places(tree(run("one", inputs={"x": data})))
    assert (place.ref, place.exact) == (Ref("custom_dataset", QualifiedName(name)), (name,))


def test_asset_registered_from_a_path_touches_it() -> None:
    """Source data joins the graph through the registration of the asset."""
    assert registered_from(data_asset("loan", at("loan.csv"))) == at("loan.csv")


def test_asset_that_a_run_wrote_and_registered_in_one_go_has_no_source() -> None:
    """Below its own id nothing else can read the path: the asset alone is shown."""
    assert registered_from(data_asset("predictions", OUTPUT, by_run=True)) is None


def test_asset_that_a_person_registered_from_a_runs_path_afterwards_has_it_as_source() -> None:
    """The run wrote the path, a person the registration: both are shown."""
    assert registered_from(data_asset("predictions", OUTPUT)) == OUTPUT


def test_asset_that_a_run_registered_at_a_path_of_its_own_choosing_has_it_as_source() -> None:
    """Others read that path directly, so it must be in the graph."""
    assert registered_from(data_asset("scores", at("scores/"), by_run=True)) == at("scores/")


def test_asset_without_a_location_has_no_source() -> None:
    """There is nothing to show."""
    assert registered_from(data_asset("iris", None, registry="reg")) is None


def test_power_bi_tags_name_a_dataset_and_its_report() -> None:
    """By URL, as a scan of Power BI names them, in the order data flows."""
    asset = data_asset("p", None, powerbi_dataset=f"{DATASET_URL}/", powerbi_report=REPORT_URL)
    assert [place.ref for place in fed_by_tags(asset)] == [
        Ref("powerbi_dataset", QualifiedName(DATASET_URL)),
        Ref("powerbi_report", QualifiedName(REPORT_URL)),
    ]


@pytest.mark.parametrize(
    ("tags", "count"),
    [
        ({}, 0),
        ({"powerbi_dataset": DATASET_URL}, 1),
        ({"powerbi_report": REPORT_URL}, 0),
        ({"powerbi_dataset": "my dataset", "powerbi_report": REPORT_URL}, 0),
        ({"powerbi_dataset": DATASET_URL, "powerbi_report": ""}, 1),
    ],
)
def test_power_bi_is_linked_as_far_as_the_tags_lead(tags: dict[str, str], count: int) -> None:
    """A report without its dataset could not be linked to anything."""
    asset = DataAsset(AssetId("data", "p", "1"), None, tags=tags)
    assert len(fed_by_tags(asset)) == count


def test_scanned_power_bi_dataset_is_found_by_its_url() -> None:
    """Power BI's assets are matched like files."""
    (place,) = fed_by_tags(data_asset("p", None, powerbi_dataset=DATASET_URL))
    found = match_places([place], scanned(DATASET_URL))[place.ref]
    assert found == Match(Ref("scanned", QualifiedName(DATASET_URL)), MatchKind.EXACT)


def rule(location: Location, *names: str) -> str:
    place = place_of(location)
    return match_places([place], scanned(*names))[place.ref].rule


@pytest.mark.parametrize(
    ("location", "name", "expected"),
    [
        (at("raw/a.csv"), f"{DFS}/raw/a.csv", "exact file"),
        (at("raw/"), f"{DFS}/raw", "exact folder"),
        (at("raw/"), f"{DFS}/raw/", "exact folder with trailing slash"),
        (at("raw/"), f"{BLOB}/raw", "blob host of the same account"),
        (at("raw/"), f"{BLOB}/raw/", "blob host of the same account with trailing slash"),
        (at("raw/"), f"{DFS}/raw/{PART_FILES}", "Spark partitions"),
        (at("raw/"), f"{BLOB}/raw/{PART_FILES}", "Spark partitions, blob host of the same account"),
        (at("raw/23.csv"), f"{DFS}/raw/{{N}}.csv", "resource set"),
        (at("my%20raw/a.csv"), f"{DFS}/my raw/a.csv", "exact file, percent-decoded"),
        (at("raw/*.csv"), f"{DFS}/raw", "exact folder (the glob *.csv is reduced to the folder it is in)"),
    ],
)
def test_match_says_which_rule_led_to_it(location: Location, name: str, expected: str) -> None:
    """A steward who doubts an edge can read why it is there."""
    assert rule(location, name) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{DFS}/raw/a.csv", f"placeholder: nothing scanned under {DFS}/raw/a.csv"),
        ("https://example.com/iris.csv", "placeholder: Purview scans no such place"),
        (
            "mssql://srv.database.windows.net/db/dbo/loan",
            "placeholder: nothing scanned under mssql://srv.database.windows.net/db/dbo/loan; "
            "it is a custom_dataset, since only a scan can write the type azure_sql_table",
        ),
    ],
)
def test_placeholder_says_why_it_is_one(url: str, expected: str) -> None:
    """Nothing scanned, or nothing to scan: the remedy differs."""
    assert rule(Location(url)) == expected


def test_placeholder_of_what_its_own_run_wrote_says_that_it_was_not_looked_up() -> None:
    """It was not looked up, so it cannot claim that nothing is there."""
    place = place_of(OUTPUT, own_runs=["cmd_1"])
    assert match_places([place], {})[place.ref].rule.startswith("placeholder: its run wrote it just now")


def test_explanation_does_not_make_another_match_of_it() -> None:
    """Matches that were remembered before rules were are the same matches."""
    ref = Ref("azure_blob_path", QualifiedName(f"{BLOB}/a.csv"))
    assert Match(ref, MatchKind.EXACT) == Match(ref, MatchKind.EXACT, "exact file")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("sample-data/mydata1.csv", "sample-data/mydata{N}.csv"),
        ("machinesets/23/foo.parquet", "machinesets/{N}/foo.parquet"),
        ("daily/sales_2024-01-31.csv", "daily/sales_{Year}-{Month}-{Day}.csv"),
        ("weblogs/en_au/23.json", "weblogs/{LOC}/{N}.json"),
        ("weblogs/de-Ch/23434.json", "weblogs/{LOC}/{N}.json"),
        ("hex/00ff.bin", "hex/{HEX}.bin"),
        ("hive/year=2024/month=1/part-00000-a.snappy.parquet", "hive/year={Year}/month={Month}/{SparkPartitions}"),
        ("x/2024-01-31/1-2-3-4/11111111-1111-1111-1111-111111111111", "x/{Year}-{Month}-{Day}/{N}-{N}-{N}-{N}/{GUID}"),
        ("log/10-59-01.txt", "log/{Hour}-{Minute}-{Second}.txt"),
        ("machinesets/", "machinesets/{N}/foo.parquet"),
        ("hive/year=2024/", "hive/year={Year}/month={Month}/{SparkPartitions}"),
        ("hive/year=2024/month=01/", "hive/year={Year}/month={Month}/{SparkPartitions}"),
        ("numbers/7", "numbers/{N}"),
        ("a%7BN%7D/1.csv", "a%7BN%7D/{N}.csv"),
        ("sample-data/mydata.csv", ""),
        ("sample-data/mydata1.CSVX", ""),
        ("machinesets/23/other.parquet", ""),
        ("machinesets/23/", "machinesets/{N}/foo.parquet"),
        ("machinesets/x/foo.parquet", ""),
        ("hive/year=2024/month=1/notes.txt", ""),
        ("daily/", "daily/sales_{Year}-{Month}-{Day}.csv"),
        ("two/", ""),
        ("tw/", ""),
        ("hex/0ff.bin", ""),
    ],
)
def test_file_or_folder_is_in_the_set_whose_name_fits(path: str, found: str) -> None:
    """As Purview documents its patterns: the name of a folder or a part of one; above or below the path."""
    sets = [
        "sample-data/mydata{N}.csv", "machinesets/{N}/foo.parquet", "daily/sales_{Year}-{Month}-{Day}.csv",
        "weblogs/{LOC}/{N}.json", "hex/{HEX}.bin", "hive/year={Year}/month={Month}/{SparkPartitions}",
        "x/{Year}-{Month}-{Day}/{N}-{N}-{N}-{N}/{GUID}", "log/{Hour}-{Minute}-{Second}.txt", "numbers/{N}",
        "a%7BN%7D/{N}.csv", "two/{N}.csv", "two/{Year}/{N}.csv",
    ]  # fmt: skip
    names = find_sets(place_of(at(path)), [QualifiedName(f"{DFS}/{each}") for each in sets])
    assert names == ((f"{DFS}/{found}",) if found else ())


def test_of_several_sets_the_one_that_replaces_least_is_taken() -> None:
    """It says most of the file."""
    sets = [QualifiedName(f"{DFS}/{each}") for each in ("{N}/{N}.csv", "2024/{N}.csv", "{Year}/{N}.csv")]
    assert find_sets(place_of(at("2024/1.csv")), sets) == (f"{DFS}/2024/{{N}}.csv",)


def test_folder_that_is_a_part_of_two_sets_is_neither() -> None:
    """Whichever was chosen, the other would be missing from what the run read."""
    sets = [QualifiedName(f"{DFS}/two/{{N}}/{each}.csv") for each in ("accounts", "payroll")]
    assert find_sets(place_of(at("two/7/")), sets) == ()
    assert find_sets(place_of(at("two/7/")), sets[:1]) == (sets[0],)
    assert find_sets(place_of(at("two/7/payroll.csv")), sets) == (sets[1],)


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("one/sales_*.csv", ["one/sales_{N}.csv"]),
        ("one/sales_2024*.CSV", ["one/sales_{N}.csv"]),
        ("one/*", ["one/returns_{N}.csv", "one/sales_{N}.csv"]),
        ("one/other_*.json", []),
        ("one/sales_*", ["one/sales_{N}.csv"]),
        ("one/sales_*_eu.csv", []),
        ("one/sales_?.csv", ["one/sales_{N}.csv"]),
        ("one/sales_[1]*.csv", []),
        ("one/{sales,other}_*.csv", ["one/sales_{N}.csv"]),
        ("one/{sales}_*.csv", ["one/returns_{N}.csv", "one/sales_{N}.csv"]),
        ("**/sales*.csv", ["by/{Year}/{Month}/sales.csv", "one/sales_{N}.csv"]),
        ("by/*/sales.csv", []),
        ("by/*/*/sales.csv", ["by/{Year}/{Month}/sales.csv"]),
        ("by/2024/*/s*", ["by/{Year}/{Month}/sales.csv"]),
        ("by/202?/", ["by/{Year}/{Month}/sales.csv"]),
        ("by/24*/", ["by/{Year}/{Month}/sales.csv"]),
        ("by/20245*/", []),
        ("by/x*/", []),
        ("logs/e?-*/*.json", ["logs/{LOC}/{N}.json"]),
        ("logs/english/*.json", []),
        ("logs/*/a*.json", []),
        ("ids/11*.bin", ["ids/{GUID}.bin"]),
        ("ids/g*.bin", []),
        ("hex/ff??.bin", ["hex/{HEX}.bin"]),
        ("hex/fff??.bin", []),
        ("out/*.parquet", ["out/{SparkPartitions}"]),
        ("out/part-0*", ["out/{SparkPartitions}"]),
        ("out/data*.parquet", []),
        ("*.csv", []),
        ("**/" * 40 + "x.csv", []),
    ],
)
def test_glob_is_the_sets_to_which_it_may_lead(glob: str, found: list[str]) -> None:
    """Some name that the set stands for is one that the glob means; a set beside it was not read."""
    sets = [
        "one/sales_{N}.csv", "one/returns_{N}.csv", "by/{Year}/{Month}/sales.csv", "logs/{LOC}/{N}.json",
        "ids/{GUID}.bin", "hex/{HEX}.bin", "out/{SparkPartitions}",
    ]  # fmt: skip
    names = find_sets(place_of(at(glob)), [QualifiedName(f"{DFS}/{each}") for each in sets])
    assert names == tuple(f"{DFS}/{each}" for each in found)


def in_catalog(*paths: str) -> FakeCatalog:
    """Return a catalog that has some resource sets."""
    catalog = FakeCatalog()
    for path in paths:
        ref = Ref("azure_datalake_gen2_resource_set", QualifiedName(f"{DFS}/{path}"))
        catalog.entities[ref.qualified_name] = Entity(ref, {"name": path})
    return catalog


def test_globs_on_one_folder_keep_their_own_matches() -> None:
    """They are looked up by the folder and the glob; without a set, what is shown is the folder."""
    sales, other = place_of(at("one/sales_*.csv")), place_of(at("one/other_*.json"))
    found = match_sets(in_catalog("one/sales_{N}.csv"), [sales, other], match_places([sales, other], {}))
    assert (found[sales.ref].ref.qualified_name, found[sales.ref].kind) == (
        f"{DFS}/one/sales_{{N}}.csv", MatchKind.RESOURCE_SET,
    )  # fmt: skip
    assert found[sales.ref].rule == "resource set one/sales_{N}.csv, to which the glob sales_*.csv may lead"
    assert found[other.ref] == Match(place_of(at("one/")).ref, MatchKind.PLACEHOLDER)


def test_glob_is_every_set_to_which_it_may_lead_before_the_folder_it_is_in() -> None:
    """A run that reads `one/*.csv` has read both, and of the folder not all."""
    place = place_of(at("one/*.csv"))
    catalog = in_catalog("one/a_{N}.csv", "one/b_{N}.csv", "one/c_{N}.json")
    match = match_sets(catalog, [place], match_places([place], scanned(f"{DFS}/one/")))[place.ref]
    assert [ref.qualified_name for ref in match.refs] == [f"{DFS}/one/a_{{N}}.csv", f"{DFS}/one/b_{{N}}.csv"]
    assert match.rule == "resource sets one/a_{N}.csv, one/b_{N}.csv, to which the glob *.csv may lead"


def test_glob_that_may_lead_to_part_files_is_their_set() -> None:
    """Also where the index of the search does not have it yet."""
    names = (f"{DFS}/raw/", f"{DFS}/raw/{PART_FILES}")
    assert match(at("raw/*.csv"), *names) == (names[1], MatchKind.RESOURCE_SET)
    assert match(at("raw/sales_*.csv"), *names) == (names[0], MatchKind.EXACT)


def test_glob_in_the_root_of_a_container_is_the_sets_there() -> None:
    """A container is no folder, and has sets of its own."""
    place = place_of(at("s*.csv"))
    match = match_sets(in_catalog("sales_{N}.csv", "deep/s{N}.csv"), [place], match_places([place], {}))[place.ref]
    assert [ref.qualified_name for ref in match.refs] == [f"{DFS}/sales_{{N}}.csv"]


def test_glob_over_very_many_sets_is_the_folder_it_is_in() -> None:
    """A step with a hundred inputs that it may not have read says little; the rule says how many there are."""
    place = place_of(at("lake/**/*.csv"))
    catalog = in_catalog(*(f"lake/{number}/{{N}}.csv" for number in range(SETS + 1)))
    match = match_sets(catalog, [place], match_places([place], {}))[place.ref]
    assert match == Match(place_of(at("lake/")).ref, MatchKind.PLACEHOLDER)
    assert match.rule.endswith("; it may lead to 21 resource sets, more than 20")


def test_glob_over_very_many_sets_is_none_of_them_that_was_guessed() -> None:
    """Its folder, also where the name of one set follows from the glob."""
    place = place_of(at("lake/**"))
    guessed = next(iter(place.resource_sets))
    names = [f"lake/{number}/{{N}}.csv" for number in range(SETS + 1)]
    known = match_places([place], {guessed: Ref("azure_datalake_gen2_resource_set", guessed)})
    assert known[place.ref].kind is MatchKind.RESOURCE_SET
    match = match_sets(in_catalog(*names), [place], known)[place.ref]
    assert match == Match(place_of(at("lake/")).ref, MatchKind.PLACEHOLDER)


def test_question_mark_in_a_glob_before_a_hive_partition_is_no_query() -> None:
    """A later segment has the equals sign."""
    place = place_of(at("raw/year=202?/month=*/x.csv"))
    assert (place.own.qualified_name, place.glob) == (f"{LAKE_URL}/raw", "year=202?/month=*/x.csv")


@pytest.mark.parametrize(
    ("path", "folder", "glob"),
    [
        ("c/part-?.csv", "c", "part-?.csv"),
        ("c/part-?.csv?sv=2024&sig=hunter2/3", "c", "part-?.csv"),
        ("c/raw/year=202?/key=7/x.csv", "c/raw", "year=202?/key=7/x.csv"),
        ("c/raw/day=2026-0?-region=eu/x.csv?sig=hunter2", "c/raw", "day=2026-0?-region=eu/x.csv"),
        ("c/raw/m?nth=1/x.csv", "c/raw", "m*"),
        ("c/raw/a.csv?x/y&code=hunter2", "c/raw", "a.csv*"),
        ("c/br/{7,8}/x", "c/br", "{7,8}/x"),
        ("c/br/{a/7,b}/x", "c/br", "{a/7,b}/x"),
        ("c/br/{7}/x", "c/br/%7B7%7D/x", ""),
    ],
)
@pytest.mark.parametrize(
    "host", ["acct.dfs.core.windows.net", "acct.blob.core.windows.net", "acct.file.core.windows.net"]
)
def test_glob_in_an_https_address_is_a_glob(host: str, path: str, folder: str, glob: str) -> None:
    """A query has a name and `=`; what looks like one and is none leads anywhere, and no secret stays."""
    location = platforms.read(f"https://{host}/{path}")
    assert location is not None
    assert "hunter2" not in location.url
    place = place_of(location)
    assert (place.own.qualified_name, place.glob) == (f"https://{host}/{folder}", glob)


def test_alternatives_in_braces_are_the_sets_to_which_they_may_lead() -> None:
    """As Spark reads them; a set beside them was not read."""
    sets = [QualifiedName(f"{DFS}/br/{each}") for each in ("{N}/x/{SparkPartitions}", "{N}/y.csv", "a/x/{N}.csv")]
    assert find_sets(place_of(at("br/{7,8}/x")), sets) == (sets[0],)
    assert find_sets(place_of(at("br/{7,{a,b}}/")), sets) == tuple(sorted(sets))


@pytest.mark.parametrize(
    "url",
    [
        f"{DFS}/raw/*.csv",
        f"{DFS}/raw/a{{1}}/*/sales_{{N}}_??.csv",
        f"{DFS}/raw/{{7,8}}/x",
        "https://onelake.dfs.fabric.microsoft.com/ws/item.Lakehouse/Files/raw/**/*.csv",
        "https://acct.file.core.windows.net/share/raw/*",
    ],
)
def test_name_of_a_glob_leads_back_to_it(url: str) -> None:
    """Placeholders are looked up again by the name that the ledger has."""
    place = place_of(Location(url))
    assert place.glob
    again = place_named(place.ref.qualified_name, is_folder=True)
    assert (again, again.glob, again.path) == (place, place.glob, place.path)


@pytest.mark.parametrize(
    ("path", "run_ids", "name", "fits"),
    [
        ("azureml/42/o/1.csv", (), "azureml/{N}/o/{N}.csv", False),
        ("azureml/42/o/1.csv", (), "azureml/42/o/{N}.csv", True),
        ("exp/42/1.csv", (), "exp/{N}/{N}.csv", True),
        ("exp/42/1.csv", ("42",), "exp/{N}/{N}.csv", False),
        ("exp/142/1.csv", ("42",), "exp/{N}/{N}.csv", True),
        (f"exp/run-{'1' * 8}-1111-1111-1111-{'1' * 12}/1.csv", (f"{'1' * 8}-1111-1111-1111-{'1' * 12}",),
         "exp/run-{GUID}/{N}.csv", False),
    ],
)  # fmt: skip
def test_set_that_has_replaced_the_id_of_a_run_is_not_of_that_run(
    path: str, run_ids: tuple[str, ...], name: str, fits: bool
) -> None:
    """It holds what every run wrote there; which ids are those of runs, Azure ML's own places say, and the ledger."""
    place = place_of(at(path), own_runs=run_ids)
    assert bool(find_sets(place, [QualifiedName(f"{DFS}/{name}")])) == fits


def test_catalog_is_searched_only_for_what_was_found_under_no_name() -> None:
    """A search more for every event would be felt; where Purview makes no sets, there is nothing to search for."""
    catalog = FakeCatalog()
    name = QualifiedName(f"{BLOB}/raw/a{{N}}.csv")
    catalog.entities[name] = Entity(Ref("azure_blob_resource_set", name), {"name": "a"})
    known, unknown = place_of(at("raw/b.csv")), place_of(at("raw/a1.csv"))
    table = place_of(Location("mssql://srv.database.windows.net/db/dbo/loan"))
    before = match_places([known, table], scanned(f"{DFS}/raw/b.csv"))
    assert match_sets(catalog, [known, table], before) == before
    assert catalog.calls == []
    found = match_sets(catalog, [unknown], match_places([unknown], {}))
    assert found[unknown.ref] == Match(Ref("azure_blob_resource_set", name), MatchKind.RESOURCE_SET)
    assert found[unknown.ref].rule == "resource set raw/a{N}.csv"
