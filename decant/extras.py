"""Which extra of the package brings a module that is not installed."""

from __future__ import annotations

EXTRAS = {
    "train": (
        "accelerate", "bm25s", "cloudpickle", "datasets", "huggingface_hub", "lightning", "matplotlib", "onnx",
        "optimum", "packaging", "pandas", "prometheus_client", "pyarrow", "requests",
        "safetensors", "sklearn", "tensorboard", "torch", "torchmetrics",
        "transformers",
    ),
    "bnb": ("bitsandbytes", "peft"),
    "openvino": ("nncf", "openvino"),
    "tensorrt": ("tensorrt",),
    "tensorrt-rtx": ("tensorrt_rtx",),
    "ops": ("apscheduler", "cryptography", "sqlalchemy", "tzlocal"),
    "tracking": ("alembic", "mlflow"),
    "s3": ("s3fs",),
    "ray": ("ray",),
    "peers": ("model2vec", "sentence_transformers", "skeletoken"),
}  # fmt: skip


def missing_extra(error: ModuleNotFoundError) -> str | None:
    """One line that says what to install for the module that is missing; None where no extra brings it."""
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            return f"{module} is not installed: pip install 'decant[{extra}]'"
    return None
