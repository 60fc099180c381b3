"""What a client may send: the rules of the Engine.IO and Socket.IO protocols that count here."""

from base64 import b64decode
from typing import Any

from socketio import packet  # type: ignore[import-untyped] # has no annotations

# Engine.IO, protocol 4: what comes from a client in a session that is set up, beside messages.
CLOSE, PONG = "1", "3"

# A message of text is a Socket.IO packet, which starts with its type. What else might come after
# the "4" python-engineio would take for JSON, however deep.
_MESSAGES = tuple(f"4{kind}" for kind in range(7))

# Of the handlers of a server these are called by the protocol; "*" is the one for all others.
_RESERVED = frozenset({"*", "connect", "connect_error", "disconnect"})

_MAX_ATTACHMENTS = 1000


class InvalidPacket(ValueError):
    """What a client sent breaks the protocol."""


def is_engine_packet(data: str | bytes) -> bool:
    """Tell whether *data* is an Engine.IO packet; bytes are always a message."""
    return isinstance(data, bytes) or data in (CLOSE, PONG) or data.startswith(_MESSAGES)


def is_polled_packet(text: str) -> bool:
    """Tell whether *text* is an Engine.IO packet of a POST, where bytes are encoded."""
    if not text.startswith("b"):
        return is_engine_packet(text)
    try:
        b64decode(text[1:])
    except ValueError:
        return False
    return True


def check_packet(message: Any) -> None:
    """Check a decoded Socket.IO packet (protocol 5).

    Raises:
        InvalidPacket: it is not one that a client may send.
    """
    kind, data = message.packet_type, message.data
    if kind == packet.CONNECT:
        is_valid = data is None or isinstance(data, dict)
    elif kind == packet.DISCONNECT:
        is_valid = data is None
    elif kind in (packet.EVENT, packet.BINARY_EVENT):
        # Else a client could have its own connect handler run, with arguments of its choice.
        is_event = isinstance(data, list) and bool(data) and isinstance(data[0], str)
        is_valid = is_event and data[0] not in _RESERVED
    elif kind in (packet.ACK, packet.BINARY_ACK):
        is_valid = isinstance(data, list) and bool(message.id)
    else:
        is_valid = False
    attachments = getattr(message, "attachment_count", 0)  # in msgpack there are none
    is_binary = kind in (packet.BINARY_EVENT, packet.BINARY_ACK)
    if not is_valid or attachments > (_MAX_ATTACHMENTS if is_binary else 0):
        raise InvalidPacket("no Socket.IO packet that a client may send")
