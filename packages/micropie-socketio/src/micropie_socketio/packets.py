"""What a client may send: the rules of the Engine.IO and Socket.IO protocols that count here."""

from base64 import b64decode
from collections.abc import Callable
from functools import partial
from typing import Any

from engineio import json as library_json  # type: ignore[import-untyped] # has no annotations

from micropie import codec
from socketio import packet  # type: ignore[import-untyped] # has no annotations

# Engine.IO, protocol 4: what comes from a client in a session that is set up, beside messages,
# and what ends a poll.
CLOSE, PONG, MESSAGE, NOOP = "1", "3", "4", "6"

# A message of text is a Socket.IO packet, which starts with its type. What else might come after
# the "4" python-engineio would take for JSON, however deep.
_MESSAGES = tuple(f"{MESSAGE}{kind}" for kind in range(7))

# Of the handlers of a server these are called by the protocol; "*" is the one for all others.
_RESERVED = frozenset({"*", "connect", "connect_error", "disconnect"})

_MAX_ATTACHMENTS = 1000

# As socket.io-msgpack-parser writes it: an extension type of msgpack.
_UNDEFINED = (0, b"\0")

_EVENTS = (packet.EVENT, packet.BINARY_EVENT)
_ACKS = (packet.ACK, packet.BINARY_ACK)


class InvalidPacket(ValueError):
    """What a client sent breaks the protocol."""


def is_engine_packet(data: str | bytes) -> bool:
    """Tell whether *data* is an Engine.IO packet; bytes are always a message."""
    return isinstance(data, bytes) or data in (CLOSE, PONG) or data.startswith(MESSAGE)


def is_socketio_packet(data: str | bytes) -> bool:
    """Tell whether *data* is an Engine.IO packet that can hold a Socket.IO packet."""
    return isinstance(data, bytes) or data in (CLOSE, PONG) or data.startswith(_MESSAGES)


def is_polled(text: str, is_packet: Callable[[str | bytes], bool]) -> bool:
    """Tell whether *text* is a packet of a POST, where bytes are "b" and base64."""
    if not text.startswith("b"):
        return is_packet(text)
    try:
        b64decode(text[1:], validate=True)
    except ValueError:
        return False
    return True


class _Json:
    """JSON that the library writes, and that is read by the rules and limits of the core."""

    dumps = staticmethod(library_json.dumps)

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size

    def loads(self, text: str) -> Any:
        return codec.loads(text.encode(), self._max_size)


def checked(base: Any, max_size: int) -> Any:
    """Return a `packet_class` like *base* that raises InvalidPacket for what no client may send.

    Args:
        base: python-socketio's class for a serializer, or another of its interface.
        max_size: bytes of a packet, and of the attachments of one together.
    """
    undefined = None  # what JavaScript has for a value that is not there
    if hasattr(base, "ext_hook"):  # msgpack
        from socketio.msgpack_packet import MsgPackPacket  # type: ignore[import-untyped]

        undefined = MsgPackPacket.ext_hook(*_UNDEFINED)  # msgpack.ExtType
        extension = partial(_extension, base.ext_hook)
        base = base.configure(dumps_default=base.dumps_default, ext_hook=extension)

    class Checked(base):  # type: ignore[misc] # a class without annotations
        data: Any
        attached = 0  # bytes
        json = _Json(max_size) if base.json is library_json else base.json

        def __init__(self, *args: Any, encoded_packet: Any = None, **kwargs: Any) -> None:
            if encoded_packet in ("", b""):
                raise InvalidPacket("an empty message")  # no decoder sees it
            super().__init__(*args, encoded_packet=encoded_packet, **kwargs)
            if self.packet_type == packet.CONNECT_ERROR and isinstance(self.data, str):
                # The library's "Unable to connect" for a namespace without handlers; protocol 5
                # has an object here (socket.io-protocol, "Difference between v5 and v4").
                self.data = {"message": "Invalid namespace"}
            elif self.packet_type == packet.DISCONNECT:
                # It has no payload: the client in JavaScript takes any, null too, for an error.
                self.data = undefined

        def decode(self, encoded_packet: Any) -> Any:
            try:
                attachments = super().decode(encoded_packet)
            except Exception as error:  # whatever a decoder raises: the client sent it
                raise InvalidPacket(f"not a packet: {error!r:.100}") from None
            if not _is_valid(self, attachments or 0):
                raise InvalidPacket("not a Socket.IO packet that a client may send")
            return attachments

        def add_attachment(self, attachment: Any) -> Any:
            self.attached += len(attachment)
            if isinstance(attachment, str) or self.attached > max_size:
                raise InvalidPacket("attachments are missing, or too large")
            try:
                return super().add_attachment(attachment)
            except Exception as error:
                raise InvalidPacket(f"attachments do not fit: {error!r:.100}") from None

    return Checked


def _is_valid(message: Any, attachments: int) -> bool:
    """Tell whether a client may send a decoded Socket.IO packet (protocol 5)."""
    kind, data = message.packet_type, message.data
    # Both are right in JSON; in msgpack they are what the client likes.
    if not isinstance(message.id, int | None) or not isinstance(message.namespace, str | None):
        return False
    if kind in (packet.BINARY_EVENT, packet.BINARY_ACK):
        # A serializer without attachments has no such types.
        if not 1 <= attachments <= _MAX_ATTACHMENTS:
            return False
    elif attachments:
        return False
    if kind in _EVENTS:
        # Else a client could have its own connect handler run, with arguments of its choice.
        is_event = isinstance(data, list) and bool(data) and isinstance(data[0], str)
        return is_event and data[0] not in _RESERVED
    if kind in _ACKS:
        return isinstance(data, list) and bool(message.id)
    if kind == packet.CONNECT:
        return isinstance(data, dict | None)
    return kind == packet.DISCONNECT and data is None


def _extension(hook: Any, code: int, data: bytes) -> Any:
    return None if (code, data) == _UNDEFINED else hook(code, data)
