"""Fork Ray workers. sitecustomize.py starts this as `server.py ADDRESS`, once for each Ray."""

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

import ray
import ray.actor

IMPORTED_BY_WORKERS = (
    "PIL.Image",
    "pandas",
    "pyarrow.dataset",
    "pydantic.v1",
    "ray._private.arrow_serialization",
    "ray._private.workers",
    "ray.autoscaler.sdk",
    "ray.data",
    "ray.train.torch",
    "ray.tune",
    "starlette.datastructures",
    "transformers.models.bert.modeling_bert",
    "radsweep.data.loading.stream",
    "radsweep.sweep.slots.slot",
    "radsweep.sweep.slots.worker",
)


class Asked(NamedTuple):
    """A request of a process that Ray started: be the worker that it should have been."""

    streams: list[int]
    arguments: list[str]
    environment: dict[str, str]
    folder: str


def receive(connection: socket.socket) -> Asked:
    """Read a request."""
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as file:
        passed: dict[str, Any] = json.loads(file.read(int.from_bytes(size, "big")))
    return Asked(streams, **passed)


def serve(listening: socket.socket, raylet: int) -> Asked:
    """Fork a child for each request until Ray has ended. This function only returns in the children."""
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
    """Report the end of a worker. If the process that waits for it ended first, end the worker too."""
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
    """Become the process that Ray started."""
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


class SystemNames:
    """Names for actor classes. If these came from Ray's own generator, all children would draw the same names later."""

    @staticmethod
    def from_random() -> ray.ActorClassID:
        return ray.ActorClassID(os.urandom(ray.ActorClassID.size()))


def names_differ() -> bool:
    """Return True if two children draw different names for objects."""
    read, write = os.pipe()
    for _ in range(2):
        if not os.fork():
            os.write(write, ray.ObjectID.from_random().binary())
            os._exit(0)
        os.wait()
    os.close(write)
    with os.fdopen(read, "rb") as file:
        names = file.read()
    return names[: len(names) // 2] != names[len(names) // 2 :]


def main(address: str) -> None:
    ray.actor.ActorClassID, own = SystemNames, ray.actor.ActorClassID
    for module in IMPORTED_BY_WORKERS:
        importlib.import_module(module)
    ray.actor.ActorClassID = own
    if not names_differ():
        sys.exit("An import drew from Ray's generator of names, so workers would share names. See SystemNames.")
    gc.collect()
    gc.freeze()  # keeps the memory that children share untouched
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    become(serve(listening, int(os.environ["RAY_RAYLET_PID"])))


if __name__ == "__main__":
    main(sys.argv[1])
