"""The plugin runtime: contract, manifest, grants, loading, and the context that a plugin works through."""
