import pytest

from accounts.auth.origin import own_page


def test_a_page_of_ours_is_led_to_with_its_query() -> None:
    page = "/console/batches?status=running#last"

    assert own_page(page, default="/") == page


@pytest.mark.parametrize(
    "page",
    [
        "",
        "console",
        "https://evil.example/",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
    ],
)
def test_any_other_address_leads_to_the_default(page: str) -> None:
    assert own_page(page, default="/admin/") == "/admin/"
