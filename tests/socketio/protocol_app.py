"""What the public test suites of the two protocols ask a server to do."""

import engineio

import socketio
from micropie import App
from micropie_socketio import SocketIO
from micropie_socketio.gate import Gate

TIMES = {"ping_interval": 0.3, "ping_timeout": 0.2}

app = App(websocket_origins="*")

# Engine.IO: the gate in front of a server that sends back what it gets.
plain = engineio.AsyncServer(async_mode="asgi", cors_allowed_origins="*", **TIMES)
app.mount("/engine.io", Gate(plain))


@plain.on("message")
async def send_back(sid, data):
    await plain.send(sid, data)


# Socket.IO: on an App as everywhere.
sio = SocketIO(app, always_connect=True, cors_allowed_origins="*", **TIMES)


@sio.event
async def connect(sid, environ, auth):
    await sio.emit("auth", auth or {}, to=sid)


@sio.event
async def message(sid, *values):
    await sio.emit("message-back", values, to=sid)


@sio.on("message-with-ack")
async def acknowledge(sid, *values):
    return values


class Custom(socketio.AsyncNamespace):
    async def on_connect(self, sid, environ, auth):
        await self.emit("auth", auth or {}, to=sid)


sio.register_namespace(Custom("/custom"))
