"""Run one runtime in its own environment: texts in, vectors and timings out.

    python harness.py SCRIPT REQUEST RESULT

SCRIPT has `load(request) -> encode(texts, batch_size)` and names its packages in PACKAGES. REQUEST is a JSON object:
`folder` (of the model), `texts`, `timed` (texts for the latency), `batch_size`, `alone` (give each text's vector from a
batch of its own), `threads`, `vectors` (where to write them, float32 [texts, dim] without a header), and what a runtime
must be told: `pooling`, `dim`, `name`. RESULT gets `versions`, `ms_per_text`, `texts_per_second`.
"""

from __future__ import annotations

import json
import runpy
import statistics
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

WARMUP_TEXTS = 8


def run(script: str, request_path: str, result_path: str) -> None:
    """Load the model, encode all texts, time them, and write vectors and result."""
    request = json.loads(Path(request_path).read_text(encoding="utf-8"))
    runtime = runpy.run_path(script)
    encode = runtime["load"](request)
    for text in request["timed"][:WARMUP_TEXTS]:
        encode([text], 1)
    started = time.perf_counter()
    vectors = _all(encode, request, request["batch_size"], runtime.get("PROMPTS", False))
    seconds = time.perf_counter() - started
    latencies = []
    for text in request["timed"]:
        begun = time.perf_counter()
        encode([text], 1)
        latencies.append(time.perf_counter() - begun)
    if request["alone"]:
        vectors = _all(encode, request, 1, runtime.get("PROMPTS", False))
    np.ascontiguousarray(vectors, np.float32).tofile(request["vectors"])
    result = {
        "versions": _versions(runtime["PACKAGES"]),
        "ms_per_text": 1e3 * statistics.median(latencies),
        "texts_per_second": len(request["texts"]) / seconds,
    }
    Path(result_path).write_text(json.dumps(result), encoding="utf-8")


def _all(encode: Any, request: dict[str, Any], batch_size: int, own_prompts: bool) -> Any:
    """Vectors of all texts, group by group; the prompt is named to a runtime that has prompts, else put before."""
    found, start = [], 0
    for group in request["groups"]:
        texts = request["texts"][start : start + group["count"]]
        start += group["count"]
        if own_prompts:
            found.append(encode(texts, batch_size, group["name"]))
        else:
            found.append(encode([group["prompt"] + text for text in texts], batch_size))
    return np.concatenate(found)


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    """Of those packages that are installed: some are to be had under several names."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    run(*sys.argv[1:])
