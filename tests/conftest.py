import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The real workflow first: it takes minutes in one process, and the others fill the remaining cores meanwhile."""
    items.sort(key=lambda item: item.get_closest_marker("workflow") is None)
