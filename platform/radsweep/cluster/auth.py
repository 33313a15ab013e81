"""Ray's token. Without one, anyone who can connect to a Ray cluster can run code on it."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path


def find_token() -> str | None:
    """Return the token from where Ray itself looks: RAY_AUTH_TOKEN, the file RAY_AUTH_TOKEN_PATH, ~/.ray/auth_token."""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token")
    return path.read_text(encoding="utf-8").strip() or None if path.is_file() else None


def require_token() -> None:
    """Make sure that there is a token file that only its owner can read.

    A local Ray asks for one unless RAY_AUTH_MODE says otherwise. The mode itself is left to Ray, which read it when it
    was imported.
    """
    if os.environ.get("RAY_AUTH_MODE"):
        return
    os.environ["HOME"] = os.environ.get("HOME") or str(Path.home())  # Ray's processes find the file only by it
    own = Path.home() / ".ray" / "auth_token"
    if find_token() is None and not os.environ.get("RAY_AUTH_TOKEN_PATH"):
        own.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(32))
    with suppress(OSError):  # Ray itself creates it readable by everyone
        if own.stat().st_mode & 0o077:
            own.chmod(0o600)
