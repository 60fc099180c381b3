"""How a contract test runs, and what its author must provide."""

import asyncio
import functools
import inspect
import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from micropie._sessions.backends import SessionBackend

Test = Callable[[Any, SessionBackend], Coroutine[Any, Any, None]]

# Seconds: longer than any test lasts, so that nothing expires unless the test is about that.
LONG = 60
# Seconds after which a test counts as hanging: a store that waits for itself would wait forever.
DEADLINE = 60


def contract_test(test: Test) -> Callable[[Any], None]:
    """Make a coroutine into a test that any pytest runs, with a backend that has started.

    One event loop serves the test from `make_backend` to `shutdown`, because connections are
    bound to the loop they were opened in.
    """

    def run(self: "ContractBase") -> None:
        async def whole() -> None:
            async with asyncio.timeout(DEADLINE):
                backend = await result(self.make_backend())
                await backend.startup()
                try:
                    await test(self, backend)
                finally:
                    await backend.shutdown()

        asyncio.run(whole())

    # Not functools.wraps: pytest would follow __wrapped__ and look for a fixture `backend`.
    run.__name__, run.__qualname__, run.__doc__ = test.__name__, test.__qualname__, test.__doc__
    return run


def concurrent(test: Test) -> Callable[[Any], None]:
    """Make a contract test that only a backend whose methods are atomic must pass."""

    @functools.wraps(test)
    async def test_if_atomic(self: "ContractBase", backend: SessionBackend) -> None:
        if not self.atomic:
            pytest.skip("not atomic: simultaneous requests of one browser may lose changes")
        await test(self, backend)

    return contract_test(test_if_atomic)


class ContractBase(ABC):
    """What the tests need of whoever inherits them."""

    #: Seconds: the shortest timeout that the store can tell from none. Tests of expiry wait a
    #: quarter longer than this.
    shortest_timeout: float = 1

    #: Set it to False for a backend that leaves `merge` or `take` to SessionBackend's defaults:
    #: it skips the tests in which requests of one browser meet, all of which it may fail.
    atomic: bool = True

    @abstractmethod
    def make_backend(self) -> SessionBackend | Awaitable[SessionBackend]:
        """Return a new backend (or a coroutine that does); it is started and stopped for you."""

    @abstractmethod
    def dump(self, backend: SessionBackend) -> bytes | str | Awaitable[bytes | str]:
        """Return all that the store holds, as someone who has stolen it would read it.

        Keys, fields, columns and values, uncompressed; called while *backend* is started.
        """

    async def dumped(self, backend: SessionBackend) -> str:
        """Return the dump as text."""
        stolen = await result(self.dump(backend))
        return stolen if isinstance(stolen, str) else stolen.decode("latin-1")

    async def wait_until_expired(self) -> None:
        """Wait longer than `shortest_timeout`."""
        await asyncio.sleep(self.shortest_timeout * 1.25)


async def result(value: Any) -> Any:
    """Return *value*, awaited if it can be: hooks of the contract may be coroutines."""
    return await value if inspect.isawaitable(value) else value


def new_id() -> str:
    """Return an id such as the App makes."""
    return secrets.token_urlsafe(32)


def same(actual: Any, expected: Any) -> None:
    """Compare types as well: to == the values 1, 1.0 and True are equal."""
    assert json.dumps(actual, sort_keys=True) == json.dumps(expected, sort_keys=True)
