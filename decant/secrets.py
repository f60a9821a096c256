"""Secrets that URLs, settings and environment variables hold, kept out of messages, logs and tables."""

from __future__ import annotations

import os
import re

HIDDEN = "***"
IN_URL = re.compile(r"(?<=://)[^/\s'\"]+(?=@)")  # user:password@, or a token alone
IN_QUERY = re.compile(
    r"(?i)([?&](?:[\w.-]*(?:token|secret|password|passwd|signature|credential|key|sig)[\w.-]*)=)[^&\s'\"#]+?(?=:?(?:[&\s'\"#]|$))"
)
OF_WEBHOOK = re.compile(  # its very path is secret
    r"(?i)(webhook(?:\s*=\s*['\"]?(?!env:|none\b|null\b)|\s*:\s*['\"]?(?=\w+://)))[^\s,'\"}]+?(?=:?(?:[\s,'\"}]|$))"
)
OF_HUB = re.compile(r"\bhf_[A-Za-z0-9]{8,}")
VARIABLES = re.compile(r"(?i)(?:token|secret|password|passwd|api_?key|access_key)")
SHORTEST = 8  # a shorter value would be found in words


def redacted(text: str) -> str:
    """The text with what looks like a secret, or is one of the environment's, replaced by ***."""
    for name, value in os.environ.items():
        if len(value) >= SHORTEST and VARIABLES.search(name) and value in text:
            text = text.replace(value, HIDDEN)
    text = IN_URL.sub(HIDDEN, text)
    text = IN_QUERY.sub(rf"\1{HIDDEN}", text)
    text = OF_WEBHOOK.sub(rf"\1{HIDDEN}", text)
    return OF_HUB.sub(HIDDEN, text)
