"""Start the workers of the session's Ray from a process that has already imported what they import.

Ray starts about ten workers for a sweep, and each of them imports for seconds. `ray_session` puts this folder onto
the PYTHONPATH of its Ray. The process that Ray starts passes its arguments, environment and standard streams to the
server beside this file and waits; the server forks, and its child becomes the worker. Everything else that Ray starts,
and every worker that asks for something unusual, starts as usual.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FIXED = ("RAY_RAYLET_PID", "RAY_JOB_ID")  # read by Ray's library while it loads; the session has one job
OF_SETUP = ("--serialized-runtime-env-context", "--language")


def worker_arguments():
    """Return script, arguments and environment of an ordinary worker, or None in any other process."""
    script = os.path.basename(sys.orig_argv[1]) if len(sys.orig_argv) > 1 else ""
    if script not in ("setup_worker.py", "default_worker.py") or not set(FIXED) <= os.environ.keys():
        return None
    rest, changed = sys.orig_argv[1:], {}
    if script == "setup_worker.py":
        import json

        options = dict(argument.split("=", 1) for argument in rest[1:] if argument.startswith(OF_SETUP))
        rest = [argument for argument in rest[1:] if not argument.startswith(OF_SETUP)]
        context = json.loads(options.get(OF_SETUP[0], "{}"))
        changed = context.pop("env_vars", {})
        usual = context.pop("py_executable", sys.executable) == sys.executable and not any(context.values())
        if not usual or options.get(OF_SETUP[1]) != "PYTHON" or "PYTHONPATH" in changed:
            del os.environ["RADSWEEP_WARM_WORKERS"]  # also for the script that this one starts
            return None
    environment = os.environ | changed
    path = [folder for folder in environment.pop("PYTHONPATH").split(os.pathsep) if os.path.abspath(folder) != HERE]
    return rest, environment | ({"PYTHONPATH": os.pathsep.join(path)} if path else {})


def connect(address):
    """Return a connection to the server at an address, or None."""
    import socket

    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(address)
    except OSError:
        connection.close()
        return None
    return connection


def connect_to_server():
    """Return a connection to the server of this Ray, started by the first worker. Return None if it does not start."""
    import fcntl
    import subprocess
    import time

    address = os.path.join(os.environ["RADSWEEP_WARM_WORKERS"], os.environ["RAY_RAYLET_PID"])
    with open(f"{address}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (connection := connect(address)) is not None:
            return connection
        with open(f"{address}.log", "w") as log:
            command = [sys.executable, os.path.join(HERE, "server.py"), address]
            started = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        while started.poll() is None:
            if (connection := connect(address)) is not None:
                return connection
            time.sleep(0.05)
    return None


def become_worker(arguments, environment):
    """Let the server fork the worker, wait until that ends, and exit with its code."""
    import json
    import signal
    import socket

    connection = connect_to_server()
    if connection is None:
        return
    passed = json.dumps({"arguments": arguments, "environment": environment, "folder": os.getcwd()}).encode()
    socket.send_fds(connection, [len(passed).to_bytes(8, "big")], [0, 1, 2])
    connection.sendall(passed)
    answers = connection.makefile()
    worker = int(answers.readline())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: os.kill(worker, number))
    os._exit(int(answers.readline() or 1))


if hasattr(os, "pidfd_open") and "RADSWEEP_WARM_WORKERS" in os.environ and (asked := worker_arguments()) is not None:
    become_worker(*asked)
