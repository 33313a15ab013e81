"""The head of a Ray cluster as a laptop reaches it: its dashboard's address, its token, Ray's client of jobs."""

from __future__ import annotations

import http.client
import os
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from radsweep.cluster.auth import find_token
from radsweep.errors import InputError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

ANSWER_WITHIN = 10.0  # seconds until a head counts as unreachable
AGAIN_AFTER = (5, 10, 20, 30)  # seconds, to a head that is starting

_REACH = "is the head up, is this its dashboard's port (8265), is a tunnel needed?"
_REFUSALS = {
    401: "wants a token: put it into RAY_AUTH_TOKEN or ~/.ray/auth_token (mode 600); "
    "`ray get-auth-token` on the head prints it",
    403: "refuses the token: compare it with what `ray get-auth-token` prints on the head",
}


def connected(address: str, token: str | None = None) -> JobSubmissionClient:
    """Ray's client of the cluster whose dashboard is at `address`.

    Args:
        token: else that of RAY_AUTH_TOKEN or ~/.ray/auth_token.

    Raises:
        InputError: an unreachable head, a missing or wrong token.
    """
    address, found = address.rstrip("/"), token or find_token()
    headers = {"Authorization": f"Bearer {found}"} if found else {}
    check_head(address, headers)
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # the hook would upload the current folder
    os.environ["RAY_API_SERVER_ADDRESS"] = address  # which Ray's client prefers to what it is given
    from ray.job_submission import JobSubmissionClient

    return JobSubmissionClient(address, headers=headers)


def send_job(client: JobSubmissionClient, **job: Any) -> str:
    """The id of a job sent with Ray's arguments. A head that has just started takes none until its agent is there.

    Raises:
        InputError: the head does not take it.
    """
    waits = iter(AGAIN_AFTER)
    while True:
        try:
            return client.submit_job(**job)
        except RuntimeError as error:
            said, seconds = str(error).strip().splitlines()[-1], next(waits, None)
            if "No available agent" not in said or seconds is None:
                raise InputError(f"the head does not take the job: {said}") from None
            time.sleep(seconds)


def check_head(address: str, headers: dict[str, str]) -> None:
    """Ask for the version first: Ray's own client would wait for minutes, and answer with a page."""
    if "@" in address:
        raise InputError("--address: holds a user or a password, which no dashboard takes; a token is RAY_AUTH_TOKEN")
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"--address {address}: expected the head's dashboard, such as http://HEAD:8265")
    request = urllib.request.Request(f"{address}/api/version", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_WITHIN) as answer:
            problem = None if b"ray_version" in answer.read() else "is no Ray dashboard: give the head's address"
    except urllib.error.HTTPError as error:
        problem = _REFUSALS.get(error.code, f"answers HTTP {error.code}: give the address of the head's dashboard")
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        problem = f"cannot be reached ({getattr(reason, 'strerror', None) or reason}): {_REACH}"
    if problem:
        raise InputError(f"{address} {problem}")
