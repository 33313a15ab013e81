"""Connect from a laptop to the head of a Ray cluster: the dashboard's address, the token, Ray's job client."""

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

ANSWER_WITHIN = 10.0  # seconds after which a head counts as unreachable
AGAIN_AFTER = (5, 10, 20, 30)  # seconds between attempts, while a head starts

_REACH = "check that the head is up, that this is its dashboard's port (8265), and whether a tunnel is needed"
_REFUSALS = {
    401: "requires a token: put it into RAY_AUTH_TOKEN or ~/.ray/auth_token (mode 600); "
    "`ray get-auth-token` on the head prints it",
    403: "rejects the token: compare it with what `ray get-auth-token` prints on the head",
}


def connected(address: str, token: str | None = None) -> JobSubmissionClient:
    """Return Ray's client of the cluster whose dashboard is at `address`.

    Args:
        token: if None, that of RAY_AUTH_TOKEN or ~/.ray/auth_token.

    Raises:
        InputError: the head is unreachable, or the token is missing or wrong.
    """
    address, found = address.rstrip("/"), token or find_token()
    headers = {"Authorization": f"Bearer {found}"} if found else {}
    check_head(address, headers)
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # the hook would upload the current folder
    os.environ["RAY_API_SERVER_ADDRESS"] = address  # Ray's client prefers it to its argument
    from ray.job_submission import JobSubmissionClient

    return JobSubmissionClient(address, headers=headers)


def send_job(client: JobSubmissionClient, **job: Any) -> str:
    """Submit a job with Ray's arguments and return its id, once the agent of a head that has just started is there.

    Raises:
        InputError: the head does not accept it.
    """
    waits = iter(AGAIN_AFTER)
    while True:
        try:
            return client.submit_job(**job)
        except RuntimeError as error:
            said, seconds = str(error).strip().splitlines()[-1], next(waits, None)
            if "No available agent" not in said or seconds is None:
                raise InputError(f"the head does not accept the job: {said}") from None
            time.sleep(seconds)


def check_head(address: str, headers: dict[str, str]) -> None:
    """Ask for the version first: Ray's own client would wait for minutes, and fail with a page of text."""
    if "@" in address:
        raise InputError("--address must not contain credentials; set RAY_AUTH_TOKEN instead")
    try:
        parts = urlsplit(address)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"--address {address}: expected the head's dashboard, such as http://HEAD:8265")
    request = urllib.request.Request(f"{address}/api/version", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_WITHIN) as answer:
            problem = None if b"ray_version" in answer.read() else "is not a Ray dashboard; give the head's address"
    except urllib.error.HTTPError as error:
        problem = _REFUSALS.get(error.code, f"answers HTTP {error.code}; give the address of the head's dashboard")
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        problem = f"cannot be reached ({getattr(reason, 'strerror', None) or reason}); {_REACH}"
    if problem:
        raise InputError(f"{address} {problem}")
