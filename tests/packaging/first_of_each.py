"""A pytest plugin: of each test with parameters, run it with the first alone.

For a second look at code that all parameters have been tried on, as the single file is.
"""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the first item of each test function."""
    first: dict[str, pytest.Item] = {}
    others = []
    for item in items:
        if first.setdefault(item.nodeid.partition("[")[0], item) is not item:
            others.append(item)
    items[:] = first.values()
    config.hook.pytest_deselected(items=others)
