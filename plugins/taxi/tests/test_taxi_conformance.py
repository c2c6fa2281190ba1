"""The taxi plugin passes the suite that every plugin has to pass."""

from __future__ import annotations

from typing import ClassVar

from mykey_testkit.conformance import PluginConformance, SampleAction


class TestTaxi(PluginConformance):
    """A rider is registered at the counter with a document seen."""

    plugin: ClassVar[str] = "taxi"
    sample: ClassVar[SampleAction] = SampleAction("taxi-desk", "register", {"documents": "3"})
