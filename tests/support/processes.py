"""Processes of servers that have children: seen, stopped and continued as one (Linux)."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

TIMEOUT = 60.0  # seconds; a loaded machine may take several

_GONE = (FileNotFoundError, ProcessLookupError)


def children(parent: int) -> list[int]:
    """Return the processes that *parent* has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(*_GONE):
            state, ppid, *_ = _fields(status)
            if int(ppid) == parent and state != "Z":
                found.append(int(status.parent.name))
    return found


def files_in(folder: Path, group: int) -> list[str]:
    """Return the files in *folder*, and those of no name that a process of *group* has open."""
    found = [str(path) for path in folder.iterdir()]
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(*_GONE):
            if os.getpgid(int(process.name)) == group:
                links = [os.readlink(link) for link in (process / "fd").iterdir()]
                found += [link for link in links if link.startswith(f"{folder}/")]
    return found


def pause(pid: int) -> None:
    """Stop a process and its children, and return when none of their threads runs.

    SIGSTOP takes effect later: a thread that runs on another core may still answer a request.
    """
    _stop(pid)  # before its children: stopped, it starts no other
    for child in children(pid):
        _stop(child)


def resume(pid: int) -> None:
    """Continue a process that `pause` has stopped, and its children."""
    for process in (*children(pid), pid):
        send(process, signal.SIGCONT)


def is_asked(port: int) -> bool:
    """Tell whether a server on *port* was sent something that it has not read yet."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, queues, *_ = line.split()
        connected = state == "01"
        if connected and int(local.split(":")[1], 16) == port and int(queues.split(":")[1], 16):
            return True
    return False


def is_alive(pid: int) -> bool:
    """Tell whether *pid* is there, and not as a zombie."""
    try:
        return _fields(Path(f"/proc/{pid}/stat"))[0] not in "ZX"
    except _GONE:
        return False


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to *pid*, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _stop(pid: int) -> None:
    send(pid, signal.SIGSTOP)
    deadline = time.monotonic() + TIMEOUT
    while _runs(pid):
        assert time.monotonic() < deadline, f"process {pid} does not stop"
        time.sleep(0.001)


def _runs(pid: int) -> bool:
    """Tell whether a thread of *pid* is neither stopped nor dead."""
    for status in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(*_GONE):
            if _fields(status)[0] not in "TtZX":
                return True
    return False


def _fields(status: Path) -> list[str]:
    """Return what follows the name in *status*: the state, the parent's id and more."""
    # The name is in parentheses, and may hold others.
    return status.read_text().rpartition(")")[2].split()
