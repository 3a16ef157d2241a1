"""The cells of the campaign, from the traffic of a run."""

from tests.faults.campaign.matrix import EVENT_FAULTS, RESPONSE_FAULTS, WRITE_FAULTS, Cell, Group, cells, rows, sample
from tests.faults.campaign.traffic import Event, Request, Traffic, identify

CREATE = Request("create", "services", "support")
READ = Request("list", "services")
ADDED = Event("services", "ADDED", "support")


def traffic(*items: Request | Event) -> Traffic:
    found = Traffic()
    for item in items:
        found.count(item)
    return found


def of_group(found: list[Cell], group: Group) -> list[Cell]:
    return [cell for cell in found if cell.group is group]


def test_every_write_and_every_event_has_every_fault_and_every_verb_and_kind_every_response() -> None:
    found = list(cells({"one": traffic(READ, CREATE, CREATE, ADDED), "other": traffic(READ)}, ["case"]))
    writes = of_group(found, Group.WRITE)
    assert {(cell.number, cell.fault) for cell in writes} == {(n, fault) for n in (1, 2) for fault in WRITE_FAULTS}
    assert [cell.fault for cell in of_group(found, Group.EVENT)] == list(EVENT_FAULTS)
    assert len(of_group(found, Group.RESPONSE)) == 2 * len(RESPONSE_FAULTS)
    assert {cell.row for cell in found} == set(rows(["case"]))


def test_an_added_request_changes_the_sample_of_no_other_one() -> None:
    before = list(cells({"one": traffic(*[CREATE] * 20)}, []))
    after = list(cells({"one": traffic(Request("apply", "pods", "x"), *[CREATE] * 20)}, []))
    of_row = [[cell for cell in found if cell.row == before[-1].row] for found in (before, after)]
    assert set(sample(of_row[1], 5)) - set(sample(of_row[0], 5)) <= set(of_row[1]) - set(of_row[0])


def test_requests_are_identified_without_namespaces_and_hashes() -> None:
    path = "/apis/apps/v1/namespaces/a/deployments/support"
    apply, plain = "application/apply-patch+yaml", "application/json"
    assert identify("PATCH", path, {}, apply, b'{"metadata": {"uid": "1"}}') == ("apply", "deployments", "support")
    assert identify("PATCH", path, {}, apply, b'{"metadata": {"resourceVersion": "1"}}').verb == "create"
    assert identify("PATCH", f"{path}/status", {}, "application/merge-patch+json", b"{}").verb == "status"
    assert identify("GET", "/apis/apps/v1", {}, plain, b"") == ("discover", "apps", "")
    assert identify("GET", "/api/v1/pods", {"watch": "true"}, plain, b"") == ("watch", "pods", "")
    assert identify("GET", "/api/v1/namespaces/a", {}, plain, b"") == ("get", "namespaces", "a")
    names = {
        identify("DELETE", f"/api/v1/namespaces/a/pods/support-{it}", {}, plain, b"").name
        for it in ("7c9d5f8b6d-x2k4j", "12345678-aaaaa")
    }
    assert names == {"support-HASH"}
