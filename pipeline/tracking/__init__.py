"""Where a run's settings, curves and figures go beside its own folder: TensorBoard, MLflow."""
