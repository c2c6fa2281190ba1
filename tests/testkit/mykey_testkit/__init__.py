"""Fixtures for testing mykey and its plugins with synthetic cards, people and certificates only."""
