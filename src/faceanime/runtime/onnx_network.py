"""Networks that the user supplies as ONNX files with graph and weights, run by onnxruntime (see `runtime.network`).

No code is loaded from the file: it only names operators. Needs the extra `eval`. onnxruntime sends usage data to its
vendor unless the environment forbids it before the import: this module does, and is the only one that imports it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from faceanime.core.errors import WeightsError, one_line
from faceanime.core.files import reason_of

_BATCH = 16
"""Samples per call of a network without a fixed batch size; chosen by eye."""
_ERRORS_ONLY = 3
"""Least severity of the messages that onnxruntime logs; errors are raised as well."""
_NO_TELEMETRY = "ORT_DISABLE_TELEMETRY"
"""Environment variable that onnxruntime reads once, when imported; "1" keeps it from sending usage data."""


class OnnxNetwork:
    """A network with one output; the first axis of each array counts samples.

    The names of `inputs` and `output` are ours, whatever the file calls them: inputs are matched by their order. Their
    shapes, without the first axis, are those that the network must accept; None stands for any length. Raises
    WeightsError when the file is missing, damaged or has other inputs, or when onnxruntime is not installed.
    """

    def __init__(self, path: Path, inputs: Mapping[str, tuple[int | None, ...]], output: str) -> None:
        self._path, self._output = path, output
        self._session = _load(path)
        taken = self._session.get_inputs()
        found = [tuple(i.shape) for i in taken]
        fits = len(found) == len(inputs) and all(map(_fits, found, inputs.values()))
        if not fits or any(i.type != "tensor(float)" for i in taken):
            wanted = " and ".join(_shape_text(("N", *shape)) for shape in inputs.values())
            kinds = " and ".join(f"{_shape_text(i.shape)} {i.type}" for i in taken)
            raise WeightsError(f"{path} takes {kinds or 'nothing'}, expected {wanted} tensor(float)")
        outputs = [output.name for output in self._session.get_outputs()]
        if len(outputs) != 1:
            raise WeightsError(f"{path} has {len(outputs)} outputs ({', '.join(outputs)}), expected one")
        self._own_names = dict(zip(inputs, (i.name for i in taken), strict=True))
        # exporters often fix the batch size to that of the traced sample
        self._batch = 1 if any(shape[0] == 1 for shape in found) else _BATCH

    def __call__(self, **arrays: Float32[np.ndarray, "N ..."]) -> dict[str, Float32[np.ndarray, "N ..."]]:
        """Compute the output for all samples, in batches. Raises WeightsError when it fails or is not finite."""
        named = {self._own_names[name]: array for name, array in arrays.items()}
        parts = []
        for start in range(0, len(next(iter(named.values()))), self._batch):
            end = start + self._batch
            parts.append(self._run({name: np.ascontiguousarray(a[start:end]) for name, a in named.items()}))
        return {self._output: np.concatenate(parts)}

    def _run(self, arrays: dict[str, Float32[np.ndarray, "n ..."]]) -> Float32[np.ndarray, "n ..."]:
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        try:
            (result,) = self._session.run(None, arrays)
        except (state.Fail, state.InvalidArgument, state.RuntimeException) as error:
            raise WeightsError(f"{self._path} cannot be run: {one_line(error)}") from error
        samples = len(next(iter(arrays.values())))
        if result.dtype != np.float32 or result.ndim == 0 or len(result) != samples:
            found = f"{result.dtype} of shape {result.shape}"
            raise WeightsError(
                f"{self._path} gave {found} for {samples} samples, expected float32, one row each"
            )
        if not np.isfinite(result).all():
            raise WeightsError(f"{self._path} gave NaN or infinity")
        return np.asarray(result)


def _load(path: Path):  # type: ignore[no-untyped-def]  # onnxruntime comes with an extra, its types with it
    os.environ[_NO_TELEMETRY] = "1"
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError as error:
        raise WeightsError(
            f'cannot run {path}: ONNX networks need an extra; pip install "faceanime[eval]"'
        ) from error
    try:
        path.open("rb").close()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {reason_of(error)}") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except (
        state.Fail, state.InvalidArgument, state.InvalidGraph, state.InvalidProtobuf, state.NotImplemented,
        state.RuntimeException,
    ) as error:  # fmt: skip
        raise WeightsError(f"{path} is damaged or not an ONNX network: {one_line(error)}") from error


def _fits(found: Sequence[int | str | None], wanted: tuple[int | None, ...]) -> bool:
    """Whether a network's input accepts the wanted shape; its free lengths, named or None, accept any."""
    batch, *rest = found or (0,)
    return (not isinstance(batch, int) or batch == 1) and (
        len(rest) == len(wanted)
        and all(not isinstance(f, int) or w is None or f == w for f, w in zip(rest, wanted, strict=True))
    )


def _shape_text(shape: Sequence[int | str | None]) -> str:
    return "(" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
