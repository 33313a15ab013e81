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


class SystemRandom:
    """Names of actor classes that leave Ray's generator alone: children of one seeded generator would share names."""

    @staticmethod
    def from_random() -> ray.ActorClassID:
        return ray.ActorClassID(os.urandom(ray.ActorClassID.size()))


def names_are_apart() -> bool:
    """Whether two children draw different names."""
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
    ray.actor.ActorClassID, own = SystemRandom, ray.actor.ActorClassID
    for module in IMPORTED_BY_WORKERS:
        importlib.import_module(module)
    ray.actor.ActorClassID = own
    if not names_are_apart():
        sys.exit("an import used Ray's generator of names; see SystemRandom")
    gc.collect()
    gc.freeze()  # pages of the parent stay shared
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    become(serve(listening, int(os.environ["RAY_RAYLET_PID"])))


if __name__ == "__main__":
    main(sys.argv[1])
