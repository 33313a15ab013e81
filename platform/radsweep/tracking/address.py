"""Address of MLflow: the one that was given, or a SQLite database in the store, created atomically."""

from __future__ import annotations

import fcntl
import glob
import logging
import os
import re
from pathlib import Path

from radsweep.errors import InputError
from radsweep.filesystem import replacing
from radsweep.tracking.mlflow_internals import make_database

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
_SERVERS = ("http", "https", "databricks", "databricks-uc")
# What a database refuses is an exception for us, reported in a line: here it would be a traceback with every value.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def tracking_uri(uri: str | None, store: Path) -> str:
    """The tracking URI to use: `uri`, else MLFLOW_TRACKING_URI, else the store's own SQLite database.

    A SQLite path is made absolute, since jobs and servers start in folders of their own.

    Raises:
        InputError: an address that MLflow cannot track to, such as a plain folder.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store.absolute() / 'mlflow.db'}"
    scheme = uri.partition(":")[0].partition("+")[0]
    if scheme not in _DATABASES + _SERVERS:
        raise InputError(
            f"run.tracking_uri {sanitise_uri(uri)}: MLflow no longer tracks to folders; "
            "give http://HOST:PORT, sqlite:///PATH/mlflow.db or postgresql://..."
        )
    path = database_path(uri)
    return f"sqlite:///{path.absolute()}" if path else uri


def database_path(uri: str) -> Path | None:
    """The file behind a SQLite URI; None for everything else."""
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def is_database(uri: str) -> bool:
    """Return True if the URI names a database that we open ourselves, so that artifacts need our own folder."""
    return uri.partition(":")[0].partition("+")[0] in _DATABASES


def artifact_root(uri: str, store: Path) -> str | None:
    """Folder for artifacts of new experiments: the store's mlartifacts; None if a server decides."""
    return (store.absolute() / "mlartifacts").as_uri() if is_database(uri) else None


def prepare(uri: str, store: Path) -> str:
    """Create a missing SQLite database with all tables before anything else opens it; return `uri`.

    Concurrent first opens are safe: one process builds the file under a lock and renames it into place.
    """
    path = database_path(uri)
    if path is None or path.is_file():
        return uri
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            for left in path.parent.glob(f".{glob.escape(path.name)}.*"):  # by a process that was killed
                left.unlink()
            with replacing(path) as unfinished:
                make_database(unfinished, str(artifact_root(uri, store)))
    return uri


def sanitise_uri(uri: str) -> str:
    """Return `uri` as it may be printed and logged: without user, password, query and fragment."""
    scheme, found, rest = uri.partition("://")
    if not found or rest.startswith("/"):  # a file
        return re.sub(r"[?#].*", "", uri)
    authority, path = re.split(r"(?=[/?#])", f"{rest}/", maxsplit=1)
    if "@" in path:  # after a password that holds one of / ? #, perhaps: databases take it
        return f"{scheme}://..."
    return f"{scheme}://{authority.rpartition('@')[2]}{re.sub(r'[?#].*', '', path).removesuffix('/')}"
