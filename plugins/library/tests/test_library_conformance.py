"""The library passes the suite that every plugin has to pass."""

from __future__ import annotations

from typing import ClassVar

from click.testing import CliRunner

from mykey_library.cli import library
from mykey_testkit.conformance import PluginConformance, SampleAction
from mykey_testkit.plugin_hub import PluginHub


class TestLibrary(PluginConformance):
    """A patron is linked at the desk; patrons and items come from the demo's files."""

    plugin: ClassVar[str] = "library"
    sample: ClassVar[SampleAction] = SampleAction("library-desk", "link", {"patron_number": "10000017"})

    def prepare(self, hub: PluginHub) -> None:
        """The sample patrons and items, as a library would import them."""
        if hub.municipality == "132217":
            hub.import_library()
        else:
            CliRunner().invoke(library, ["import", "--config", str(hub.config)])
