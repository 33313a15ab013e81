"""Fork Ray workers: `server.py ADDRESS`, started by sitecustomize.py for the workers of one Ray."""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from contextlib import suppress
from typing import Any, NamedTuple

IMPORTED_BY_WORKERS = (
    "pandas",
    "pyarrow.parquet",
    "PIL.Image",
    "ray._private.workers",
    "ray.data",
    "ray.train.torch",
    "ray.tune",
    "radsweep.data.loading.stream",
    "radsweep.sweep.slots.slot",
    "radsweep.sweep.slots.worker",
)


class Asked(NamedTuple):
    """What a process that Ray started passed on."""

    streams: list[int]
    arguments: list[str]
    environment: dict[str, str]
    folder: str


def receive(connection: socket.socket) -> Asked:
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as file:
        passed: dict[str, Any] = json.loads(file.read(int.from_bytes(size, "big")))
    return Asked(streams, **passed)


def serve(listening: socket.socket, raylet: int) -> Asked:
    """Fork a child for each process that asks, until Ray has ended. This returns in the children only."""
    with selectors.DefaultSelector() as selector:
        selector.register(listening, selectors.EVENT_READ)
        while _alive(raylet):
            for key, _ in selector.select(timeout=1.0):
                if key.data:
                    _ended(selector, *key.data)
                    continue
                connection, _ = listening.accept()
                asked = receive(connection)
                if not (worker := os.fork()):
                    connection.close()
                    listening.detach()
                    for handle in list(selector.get_map()):
                        os.close(handle)
                    return asked
                for stream in asked.streams:
                    os.close(stream)
                connection.sendall(b"%d\n" % worker)
                handles = (connection.detach(), os.pidfd_open(worker), worker)
                for handle in handles[:2]:
                    selector.register(handle, selectors.EVENT_READ, handles)
    sys.exit()


def _alive(process: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


def _ended(selector: selectors.BaseSelector, connection: int, handle: int, worker: int) -> None:
    """Report that a worker ended; end it if the process that waits for it did."""
    if connection not in selector.get_map():  # both ended at once
        return
    for file in (connection, handle):
        selector.unregister(file)
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    with suppress(BrokenPipeError):
        os.write(connection, b"%d\n" % (status if status >= 0 else 128 - status))
    os.close(connection)
    os.close(handle)


def become(asked: Asked) -> None:
    """Be the process that Ray started."""
    os.setpgid(0, 0)
    for number, stream in enumerate(asked.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(asked.environment)
    os.chdir(asked.folder)
    gc.unfreeze()
    sys.argv[:] = asked.arguments
    sys.path[0] = os.path.dirname(sys.argv[0])
    runpy.run_path(sys.argv[0], run_name="__main__")


def main(address: str) -> None:
    for module in IMPORTED_BY_WORKERS:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # pages of the parent stay shared
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    become(serve(listening, int(os.environ["RAY_RAYLET_PID"])))


if __name__ == "__main__":
    main(sys.argv[1])
