"""Fixtures of the tests on a bus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .clients import Client, private_bus
from .world import World, children, world
from .zygote import Zygote, zygote


@pytest.fixture(scope="session")
def forks() -> Iterator[Zygote]:
    """What managers and stand-ins are forked from."""
    with zygote() as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_left(forks: Zygote) -> Iterator[None]:
    """No child of a test survives it."""
    before = children(), children(forks.pid)
    yield
    assert (children(), children(forks.pid)) == before


@pytest.fixture
def bare(tmp_path: Path, forks: Zygote) -> Iterator[World]:
    """A world in which the daemon does not run yet."""
    with world(tmp_path, forks) as made:
        yield made


@pytest.fixture
def up(bare: World) -> World:
    """A world in which the daemon runs with CONFIG."""
    bare.start()
    bare.forget()
    return bare


@pytest.fixture
def bus() -> Iterator[str]:
    """The address of a private bus."""
    with private_bus() as (address, _):
        yield address


@pytest.fixture
def server(bus: str) -> Iterator[Client]:
    """A connection to export on."""
    client = Client(bus)
    yield client
    client.close()


@pytest.fixture
def client(bus: str) -> Iterator[Client]:
    """Another one, to call from."""
    made = Client(bus)
    yield made
    made.close()
