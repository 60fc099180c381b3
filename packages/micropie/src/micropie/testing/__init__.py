"""For the tests of apps, clients that call them; for those of session backends, their contract.

What a name needs is imported when the name is first asked for: clients need httpx2, the extra
`testing`; the contract needs pytest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from micropie.testing.client import AsyncTestClient, TestClient
    from micropie.testing.contract import SessionBackendContract
    from micropie.testing.websockets import AsyncClientWebSocket, ClientWebSocket, WebSocketRefused

__all__ = [
    "AsyncClientWebSocket",
    "AsyncTestClient",
    "ClientWebSocket",
    "SessionBackendContract",
    "TestClient",
    "WebSocketRefused",
]

_MODULES = {
    "AsyncClientWebSocket": "websockets",
    "AsyncTestClient": "client",
    "ClientWebSocket": "websockets",
    "SessionBackendContract": "contract",
    "TestClient": "client",
    "WebSocketRefused": "websockets",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name not in ("httpx2", "pytest"):
            raise
        what = "micropie[testing]" if error.name == "httpx2" else error.name
        message = f"{__name__}.{name} needs {error.name}: pip install '{what}'"
        raise ModuleNotFoundError(message, name=error.name) from None
    globals()[name] = value
    return value
