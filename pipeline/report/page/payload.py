"""What the page's script reads: one JSON object, harmless inside HTML."""

import json
from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from export.serve import snippets
from pipeline.report.figures import METRIC_NAMES, duration, points
from pipeline.report.main_table import main_metric_name, main_metrics, references
from pipeline.report.page.page_rows import PageRow, PageRun
from pipeline.report.row_figures import row_figures
from pipeline.report.rows import Report, Row
from pipeline.report.training_logs import TrainingRecord, best_dev, dev_name

IN_PYTHON, IN_SHELL = "@PYTHON_FOLDER@", "@SHELL_FOLDER@"  # where the script writes the folder, quoted for each
SNIPPETS = {
    "decant": snippets.decant_encoder(IN_PYTHON),
    "model2vec": snippets.model2vec(IN_PYTHON),
    "onnxruntime": snippets.onnxruntime_elsewhere(IN_PYTHON),
    "sentence-transformers": "# where decant.json names prompts, name one: encode(..., prompt_name=...)\n"
    + snippets.sentence_transformers(IN_PYTHON),
    "openvino": f"decant bundle {IN_SHELL} --for openvino --out served\n",
    "shell": snippets.decant(IN_SHELL),
}
TITLES = {
    "decant": "Decant (Python)",
    "model2vec": "model2vec (Python)",
    "onnxruntime": "ONNX Runtime (Python)",
    "sentence-transformers": "sentence-transformers (Python)",
    "openvino": "OpenVINO (shell)",
    "shell": "Decant (shell)",
}
CURVE_POINTS = 400  # more are not told apart on a screen, and would make the page large


def payload(runs: Sequence[PageRun], rows: Sequence[PageRow]) -> dict[str, Any]:
    """Everything that is drawn, chosen or copied."""
    sizes = sorted({size for row in rows for size in row.row.latency_ms}, key=int)
    return {
        "several": len(runs) > 1,
        "metric": f"{_metric(rows)} ×100",
        "costs": [
            {"key": f"{size}/{which}", "title": _cost(size, which)} for size in sizes for which in ("p50", "p95")
        ],
        "lengths": sorted({tokens for row in rows for tokens in row.row.latency_by_tokens}, key=int),
        "rows": [_row(row) for row in rows],
        "training": [
            {
                "title": stage if len(runs) == 1 else f"{run.name}: {stage}",
                "metric": dev_name(stage, run.report.recipe, main_metric_name(run.report)),
                **curves(records),
            }
            for run in runs
            for stage, records in run.logs.items()
        ],
        "mined": [
            {"run": run.name, "before": list(run.report.mined.before), "after": list(run.report.mined.after)}
            for run in runs
            if run.report.mined is not None
        ],
    }


def snippets_of(row: Row, report: Report) -> list[str]:
    """Names of the snippets that serve what this row measured.

    sentence-transformers reads the float32 weights, so it serves none of the quantized rows, and it has no pooling
    like concat_top_mean. A static student's table is read by it and by model2vec as it is, but for one of 4 bits.
    """
    if row.runtime == "openvino":
        return ["openvino"]
    if row.runtime == "numpy":
        return ["decant", *([] if row.precision == "int4" else ["model2vec", "sentence-transformers"]), "shell"]
    student = report.recipe.get("student")
    pooling = student.get("pooling") if isinstance(student, dict) else None
    whole = row.precision == "fp32" and pooling != "concat_top_mean"
    return ["onnxruntime", *(["sentence-transformers"] if whole else []), "shell"]


def embedded_json(content: object) -> str:
    """JSON that no HTML parser takes for a tag, a comment or an entity: these begin with what is escaped here."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def curves(records: Sequence[TrainingRecord]) -> dict[str, Any]:
    """Loss and development metric ×100 over steps, [points, 2], and the step and text of the best development figure.

    Of a long log, means over as many equal parts as CURVE_POINTS stand for the losses; every development figure stays.
    """
    losses = np.array([[one.step, one.loss] for one in records if one.loss is not None], np.float64).reshape(-1, 2)
    if len(losses) > CURVE_POINTS:
        losses = np.array([part.mean(0) for part in np.array_split(losses, CURVE_POINTS)])
    best = best_dev(records)
    return {
        "best": [best.step, points(best.dev)] if best is not None and best.dev is not None else None,
        "loss": [[float(step), float(f"{loss:.5g}")] for step, loss in losses if np.isfinite(loss)],
        "dev": [[one.step, float(points(one.dev))] for one in records if one.dev is not None and isfinite(one.dev)],
    }


def _metric(rows: Sequence[PageRow]) -> str:
    names = {METRIC_NAMES[measured.metric] for row in rows for measured in list(row.row.metrics.values())[:1]}
    return names.pop() if len(names) == 1 else "Main metric"


def _cost(size: str, which: str) -> str:
    what = "one text" if size == "1" else f"a batch of {size}"
    return f"Milliseconds for {what}, {'median' if which == 'p50' else '95 of 100 calls below'}"


def _row(shown: PageRow) -> dict[str, Any]:
    row, run = shown.row, shown.run
    measured = main_metrics(row, references(run.report))
    facts: dict[str, Any] = {
        "id": shown.id, "run": run.name, "name": shown.label, "kind": row.kind, "picked": shown.picked,
        "precision": row.precision, "runtime": row.runtime, "layers": row.layers, "dim": row.dim,
        "costs": {
            f"{size}/{which}": round(value, 4)
            for size, latency in row.latency_ms.items()
            for which, value in (("p50", latency.p50), ("p95", latency.p95))
        },
        "said": {
            f"{size}/{which}": duration(value)
            for size, latency in row.latency_ms.items()
            for which, value in (("p50", latency.p50), ("p95", latency.p95))
        },
        "figures": row_figures(row),
    }  # fmt: skip
    if row.latency_by_tokens:
        facts["byTokens"] = {tokens: round(ms, 4) for tokens, ms in row.latency_by_tokens.items()}
    if measured is not None and isfinite(measured.value):
        low, high = measured.ci95
        facts |= {"value": _hundred(measured.value), "low": _hundred(low), "high": _hundred(high)}
        facts["said"]["value"] = f"{points(measured.value)}, from {points(low)} to {points(high)}"
    if row.kind == "artifact" and row.path is not None:
        facts |= {"folder": f"{run.folder}/{row.path}", "snippets": snippets_of(row, run.report)}
        facts |= {"sha256": row.graph_sha256} if row.graph_sha256 else {}
    elif row.path is not None:
        facts["folder"] = f"{run.folder}/{row.path}"
    return facts | ({"gone": run.gone[row.name]} if row.name in run.gone else {})


def _hundred(fraction: float) -> float:
    """Where a point is drawn; what is read is in `said`."""
    return round(100 * fraction, 4)
