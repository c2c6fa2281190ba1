"""`clerk_roles`: a plugin with clerks of its own opens its staff pages for them, and for nobody else."""

from __future__ import annotations

import pytest
from flask import Blueprint

from mykey_core.plugins.config import PluginChoice
from mykey_core.plugins.pages import Area, NavigationItem
from mykey_testkit.browsers import PageClient, staff_client
from mykey_testkit.hub import HubHarness
from mykey_web.api import plugin_request, requires_role
from mykey_web.pages.areas import mount

EN = {"Accept": "text/html", "Accept-Language": "en"}
DESK = "/counter/library/"


@pytest.fixture
def town(library_hub: HubHarness) -> HubHarness:
    """A town whose library has librarians."""
    path = library_hub.settings.plugins_file
    path.write_text(path.read_text().replace("[plugins.library]\n", '[plugins.library]\nclerk_roles = ["librarian"]\n'))
    library_hub.restart()
    return library_hub


def test_a_librarian_opens_the_library_and_no_citizen(town: HubHarness) -> None:
    """The view asks for `clerk`, and a librarian is one there; at the town's counter they are none."""
    librarian = staff_client(town, "adult", ["librarian"])
    home = librarian.get("/counter/", headers=EN)
    assert home.status_code == 200
    assert f'href="{DESK}"' in home.text
    assert librarian.get(DESK).status_code == 200
    assert librarian.post(f"{DESK}return", {"barcode": "A1000001"}).status_code == 200
    for path in ("/counter/look-up", "/counter/enrol", "/counter/uploads"):
        assert f'href="{path}"' not in home.text
        assert librarian.get(path).get_json()["code"] == "role_needed"


@pytest.mark.parametrize("roles", [["clerk"], ["clerk", "supervisor"], ["administrator", "auditor"]])
def test_nobody_else_opens_it(town: HubHarness, roles: list[str]) -> None:
    """Neither page nor form nor link, whatever else somebody is in the hub."""
    other = staff_client(town, "adult", roles)
    assert other.get(DESK).get_json()["code"] == "role_needed"
    assert other.post(f"{DESK}return", {"barcode": "A1000001"}).get_json()["code"] == "role_needed"
    assert f'href="{DESK}"' not in other.get("/counter/").text


def test_a_page_that_asks_for_no_role_is_closed_too(town: HubHarness) -> None:
    """The town's word holds for views of any plugin, also for those that forgot to ask; the plugin sees a clerk."""
    pages = Blueprint("careless", __name__)
    pages.get("/open")(lambda: " ".join(sorted(plugin_request().visitor.staff.roles)))  # type: ignore[union-attr]
    pages.get("/supervisors", endpoint="supervisors")(requires_role("supervisor")(lambda: "decided"))
    item = NavigationItem(Area.STAFF, "staff.title", "careless.supervisors")
    plugin = town.hub.plugins.plugins["library"]
    app = town.app
    app._got_first_request = False  # mounted late, for this test alone
    mount(app, pages, Area.STAFF, plugin=plugin, url_prefix="/counter/careless", name="careless", navigation=[item])
    clerk, librarian = staff_client(town, "adult", ["clerk"]), staff_client(town, "long-name", ["librarian"])
    assert clerk.get("/counter/careless/open").get_json()["code"] == "role_needed"
    assert librarian.get("/counter/careless/open").text == "clerk librarian"
    assert librarian.get("/counter/careless/supervisors").get_json()["code"] == "role_needed"
    deciding = staff_client(town, "renewed", ["librarian", "supervisor"])
    assert deciding.get("/counter/careless/supervisors").text == "decided"
    assert "/counter/careless/supervisors" in deciding.get("/counter/").text
    only = staff_client(town, "former-name", ["supervisor"])
    assert only.get("/counter/careless/supervisors").get_json()["code"] == "role_needed"
    assert "/counter/careless/supervisors" not in only.get("/counter/").text


def test_without_the_line_a_clerk_is_a_clerk_everywhere(library_hub: HubHarness) -> None:
    """And a role that nothing names opens nothing."""
    assert staff_client(library_hub, "adult", ["clerk"]).get(DESK).status_code == 200
    assert staff_client(library_hub, "long-name", ["librarian"]).get(DESK).get_json()["code"] == "role_needed"


def test_the_administrator_sees_and_gives_the_role(town: HubHarness) -> None:
    """The plugin's page names its clerks, and the form of a member offers the role with what it is for."""
    admin: PageClient = staff_client(town, "adult", ["administrator"])
    assert "<dd>librarian</dd>" in admin.get("/admin/plugins/library", headers=EN).text
    form = admin.get("/admin/members/new", headers=EN).text
    assert 'value="librarian"' in form
    assert "Clerk of: Library" in form


@pytest.mark.parametrize("words", [[], ["Librarian"], ["a b"], [""]])
def test_words_that_are_no_roles(words: list[str]) -> None:
    """No list that shuts everybody out by accident, and no word that a member cannot have."""
    with pytest.raises(ValueError, match="clerk_roles"):
        PluginChoice.model_validate({"clerk_roles": words})
