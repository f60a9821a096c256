"""Who is told of a promotion: a webhook, a command. What fails there is reported; the promotion stands."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from decant.secrets import redacted
from pipeline.registry import REGISTRY_VARIABLE

SHOWN_CHARACTERS = 200


def announce(
    facts: Mapping[str, Any], webhook: str | None, command: Sequence[str], timeout_s: float
) -> tuple[list[str], list[str]]:
    """Send the facts to a webhook, and hand them to a command on its stdin, as JSON.

    Args:
        facts: JSON values.
        webhook: http(s) URL, or env:NAME of a variable that holds it; its path and query, which may hold a secret,
            are in no message.
        command: argument list, run without a shell.
        timeout_s: seconds for each of the two.

    Returns:
        Who was told, and what went wrong, one clause each.
    """
    told, failed = [], []
    content = json.dumps(facts, ensure_ascii=False).encode("utf-8")
    for what, error in (
        ("webhook", _post(webhook, content, timeout_s)),
        ("command", _run(command, content, timeout_s)),
    ):
        if error:
            failed.append(f"{what} {error}")
        elif error is not None:
            told.append(what)
    return told, failed


def _post(webhook: str | None, content: bytes, timeout_s: float) -> str | None:
    """None: there is no webhook; empty: told; else what went wrong."""
    if webhook is None:
        return None
    url = os.environ.get(webhook.removeprefix("env:"), "") if webhook.startswith("env:") else webhook
    try:
        host, scheme = urlsplit(url).hostname, urlsplit(url).scheme
    except ValueError:
        host, scheme = None, ""
    if scheme not in ("http", "https") or not host:
        given = webhook if webhook.startswith("env:") else "its address"
        return f"not sent: {given} holds no http(s) URL"
    headers = {"Content-Type": "application/json", "User-Agent": "decant"}
    try:
        request = urllib.request.Request(url, data=content, headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=timeout_s):
            return ""
    except urllib.error.HTTPError as error:
        error.close()
        return f"at {host} answered {error.code}"
    except (OSError, ValueError) as error:  # urllib's errors, timeouts and broken connections are OSErrors
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            return f"at {host} did not answer within {timeout_s:g} s"
        return f"at {host} cannot be reached: {getattr(reason, 'strerror', None) or type(reason).__name__}"


def _run(command: Sequence[str], content: bytes, timeout_s: float) -> str | None:
    if not command:
        return None
    try:
        done = subprocess.run(
            list(command), input=content, capture_output=True, timeout=timeout_s, check=False, shell=False,
            env={name: value for name, value in os.environ.items() if name != REGISTRY_VARIABLE},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"{command[0]} took more than {timeout_s:g} s and was stopped"
    except OSError as error:
        return f"{command[0]} cannot be run: {error.strerror or error}"
    if done.returncode == 0:
        return ""
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"{command[0]} ended with {done.returncode}{f': {redacted(said[-1])[:SHOWN_CHARACTERS]}' if said else ''}"
