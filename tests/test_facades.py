"""The façades for plugins load by themselves, in a process that has imported nothing else of the hub."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("facade", ["mykey_core.api", "mykey_web.api", "mykey_cardap.api"])
def test_a_facade_loads_alone(facade: str) -> None:
    """Commands, workers and `mykey plugins` import a plugin without a web application around it."""
    program = f"import {facade} as facade; print(all(hasattr(facade, name) for name in facade.__all__))"
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], check=False, capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.parametrize("plugin", ["library", "taxi"])
def test_a_shipped_plugin_loads_alone(plugin: str) -> None:
    """As the worker loads it."""
    program = f"import mykey_{plugin}.plugin"
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
