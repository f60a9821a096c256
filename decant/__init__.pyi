from export.serve.artifact_models import Encoder as Encoder
from export.serve.artifact_models import Reranker as Reranker
from pipeline.door import load_recipe as load_recipe
from pipeline.door import run as run
from pipeline.report.rows import Report as Report
