"""Whether the server that runs the app is about to stop, where that can be known early."""

import signal


def server_is_stopping() -> bool:
    """Tell whether uvicorn has been asked to stop, and waits for connections to end.

    ASGI has no message for that. But uvicorn's server is what handles SIGTERM, by a method of its
    own, and has a flag for it. Any other server, or none, is never stopping.
    """
    handler = signal.getsignal(signal.SIGTERM)
    # An App may listen as well; its handler calls the server's.
    server = getattr(getattr(handler, "server", handler), "__self__", None)
    return getattr(server, "should_exit", False) is True
