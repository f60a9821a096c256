"""What Decant makes of the zoo: the kinds of folder that it refuses although sentence-transformers loads them."""

from __future__ import annotations

NOT_FOLLOWED: dict[str, str] = {
    "big-bird": "model type 'big_bird' is not among those that are followed",
    "xlnet": "model type 'xlnet' is not among those that are followed",
    "weighted-layers": "module WeightedLayerPooling is not known",
    "processing-kwargs": "processing_kwargs .* are not followed",
    "query-length": "query_length 6 is not followed",
    "pooler": "modality_config reads texts by .*pooler_output",
    "hidden-layer": "modality_config reads texts by .*hidden_states",
    "segment-1": "gives a text the token types",
}
"""Kind → what the refusal says."""
NO_START: dict[str, str] = {
    "albert": "no student can start from a 'albert' model: its layers are one and the same",
    "longformer": "no student can start from a 'longformer' model: its windows of attention have no ONNX graph",
    "static": "is a table of token vectors",
    "static-normalize": "is a table of token vectors",
    "static-dense": "is a table of token vectors",
    "static-truncation": "is a table of token vectors",
    "router": "has 2 roads for its texts",
}
"""Kinds that teach, but that no student starts from → what is said of it."""
ALONE = {"positions-and-left-padding"}
"""Folders whose vectors depend on the batch in sentence-transformers: followed as they are for a text alone."""
