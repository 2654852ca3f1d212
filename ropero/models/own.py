"""Networks that a user brings: a layer list (my_net.toml, or dicts in Python), Python code (my_net.py:build), or a
torch module, class or function at hand.

No code is kept in a run folder, and none is run because one says so. A run remembers "my_net.py:build" and the file's
SHA-256; a later process takes the code from a file that this user has named (remembered in the user's own folder) and
that has that SHA-256 still, or from what it is given again.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import importlib.abc
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from ropero.errors import RunError, UsageError, did_you_mean
from ropero.models import entries
from ropero.models.classifier import Classifier
from ropero.models.layers import Layer
from ropero.models.wrap import fingerprint, told, wrap
from ropero.storage import config_folder, human_bytes, read_json, write_json
from ropero.texts import t

Shape = tuple[int, int, int]  # (C, H, W)
Maker = Callable[[Shape, int], nn.Module]
Network = str | Path | Sequence[Mapping[str, Any] | Layer] | nn.Module | Callable[..., nn.Module]

LIVE = "live:"  # begins the digest of what has no file
LISTED = "layers"  # the name of a list that was given in Python
MAX_BYTES = 1_000_000  # of a file with code
MAX_NAMED = 200  # files that are remembered
_FILE = re.compile(r"(?P<path>.+\.py)(?::(?P<name>\w+))?", re.DOTALL)
_CLASSES = ("classes", "num_classes", "n_classes")
_SHAPES = ("input_shape", "shape")
_CHANNELS = ("channels", "in_channels", "in_chans")

# What this process has been given, by function and digest; modules by the digest of their file.
_given: dict[tuple[str, str], Maker] = {}
_modules: dict[str, ModuleType] = {}


@dataclass(frozen=True)
class Own:
    """What a config and a model card say of a network that is not from the zoo.

    code is the SHA-256 of its file, or the fingerprint of what has no file.
    """

    name: str
    layers: tuple[Mapping[str, Any], ...] = ()
    code: str = ""


def is_file(network: object) -> bool:
    """Whether a network's name is that of a file: my_net.toml, my_net.py or my_net.py:build."""
    text = str(network)
    return isinstance(network, str | Path) and (text.endswith(".toml") or _FILE.fullmatch(text) is not None)


def from_file(network: str | Path) -> Own:
    """The network of my_net.toml or my_net.py:build (build is the name when none is given). Naming a file with code is
    what allows it to be run, now and for runs that it made.

    Raises UsageError for a file that is missing or broken; of code, the sentence names the line.
    """
    if str(network).endswith(".toml"):
        path = Path(network).expanduser()
        return Own(path.stem, tuple(entries.to_json(entries.read_toml(path))))
    found = _FILE.fullmatch(str(network))
    if found is None:
        raise UsageError(
            t("A network of your own is a file: my_net.toml or my_net.py:build, got {name}.", name=network)
        )
    path, function = Path(found["path"]).expanduser(), found["name"] or "build"
    content, digest = _read(path)
    maker = _from_code(path, function, content, digest)
    _given[function, digest] = maker
    _remember(path, function, digest)
    return Own(f"{path.name}:{function}", code=digest)


def from_layers(listed: Sequence[Mapping[str, Any] | Layer]) -> Own:
    """The network of a list of layers: dicts as in a TOML file, or what they are read into."""
    read: list[Mapping[str, Any]] = []
    for entry in listed:
        read += entries.to_json([entry]) if isinstance(entry, Layer) else [entry]
    return Own(LISTED, tuple(entries.to_json(entries.from_json(read))))


def from_python(network: object, input_shape: Shape, classes: int) -> Own:
    """The network of a torch module, or of a class or function that makes one: the same again, as far as its
    fingerprint tells, is an equal network. Raises UsageError for something else, or what cannot be trained."""
    name = type(network).__name__ if isinstance(network, nn.Module) else str(getattr(network, "__name__", "network"))
    name = re.sub(r"\W+", "", name) or "network"  # a lambda has none
    make = _maker(network, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        code = LIVE + fingerprint(wrap(make(input_shape, classes), name, input_shape, classes))
    _given[name, code] = make
    return Own(name, code=code)


def lend(network: object, name: str, code: str) -> None:
    """Give this process the network of a run again, that was trained as `name` with this digest.

    A file has to be the one it was; for an object, that it is so is the user's word, and the weights have to fit.
    """
    if is_file(network):
        assert isinstance(network, str | Path)
        again = from_file(network)
        if again.code != code:
            raise RunError(_changed(str(network), name, code, again.code))
    else:
        _given[_key(name, code)] = _maker(network, name)


def build(name: str, code: str, input_shape: Shape, classes: int) -> Classifier:
    """The network of that name and digest, fresh.

    Raises RunError when this process has not been given it, and no file that the user has named holds it.
    """
    make = _given.get(_key(name, code)) or _named_before(name, code)
    return wrap(make(input_shape, classes), name, input_shape, classes)


def _key(name: str, code: str) -> tuple[str, str]:
    return name.rpartition(":")[2], code


def _read(path: Path) -> tuple[bytes, str]:
    """A file with code and its SHA-256. Raises UsageError."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(
                t(
                    "A network's code should have at most {limit}, but {path} has {size}; keep data and weights "
                    "elsewhere.",
                    limit=human_bytes(MAX_BYTES),
                    path=path,
                    size=human_bytes(path.stat().st_size),
                )
            )
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(t("There is no file {path}.", path=path)) from error
    except OSError as error:
        raise UsageError(t("Cannot read {path}: {reason}", path=path, reason=error.strerror or error)) from error
    return content, hashlib.sha256(content).hexdigest()


class _Checked(importlib.abc.ExecutionLoader):
    """Loads the very bytes whose digest was taken, whatever the file holds by now; no compiled copy is kept."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.content = path, content

    def get_filename(self, fullname: str) -> str:
        return str(self.path)

    def get_source(self, fullname: str) -> str:
        return importlib.util.decode_source(self.content)


def _from_code(path: Path, function: str, content: bytes, digest: str) -> Maker:
    name = f"{path.name}:{function}"
    if digest not in _modules:
        title = f"ropero_own_{digest[:16]}"
        spec = importlib.util.spec_from_loader(title, _Checked(path.resolve(), content))
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[title] = module  # where dataclasses look for it
        try:
            with _user_code(path.name):
                torch.manual_seed(0)  # a module that is made here starts the same every time
                spec.loader.exec_module(module)
        except UsageError:
            del sys.modules[title]
            raise
        _modules[digest] = module
    known = [one for one, value in vars(_modules[digest]).items() if callable(value) and not one.startswith("_")]
    thing = getattr(_modules[digest], function, None)
    if thing is None:
        raise UsageError(
            t("{path} has no {name}, which should make the network.", path=path, name=function)
            + did_you_mean(function, known)
        )
    return _maker(thing, name)


@contextlib.contextmanager
def _user_code(name: str) -> Iterator[None]:
    """Errors become a sentence; what is printed does not mix with results; random numbers are as before."""
    with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(sys.stderr), told(name):
        yield


def _maker(thing: object, name: str) -> Maker:
    """What makes the module, of a module (copied), or of a class or function."""
    if isinstance(thing, nn.Module):
        with told(name):
            kept = copy.deepcopy(thing)
        return lambda _, __: kept  # wrap copies it
    if not callable(thing):
        raise UsageError(
            t(
                "A network should be a torch module, a class or function that makes one, a list of layers, a file or "
                "a name of the zoo, got {kind}.",
                kind=type(thing).__name__,
            )
        )

    def make(input_shape: Shape, classes: int) -> nn.Module:
        values, names = _arguments(thing, name, input_shape, classes)
        with _user_code(name):
            made = thing(*values, **names)
        if not isinstance(made, nn.Module):
            kind = type(made).__name__
            raise UsageError(t("{name} should give a torch.nn.Module, got {kind}.", name=name, kind=kind))
        return made

    return make


def _arguments(
    thing: Callable[..., object], name: str, input_shape: Shape, classes: int
) -> tuple[list[object], dict[str, object]]:
    """What to call it with: input_shape (C, H, W) and classes, those of them that it takes, by name or in order."""
    try:
        parameters = list(inspect.signature(thing).parameters.values())
    except (TypeError, ValueError):
        return [input_shape, classes], {}
    offered: dict[str, object] = dict.fromkeys(_SHAPES, input_shape)
    offered |= dict.fromkeys(_CLASSES, classes) | dict.fromkeys(_CHANNELS, input_shape[0])
    by_name = {one.name: offered[one.name] for one in parameters if one.name in offered and one.kind not in _POSITIONS}
    if any(one.name == "channels" and one.default is not one.empty for one in parameters):
        by_name.pop("channels", None)  # that is a width to choose
    required = [one for one in parameters if one.default is one.empty and one.kind not in _STARRED]
    if all(one.name in by_name for one in required):
        return [], by_name
    if len(required) == 2 and required[0].name not in _CLASSES and required[1].name not in _SHAPES:
        return [input_shape, classes], {}
    taken = ", ".join(map(str, parameters))  # as Python says it, in every language
    raise UsageError(
        t(
            "{name} should take input_shape and classes, as in build(input_shape, classes), but takes ({got}).",
            name=name,
            got=taken,
        )
    )


_POSITIONS = (inspect.Parameter.POSITIONAL_ONLY,)
_STARRED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _memory() -> Path:
    """The list of files with code that this user has named. Not in the cache, which several users may share."""
    return config_folder() / "networks.json"


def _entries() -> list[dict[str, str]]:
    with contextlib.suppress(RunError):
        found = read_json(_memory()).get("files")
        names = ("path", "function", "sha256")
        if isinstance(found, list):
            return [one for one in found if isinstance(one, dict) and all(isinstance(one.get(n), str) for n in names)]
    return []


def _remember(path: Path, function: str, digest: str) -> None:
    entry = {"path": str(path.resolve()), "function": function, "sha256": digest}
    others = [one for one in _entries() if one != entry]
    with contextlib.suppress(OSError):  # a folder that cannot be written: the file has to be named again next time
        write_json(_memory(), {"files": [entry, *others][:MAX_NAMED]})


def _named_before(name: str, code: str) -> Maker:
    """The network out of a file that the user has named before. Raises RunError."""
    if code.startswith(LIVE):
        raise RunError(
            t("The network {name} was an object in Python; give it again: rp.open_run(run, network={name}).", name=name)
        )
    function = _key(name, code)[0]
    reason = t(
        "The network is code, {name}, and no code is run that you have not named on this machine; name its file once: "
        "ropero networks PATH/{name}",
        name=name,
    )
    for entry in _entries():
        if (entry["function"], entry["sha256"]) == (function, code):
            path = Path(entry["path"])
            try:
                content, digest = _read(path)
            except UsageError as error:
                reason = f"{error} " + t("If it has moved, name it: ropero networks PATH/{name}", name=name)
                continue
            if digest == code:
                return _given.setdefault((function, code), _from_code(path, function, content, digest))
            reason = _changed(str(path), name, code, digest)
    raise RunError(reason)


def _changed(path: str, name: str, before: str, now: str) -> str:
    return t(
        "{path} is not what {name} was trained with (SHA-256 {before}…, now {now}…): these weights belong to other "
        "code. Bring that file back, or train anew.",
        path=path,
        name=name,
        before=before[:12],
        now=now[:12],
    )
