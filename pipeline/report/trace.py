"""What a run's folders tell about where its figures come from: digests of data and graphs, and each group's loss."""

from pathlib import Path
from typing import Any

from decant.files import read_object, sha256_of
from pipeline.report.rows import GroupLoss, Report, Row

SPLITS = ("train", "dev", "test", "unlabelled")
GRAPH = "onnx/model.onnx"


def traced(report: Report, run_folder: Path) -> Report:
    """The report with what `texts`, `graphs` and `artifacts` tell; what is not there leaves it as it is.

    Args:
        run_folder: holds the finished stages' folders.

    Raises:
        InputError: a manifest or the list of graphs is there and cannot be read; names it.
    """
    losses = group_losses(run_folder / "graphs" / "graphs.json")
    manifests = {row.name: _manifest(run_folder, row) for row in report.rows}
    recipes = {one["recipe_sha256"] for one in manifests.values() if "recipe_sha256" in one}
    rows = tuple(
        row.model_copy(
            update={
                "graph_sha256": manifests[row.name].get("sha256", {}).get(GRAPH, row.graph_sha256),
                "sensitivity": losses.get(row.name, row.sensitivity),
            }
        )
        for row in report.rows
    )
    return report.model_copy(
        update={
            "rows": rows,
            "recipe_sha256": recipes.pop() if len(recipes) == 1 else report.recipe_sha256,
            "data_sha256": data_digests(run_folder / "texts") or report.data_sha256,
        }
    )


def data_digests(texts: Path) -> dict[str, str]:
    """Sha256 of each split's file, by the split's name; of an empty split too, since emptiness is a fact."""
    files = [(name, texts / f"{name}{ending}") for name in SPLITS for ending in (".parquet", ".arrow")]
    return {name: sha256_of(path) for name, path in files if path.is_file()}


def group_losses(graphs: Path) -> dict[str, tuple[GroupLoss, ...]]:
    """Losses of each graph's groups by the graph's name, where they were measured."""
    if not graphs.is_file():
        return {}
    made = read_object(graphs)["made"]
    found = {one["name"]: one.get("sensitivity", []) for one in made}
    return {name: tuple(map(GroupLoss.model_validate, losses)) for name, losses in found.items() if losses}


def _manifest(run_folder: Path, row: Row) -> dict[str, Any]:
    """An artifact's decant.json; empty for a row that runs another file than the artifact's graph."""
    path = run_folder / (row.path or f"artifacts/{row.name}") / "decant.json"
    if row.kind != "artifact" or row.runtime != "onnxruntime" or not path.is_file():
        return {}
    return read_object(path)
