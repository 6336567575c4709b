from accounts.models import Workspace
from tests import make
from tests.sandbox_server import RunningSandbox


def test_the_inventory_is_paged(ours: Workspace, box: RunningSandbox) -> None:
    response = make.client(ours).get(
        "/phone-numbers/available?country=us&type=local&area_code=415&page_size=1"
    )

    body = response.json()
    assert (response.status_code, len(body["items"])) == (200, 1)
    assert body["items"][0] == {
        "phone_number": "+14155550100",
        "friendly_name": "(415) 555-0100",
        "country": "US",
        "type": "local",
        "locality": "San Francisco",
        "region": "CA",
        "postal_code": None,
        "address_requirements": "none",
        "capabilities": {"voice": True, "sms": True, "mms": False},
    }
    assert (body["page"], body["page_size"], body["total"], body["total_pages"]) == (1, 1, 100, 100)


def test_an_empty_inventory_is_an_empty_page(ours: Workspace, box: RunningSandbox) -> None:
    box.set_twilio(inventory=[])

    response = make.client(ours).get("/phone-numbers/available")

    assert response.status_code == 200
    assert response.json() == {
        "items": [],
        "total": 0,
        "page": 1,
        "page_size": 50,
        "total_pages": 0,
    }


def test_a_number_type_missing_in_the_country_is_an_empty_page(
    ours: Workspace, box: RunningSandbox
) -> None:
    response = make.client(ours).get("/phone-numbers/available?country=US&type=mobile")

    assert response.status_code == 200
    assert (response.json()["items"], response.json()["total"]) == ([], 0)


def test_the_query_is_validated(ours: Workspace) -> None:
    response = make.client(ours).get(
        "/phone-numbers/available?country=U1&type=fax&area_code=x&contains=%27&page=0"
    )

    permitted = "value is not a valid enumeration member; permitted: 'local', 'toll_free', 'mobile'"
    messages = {tuple(error["loc"]): error["msg"] for error in response.json()["detail"]}
    assert response.status_code == 422
    assert messages == {
        ("query", "country"): "a country code of two letters is expected",
        ("query", "type"): permitted,
        ("query", "area_code"): "value is not a valid integer",
        ("query", "contains"): "only digits, letters, * and + are permitted",
        ("query", "page"): "ensure this value is greater than or equal to 1",
    }


def test_what_numbers_cost_is_known_by_type(ours: Workspace, box: RunningSandbox) -> None:
    client = make.client(ours)

    british = client.get("/phone-numbers/prices?country=gb")
    unsold = client.get("/phone-numbers/prices?country=AQ")
    wrong = client.get("/phone-numbers/prices?country=U1")

    monthly = {"local": 1.15, "mobile": 1.15, "toll_free": 2.15}
    assert british.json() == {"country": "GB", "currency": "USD", "monthly": monthly}
    assert unsold.json() == {"country": "AQ", "currency": "USD", "monthly": {}}
    assert wrong.json()["detail"][0]["msg"] == "a country code of two letters is expected"
