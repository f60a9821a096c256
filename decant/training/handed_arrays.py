"""Work for another process of the same machine as bytes, whose big arrays are files that the process maps.

Tokens, targets and labels of many pairs would else be copied into every process, and once more into the bytes.
"""

from __future__ import annotations

import io
from itertools import count
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
from numpy.typing import NDArray

BIG_BYTES = 2**16  # an array of fewer is no gain over a file


def dump(work: object, folder: Path) -> bytes:
    """What `cloudpickle.loads` makes the work of again, as long as the files in `folder` are there.

    Args:
        folder: gets a .npy file for each array of `BIG_BYTES` or more. Once loaded, the arrays outlive it.
    """
    written = io.BytesIO()
    _Pickler(written, folder).dump(work)
    return written.getvalue()


class _Pickler(cloudpickle.CloudPickler):
    def __init__(self, file: io.BytesIO, folder: Path) -> None:
        super().__init__(file)
        self._paths = (folder / f"{number}.npy" for number in count())

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, np.ndarray) and obj.nbytes >= BIG_BYTES and not obj.dtype.hasobject:
            path = next(self._paths)
            np.save(path, obj, allow_pickle=False)
            return _mapped, (str(path.resolve()),)
        return super().reducer_override(obj)


def _mapped(path: str) -> NDArray[Any]:
    """The array of a file, whose pages all processes share; what one writes into it, it alone sees."""
    return np.asarray(np.lib.format.open_memmap(path, mode="c"))
