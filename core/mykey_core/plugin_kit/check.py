"""`mykey plugin check`: judge a plugin's repository without importing it; all rules run, and all faults are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from mykey_core.plugin_kit import code_rules, file_rules
from mykey_core.plugin_kit.findings import Finding
from mykey_core.plugin_kit.repository import Repository
from mykey_core.plugins.errors import ManifestError

RULES: tuple[Callable[[Repository], Iterator[Finding]], ...] = (
    file_rules.layout,
    file_rules.manifest,
    code_rules.imports,
    code_rules.hooks,
    code_rules.tables,
    code_rules.capabilities,
    code_rules.jobs,
    file_rules.templates,
    file_rules.migrations,
    file_rules.translations,
    file_rules.shredder,
    file_rules.documentation,
    file_rules.quality_list,
)
"""Every rule; each looks at the repository as a whole."""


def check_plugin(root: Path) -> list[Finding]:
    """All findings, in the order of the rules; `PluginConfigError` when there is no plugin in `root`."""
    repository = Repository.open(root)
    try:
        repository.manifest  # noqa: B018 - without a manifest and readable code no other rule makes sense
        repository.modules  # noqa: B018 - the same
    except ManifestError as error:
        return [Finding("manifest", repository.package, str(error))]
    except SyntaxError as error:
        return [Finding("layout", f"{error.filename}:{error.lineno}", f"it is no valid Python: {error.msg}")]
    return [finding for rule in RULES for finding in rule(repository)]
