"""What a file may hold for another program to open it here: Keras and torch.export would run what a stranger puts in.

Only what ropero itself writes is let through. Raises DataError otherwise, and never loads anything.
"""

from __future__ import annotations

import ast
import io
import json
import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ropero import bounds
from ropero.errors import DataError, RoperoError
from ropero.export.keras_container import MAX_JSON
from ropero.export.traced import quiet
from ropero.models.entries import LAYERS
from ropero.texts import t
from ropero.texts.plain import shown

_KINDS = {*LAYERS, "InputLayer", "Sequential", "Functional", "Normalization", "__keras_tensor__"}
_MODULES = {"keras", "keras.layers", "keras.src.models.functional"}
_REGISTERED = {"None", "Functional"}
_DEEPEST = 60  # levels of JSON
_MEMBERS = re.compile(
    r"data/(weights/(weight_\d+|model_weights_config\.json)|constants/(tensor_\d+|model_constants_config\.json)"
    r"|sample_inputs/model\.pt)|models/model\.json|extra/ropero\.json|archive_format|archive_version"
    r"|\.data/(version|serialization_id)|byteorder"
)
_PAYLOAD = re.compile(r"weight_\d+|tensor_\d+")
_OPERATOR = re.compile(r"torch\.ops\.aten\.(?!from_file)[a-z0-9_]+\.[A-Za-z0-9_]+|_operator\.(add|mul|sub|floordiv)")
_FUNCTIONS = {"Symbol", "Integer", "Add", "Mul", "Max", "Min", "FloorDiv", "Mod", "CleanDiv"}
_SYMBOL = re.compile(r"[su]\d+")
_HELD = ("as_custom_obj", "as_graph", "as_operator")  # what an argument of a program may not be


def keras_config(config: object, path: Path) -> None:
    """Whether a model's config names nothing but layers that ropero writes."""
    for one in _objects(config, path):
        kind, module = str(one.get("class_name")), str(one.get("module", "keras"))
        if "class_name" in one and (kind not in _KINDS or module not in _MODULES):
            raise held(path, f"{module}.{kind}")
        if str(one.get("registered_name")) not in _REGISTERED:
            raise held(path, str(one["registered_name"]))


def program(path: Path) -> None:
    """Whether a `.pt2` archive holds nothing but tensors and the operators of PyTorch's own tensor library."""
    try:
        _program(path)
    except RoperoError:
        raise
    except Exception as error:  # a program of another form than torch's, in whichever way
        reason = shown(str(error).strip().split("\n")[0] or type(error).__name__)
        raise DataError(t("Cannot read {path}: {reason}", path=path, reason=reason)) from error


def _program(path: Path) -> None:
    with bounds.archive(path) as archive:
        places = {place: place.partition("/") for place in archive.namelist()}
        folders = {folder for folder, _, _ in places.values()}
        for place, (_, _, name) in places.items():
            if not _MEMBERS.fullmatch(name) or len(folders) > 1:  # of two folders torch would read one
                raise held(path, place)
        bounds.stored(path, archive)
        for place, (_, _, name) in places.items():
            if name.endswith("_config.json"):
                _payloads(json.loads(bounds.member(path, archive, place, MAX_JSON)), path)
            elif name == "models/model.json":
                _graph(json.loads(bounds.member(path, archive, place, MAX_JSON)), path)
            elif name == "data/sample_inputs/model.pt":
                _inputs(archive.read(place), path)


def _payloads(config: Any, path: Path) -> None:
    """Tensors as they are, no pickles: torch would read those without limits."""
    for one in config["config"].values():
        if one["use_pickle"] is not False or not _PAYLOAD.fullmatch(one["path_name"]):
            raise held(path, one["path_name"])


def _inputs(content: bytes, path: Path) -> None:
    """An archive of its own, which torch would unpack."""
    try:
        with bounds.archive(path, io.BytesIO(content)) as archive:
            bounds.stored(path, archive)
        with quiet():
            found = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise held(path, "sample_inputs") from error
    if not all(isinstance(one, Tensor) for one in found[0]) or found[1]:
        raise held(path, "sample_inputs")


def _graph(content: Any, path: Path) -> None:
    for one in _objects(content, path):
        if "target" in one and not _OPERATOR.fullmatch(str(one["target"])):
            raise held(path, str(one["target"]))
        if "expr_str" in one and not _is_plain(str(one["expr_str"])):
            raise held(path, str(one["expr_str"]))
        if one.get("guards_code") or any(one.get(name) for name in _HELD):
            raise held(path, "guards_code")


def _is_plain(expression: str) -> bool:
    """Whether this is arithmetic on numbers of images, which torch reads by running it."""
    try:
        parts = list(ast.walk(ast.parse(expression, mode="eval")))
    except (SyntaxError, ValueError, RecursionError):
        return False
    called = {id(one.func) for one in parts if isinstance(one, ast.Call)}
    for one in parts:
        if isinstance(one, ast.Name) and not (id(one) in called and one.id in _FUNCTIONS):
            return False
        if isinstance(one, ast.Constant) and isinstance(one.value, str) and not _SYMBOL.fullmatch(one.value):
            return False
        if not isinstance(one, ast.Expression | ast.Call | ast.Name | ast.Load | ast.Constant | ast.keyword):
            return False
    return True


def _objects(content: object, path: Path, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """All objects in a JSON value."""
    if depth > _DEEPEST:
        raise held(path, "{…")
    if isinstance(content, Mapping):
        yield content
    inner = content.values() if isinstance(content, Mapping) else content if isinstance(content, list) else ()
    for one in inner:
        yield from _objects(one, path, depth + 1)


def held(path: Path, what: str) -> DataError:
    return DataError(
        t("{path} holds {what}, which ropero does not write; it is not opened, since opening it could run code.",
          path=path, what=shown(what, 80))
    )  # fmt: skip
