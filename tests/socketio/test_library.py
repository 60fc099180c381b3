"""What is used of python-socketio and python-engineio beyond their documentation."""

import ast
import inspect
from pathlib import Path

import engineio
import pytest
from engineio.async_socket import AsyncSocket
from engineio.payload import Payload
from socketio.async_pubsub_manager import AsyncPubSubManager
from socketio.msgpack_packet import MsgPackPacket
from socketio.packet import Packet

import socketio
from micropie import App
from micropie_socketio import SocketIO, callbacks, gate
from micropie_socketio.redis_manager import RedisManager

SOURCES = sorted(Path(gate.__file__).parent.glob("*.py"))

engine = engineio.AsyncServer(async_mode="asgi")
server = socketio.AsyncServer(async_mode="asgi")

# Not documented, or private. Whoever uses another adds it here.
NAMES = {
    "engine": (
        engine,
        "sockets handlers log_message_keys transports reason max_http_buffer_size ping_interval "
        "ping_interval_grace_period ping_timeout start_service_task service_task_handle "
        "service_task_event",
    ),
    "session": (
        AsyncSocket(engine, "sid"),
        "queue closed upgraded upgrading sid server last_ping close receive",
    ),
    "server": (
        server,
        "environ manager manager_initialized packet_class not_handled reason eio _binary_packet",
    ),
    "manager": (
        AsyncPubSubManager(),
        "callbacks get_namespaces sid_from_eio_sid initialize trigger_callback host_id channel "
        "json server _publish _listen",
    ),
    "packet": (
        Packet(),
        "packet_type data id namespace decode add_attachment data_is_binary deconstruct_binary "
        "reconstruct_binary",
    ),
    "namespace": (socketio.AsyncNamespace("/"), "trigger_event"),
    "msgpack": (MsgPackPacket, "ext_hook dumps_default configure"),
    "payload": (Payload, "max_decode_packets"),
    "engine packet": (engineio.packet.Packet(), "packet_type data binary"),
}


@pytest.mark.parametrize("thing", NAMES)
def test_each_name_that_is_used_is_there(thing):
    owner, names = NAMES[thing]
    assert [name for name in names.split() if not hasattr(owner, name)] == []


def test_no_other_private_name_of_the_libraries_is_used():
    own = set()
    used = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                own.add(node.name)
            elif isinstance(node, ast.Attribute):
                (own if isinstance(node.ctx, ast.Store) else used).add(node.attr)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                own.add(node.id)
    private = {name for name in used - own if name.startswith("_") and not name.startswith("__")}
    assert private == {"_binary_packet"}


def overridden(ours, *bases):
    """Return the methods of a class that those of the libraries have as well."""
    theirs = {name for base in bases for name in dir(base)} - set(dir(object))
    return {name for name, value in vars(ours).items() if callable(value) and name in theirs}


def test_four_methods_are_overridden_and_each_calls_the_library():
    names = overridden(SocketIO, socketio.AsyncServer)
    assert names == {"on", "register_namespace", "call", "start_background_task"}
    for name in names:
        assert f"super().{name}(" in inspect.getsource(vars(SocketIO)[name])


def test_the_redis_manager_implements_what_the_library_leaves_to_subclasses():
    assert overridden(RedisManager, AsyncPubSubManager) == {"_publish", "_listen"}


def test_the_server_of_engine_io_is_the_librarys():
    sio = SocketIO(App())
    assert type(sio.eio) is engineio.AsyncServer


def test_of_too_many_callbacks_that_wait_the_oldest_are_forgotten(monkeypatch):
    monkeypatch.setattr(callbacks, "_MOST", 10)
    manager = socketio.AsyncManager()
    manager.callbacks = callbacks.Callbacks()
    places = [(room, manager._generate_ack_id(room, str)) for room in [*"abc"] * 50]
    assert len(set(places)) == len({number for _, number in places}) == 150
    waiting = [place for place in places if place[1] in manager.callbacks[place[0]]]
    assert waiting[-10:] == places[-10:]
    assert len(waiting) <= 20
    for room, number in waiting[:-1]:
        del manager.callbacks[room][number]  # answered
    for _ in range(19):
        manager._generate_ack_id("d", str)
    assert places[-1][1] in manager.callbacks["c"]  # those that were answered do not count
