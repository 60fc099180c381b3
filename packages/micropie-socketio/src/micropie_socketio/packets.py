"""What a client may send: the rules of the Engine.IO and Socket.IO protocols that count here."""

from base64 import b64decode
from functools import partial
from typing import Any

from engineio import json as library_json  # type: ignore[import-untyped] # has no annotations
from engineio import packet as engine

from micropie import codec
from socketio import packet  # type: ignore[import-untyped] # has no annotations

# Engine.IO, protocol 4: what comes from a client in a session that is set up.
CLOSE, PONG, MESSAGE = "1", "3", "4"

# Of the handlers of a server these are called by the protocol; "*" is the one for all others.
_RESERVED = frozenset({"*", "connect", "connect_error", "disconnect"})

# Bytes that an attachment takes beside its own.
_OVERHEAD = 100

# As socket.io-msgpack-parser writes it: an extension type of msgpack.
_UNDEFINED = (0, b"\0")


class InvalidPacket(ValueError):
    """What a client sent breaks the protocol."""


def engine_packet(data: str | bytes, *, is_polled: bool = False) -> Any:
    """Return the Engine.IO packet that a client sent; None if it may not, or if it is none.

    Bytes, in a POST "b" and base64, are a message.
    """
    try:
        if is_polled and data[:1] == "b":
            return engine.Packet(engine.MESSAGE, b64decode(data[1:], validate=True))
        if isinstance(data, bytes) or data in (CLOSE, PONG) or data[:1] == MESSAGE:
            return engine.Packet(encoded_packet=data)
    except (ValueError, RecursionError):  # of base64; of what the library takes for JSON
        pass
    return None


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
        left = max_size  # bytes, for attachments
        json = _Json(max_size) if base.json is library_json else base.json

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            if self.packet_type == packet.CONNECT_ERROR and isinstance(self.data, str):
                # The library's "Unable to connect" for a namespace without handlers; protocol 5
                # has an object here (socket.io-protocol, "Difference between v5 and v4").
                self.data = {"message": "Invalid namespace"}
            elif self.packet_type == packet.DISCONNECT:
                # It has no payload: the client in JavaScript takes any, null too, for an error.
                self.data = undefined

        def decode(self, encoded_packet: Any) -> Any:
            attachments = super().decode(encoded_packet)
            match self.packet_type, self.data:
                case (packet.CONNECT, dict() | None) | (packet.DISCONNECT, None):
                    pass
                # Else a client could have its connect handler run, with arguments of its choice.
                case packet.EVENT | packet.BINARY_EVENT, [str(name), *_] if name not in _RESERVED:
                    pass
                case packet.ACK | packet.BINARY_ACK, [*_] if self.id:
                    pass
                case _:
                    raise InvalidPacket("not a Socket.IO packet that a client may send")
            is_binary = self.packet_type in (packet.BINARY_EVENT, packet.BINARY_ACK)
            if bool(attachments) != is_binary or (attachments or 0) * _OVERHEAD > max_size:
                raise InvalidPacket("attachments, or none, in spite of its type; or too many")
            return attachments

        def add_attachment(self, attachment: Any) -> Any:
            self.left -= len(attachment)
            if isinstance(attachment, str) or self.left < 0:
                raise InvalidPacket("attachments are missing, or too large")
            return super().add_attachment(attachment)

    return Checked


def _extension(hook: Any, code: int, data: bytes) -> Any:
    return None if (code, data) == _UNDEFINED else hook(code, data)
