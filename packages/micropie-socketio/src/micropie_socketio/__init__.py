"""A Socket.IO server beside a MicroPie app, sharing its sessions."""

from micropie_socketio.server import SocketIO

__all__ = ["SocketIO"]
