"""Weights from files of every kind, on a VGG of a few filters, with Keras as the oracle; foreign and hostile files."""

from __future__ import annotations

import hashlib
import http.server
import os
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_vgg import FEW, made_up, shrink
from torch import Tensor

from ropero.errors import DataError, DataNotFound, MissingExtra
from ropero.models import hdf5, pretrained, weight_files
from ropero.models.pretrained import Official, find, load, wanted
from ropero.models.vgg import CAFFE, TORCHVISION, FrozenVGG

h5py = pytest.importorskip("h5py")


@pytest.fixture(autouse=True)
def few_filters(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


def base(depth: int = 16, channels: int = 3, scaled_twice: bool = False, seed: int = 0) -> FrozenVGG:
    return made_up(depth, seed, channels, scaled_twice)


def torch_state(of: FrozenVGG) -> dict[str, Tensor]:
    """As torchvision names it, with the dense layers that a whole network has."""
    layers = {f"features.{name}": value.clone() for name, value in of.layers.state_dict().items()}
    return {**layers, "classifier.0.weight": torch.rand(4, 6), "classifier.0.bias": torch.rand(4)}


def same(one: FrozenVGG, other: FrozenVGG) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.layers.parameters(), other.layers.parameters(), strict=True))


def as_pth(state: dict[str, Tensor], path: Path) -> None:
    torch.save(state, path)


def as_old_pth(state: dict[str, Tensor], path: Path) -> None:
    """What torchvision's published files of VGG are: torch wrote them before it took to zip."""
    torch.save(state, path, _use_new_zipfile_serialization=False)


def as_safetensors(state: dict[str, Tensor], path: Path) -> None:
    save_file({name: value.contiguous() for name, value in state.items()}, path)


TORCH_KINDS = pytest.mark.parametrize("write", [as_pth, as_old_pth, as_safetensors])
Write = Callable[[dict[str, Tensor], Path], None]


@TORCH_KINDS
@pytest.mark.parametrize("depth", [16, 19])
def test_torchvisions_files(write: Write, depth: int, tmp_path: Path) -> None:
    theirs, ours = base(depth), base(depth, seed=1)
    write(torch_state(theirs), tmp_path / "any name")
    load(ours, tmp_path / "any name")
    assert same(ours, theirs)
    assert ours.mean.flatten().tolist() == pytest.approx(TORCHVISION[0])
    assert ours.std.flatten().tolist() == pytest.approx(TORCHVISION[1])


def as_keras_2(of: FrozenVGG, path: Path, weight: str = "{layer}/kernel:0", bias: str = "{layer}/bias:0") -> None:
    """As Keras 2 wrote weights. The first kernel is turned to BGR, which is what Keras's networks read."""
    with h5py.File(path, "w") as file:
        for one, layer in zip(wanted(of), of.convolutions(), strict=True):
            group = file.create_group(one.keras)
            kernel = layer.weight.detach().permute(2, 3, 1, 0).numpy()
            kernel = kernel[:, :, ::-1] if one.keras == "block1_conv1" else kernel
            group.create_dataset(weight.format(layer=one.keras), data=kernel)
            group.create_dataset(bias.format(layer=one.keras), data=layer.bias.detach().numpy())  # type: ignore[union-attr]
        file.create_group("block1_pool")
        file.create_group("fc1").create_dataset("fc1_W_1:0", data=np.zeros((3, 3)))


@pytest.mark.parametrize("names", [("{layer}/kernel:0", "{layer}/bias:0"), ("{layer}_W_1:0", "{layer}_b_1:0")])
def test_keras_2_files(names: tuple[str, str], tmp_path: Path) -> None:
    theirs, ours = base(19), base(19, seed=1)
    as_keras_2(theirs, tmp_path / "w.h5", *names)
    load(ours, tmp_path / "w.h5")
    assert same(ours, theirs)
    assert ours.mean.flatten().tolist() == pytest.approx(CAFFE[0])
    assert ours.std.flatten().tolist() == pytest.approx(CAFFE[1])


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's way to save a tensor
@pytest.mark.parametrize("name", ["w.weights.h5", "whole.h5"])
@pytest.mark.parametrize("scaled_twice", [False, True])
def test_keras_itself_gives_the_same_features(name: str, scaled_twice: bool, tmp_path: Path) -> None:
    """Keras preprocesses pixels 0..255 and runs its network; ours takes the same pixels in [0, 1]."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras")
    layers: list[Any] = [keras.Input((64, 64, 3))]
    for block, (filters, count) in enumerate(FEW[19], 1):
        for number in range(1, count + 1):
            layers.append(
                keras.layers.Conv2D(
                    filters, 3, padding="same", activation="relu", bias_initializer="normal",
                    kernel_initializer="he_normal", name=f"block{block}_conv{number}",
                )
            )  # fmt: skip
        layers.append(keras.layers.MaxPooling2D(name=f"block{block}_pool"))
    keras.utils.set_random_seed(3)
    twin = keras.Sequential(layers, name="vgg19")
    (twin.save_weights if "weights" in name else twin.save)(tmp_path / name)
    ours = base(19, 3, scaled_twice)
    load(ours, tmp_path / name)

    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3)).astype(np.float32)
    given = pixels / 255 if scaled_twice else pixels  # lunzhi-2018 divided before it preprocessed
    expected = twin(keras.applications.vgg19.preprocess_input(given.copy()), training=False).detach().numpy()
    with torch.inference_mode():
        found = ours(torch.from_numpy(pixels.transpose(0, 3, 1, 2) / 255)).permute(0, 2, 3, 1).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


def test_the_names_are_those_of_keras_and_torchvision() -> None:
    keras = pytest.importorskip("keras")
    for depth, network in ((16, keras.applications.VGG16), (19, keras.applications.VGG19)):
        layers = network(weights=None, include_top=False, input_shape=(32, 32, 3)).layers
        assert [one.keras for one in wanted(base(depth))] == [one.name for one in layers if "conv" in one.name]
    published = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]  # of torchvision's vgg19
    assert [one.torch for one in wanted(base(19))] == [f"features.{place}" for place in published]


# What does not fit or is damaged.


@TORCH_KINDS
def test_another_depth_is_told_by_its_layer(write: Write, tmp_path: Path) -> None:
    write(torch_state(base(19)), tmp_path / "w")
    with pytest.raises(DataError, match=r"layer features\.17\.weight|features\.16"):
        load(base(16), tmp_path / "w")
    as_keras_2(base(19), tmp_path / "w.h5")
    with pytest.raises(DataError, match="layer block3_conv4 too many"):
        load(base(16), tmp_path / "w.h5")
    as_keras_2(base(16), tmp_path / "w.h5")
    with pytest.raises(DataError, match="no layer block3_conv4"):
        load(base(19), tmp_path / "w.h5")


@TORCH_KINDS
def test_a_layer_too_many_is_told(write: Write, tmp_path: Path) -> None:
    write(torch_state(base()) | {"features.31.weight": torch.rand(6, 6, 3, 3)}, tmp_path / "w")
    with pytest.raises(DataError, match=r"layer features\.31\.weight too many"):
        load(base(), tmp_path / "w")


@TORCH_KINDS
def test_a_wrong_shape_names_layer_expected_and_got(write: Write, tmp_path: Path) -> None:
    state = torch_state(base())
    state["features.5.weight"] = torch.rand(3, 2, 5, 5)
    write(state, tmp_path / "w")
    with pytest.raises(
        DataError, match=r"features\.5\.weight should have the shape \(3, 2, 3, 3\), got \(3, 2, 5, 5\)"
    ):
        load(base(), tmp_path / "w")


def test_a_wrong_shape_in_hdf5_is_seen(tmp_path: Path) -> None:
    as_keras_2(base(), tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "a") as file:
        group = file["block2_conv1"]["block2_conv1"]
        del group["kernel:0"]
        group.create_dataset("kernel:0", (3, 3, 10**6, 10**6), "f4", chunks=(3, 3, 100, 100))  # 36 TB, on no disk
    with pytest.raises(DataError, match="block2_conv1/kernel:0 is packed"):
        load(base(), tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "a") as file:
        group = file["block2_conv1"]["block2_conv1"]
        del group["kernel:0"]
        group["kernel:0"] = np.zeros((3, 3, 2, 4), np.float32)
    with pytest.raises(DataError, match=r"block2_conv1 should have the shape \(3, 3, 2, 3\), got \(3, 3, 2, 4\)"):
        load(base(), tmp_path / "w.h5")


@TORCH_KINDS
def test_no_numbers_are_refused(write: Write, tmp_path: Path) -> None:
    state = torch_state(base())
    state["features.0.bias"][1] = float("nan")
    write(state, tmp_path / "w")
    ours = base(seed=1)
    with pytest.raises(DataError, match=r"features\.0\.bias holds what is no finite number"):
        load(ours, tmp_path / "w")
    assert same(ours, base(seed=1))  # nothing was taken over


@pytest.mark.parametrize("write", [as_pth, as_old_pth, as_safetensors, None])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.99])
def test_cut_files_are_one_sentence(write: Write | None, share: float, tmp_path: Path) -> None:
    if write is None:
        as_keras_2(base(), tmp_path / "w")
    else:
        write(torch_state(base()), tmp_path / "w")
    content = (tmp_path / "w").read_bytes()
    (tmp_path / "w").write_bytes(content[: max(1, int(len(content) * share))])
    with pytest.raises(DataError) as caught:
        load(base(), tmp_path / "w")
    assert str(tmp_path) in str(caught.value) or str(caught.value).startswith("w is damaged")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("content", [b"", b"hello", b"\x89HDF\r\n\x1a\n" + bytes(99), b"PK\x03\x04no", b"\x80\x02junk",
                                     struct.pack("<Q", 1 << 60) + b"{", bytes(1000)])  # fmt: skip
def test_foreign_files_are_one_sentence(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(DataError, match=r"is no file of weights|is damaged or not a"):
        load(base(), tmp_path / "w")


# What is hostile.


class Trap:
    """Runs code when a pickle of it is read."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_is_refused(zipped: bool, tmp_path: Path) -> None:
    trapped: dict[str, Any] = {**torch_state(base()), "x": Trap(tmp_path / "sprung")}
    torch.save(trapped, tmp_path / "w", _use_new_zipfile_serialization=zipped)
    with pytest.raises(DataError, match="damaged or not a file of weights"):
        load(base(), tmp_path / "w")
    assert not (tmp_path / "sprung").exists()


def test_a_packed_zip_is_refused(tmp_path: Path) -> None:
    torch.save(torch_state(base()), tmp_path / "w")
    with (
        zipfile.ZipFile(tmp_path / "w") as stored,
        zipfile.ZipFile(tmp_path / "z", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for one in stored.namelist():
            packed.writestr(one, stored.read(one))
    with pytest.raises(DataError, match="is packed"):
        load(base(), tmp_path / "z")


@pytest.mark.parametrize("place", ["block1_conv1", "model_weights", "layers", "kernel:0"])
@pytest.mark.parametrize("kind", ["external", "soft"])
def test_links_out_of_an_hdf5_file_are_not_followed(place: str, kind: str, tmp_path: Path) -> None:
    as_keras_2(base(), tmp_path / "secret.h5")
    as_keras_2(base(), tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "a") as file:
        group = file["block1_conv1"]["block1_conv1"] if place == "kernel:0" else file
        inner = "/block1_conv1/block1_conv1/kernel:0" if place == "kernel:0" else "/block1_conv1"
        if place in group:
            del group[place]
        group[place] = h5py.ExternalLink(tmp_path / "secret.h5", inner) if kind == "external" else h5py.SoftLink(inner)
    with pytest.raises(DataError, match=f"{place} leads out of the file"):
        load(base(), tmp_path / "w.h5")


@pytest.mark.parametrize("kind", ["external", "virtual"])
def test_data_outside_an_hdf5_file_is_not_read(kind: str, tmp_path: Path) -> None:
    as_keras_2(base(), tmp_path / "w.h5")
    shape = (3, 3, 3, 2)
    (tmp_path / "secret").write_bytes(bytes(4 * 54))
    with h5py.File(tmp_path / "w.h5", "a") as file:
        group = file["block1_conv1"]["block1_conv1"]
        del group["kernel:0"]
        if kind == "external":
            group.create_dataset("kernel:0", shape, "f4", external=[(str(tmp_path / "secret"), 0, 4 * 54)])
        else:
            layout = h5py.VirtualLayout(shape, "f4")
            layout[...] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", shape)
            group.create_virtual_dataset("kernel:0", layout)
    with pytest.raises(DataError, match="leads out of the file"):
        load(base(), tmp_path / "w.h5")


def test_an_endless_hdf5_file_is_left(tmp_path: Path) -> None:
    as_keras_2(base(), tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "a") as file:
        file["block1_conv1"]["again"] = file["block1_conv1"]
    with pytest.raises(DataError, match="nested deeper"):
        load(base(), tmp_path / "w.h5")


def test_packed_arrays_are_not_unpacked(tmp_path: Path) -> None:
    """A chunk may be larger than its array: a few bytes that unpack to gigabytes."""
    as_keras_2(base(), tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5", "a") as file:
        group = file["block1_conv1"]["block1_conv1"]
        kernel = group["kernel:0"][()]
        del group["kernel:0"]
        group.create_dataset("kernel:0", data=kernel, chunks=kernel.shape, compression="gzip")
    with pytest.raises(DataError, match="kernel:0 is packed"):
        load(base(), tmp_path / "w.h5")


def test_too_large_is_told_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_files, "LIMIT_BYTES", 100)
    as_safetensors(torch_state(base()), tmp_path / "w")
    with pytest.raises(DataError, match="at most 100"):
        load(base(), tmp_path / "w")


# Where the file comes from.

CONTENT = bytes(range(256)) * 300


class Server(http.server.ThreadingHTTPServer):
    asked = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/w.h5"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


def test_a_named_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataNotFound, match="no file of weights"):
        find(16, str(tmp_path / "none.h5"))
    with pytest.raises(DataNotFound, match="no file of weights"):
        find(16, str(tmp_path))


def test_the_official_file_is_fetched_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.md5(CONTENT).hexdigest()
    monkeypatch.setattr(pretrained, "OFFICIAL", {16: Official(server.url, digest, len(CONTENT) + 10)})
    told: list[tuple[Any, ...]] = []
    first = find(16, progress=lambda *what: told.append(what))
    assert first.read_bytes() == CONTENT
    assert told[-1] == ("w.h5", len(CONTENT), len(CONTENT))
    assert find(16) == first
    assert server.asked == 1


def test_a_download_with_another_md5_is_not_kept(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "OFFICIAL", {16: Official(server.url, "0" * 32, len(CONTENT))})
    with pytest.raises(DataNotFound, match=r"MD5 differs.*--weights FILE"):
        find(16)
    assert not pretrained.OFFICIAL[16].path.exists()


def test_without_a_network_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Official("http://no-such-host.invalid/w.h5", "0" * 32, 10)
    monkeypatch.setattr(pretrained, "OFFICIAL", {19: nowhere})
    with pytest.raises(DataNotFound, match=r"VGG19 could not be fetched \(cannot reach .*--weights FILE") as caught:
        find(19)
    assert "\n" not in str(caught.value)


def test_without_h5py_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(hdf5, "import_module", gone)
    with pytest.raises(MissingExtra, match=r"ropero\[keras\]"):
        find(16)


def test_the_official_files_are_kerass() -> None:
    """Addresses and MD5s are those in Keras's own source."""
    keras = pytest.importorskip("keras")
    folder = Path(keras.__file__).parent / "src" / "applications"
    for depth, official in pretrained.OFFICIAL.items():
        source = (folder / f"vgg{depth}.py").read_text().replace('"\n    "', "").replace('"\n        "', "")
        assert official.url in source
        assert official.md5 in source.partition("WEIGHTS_PATH_NO_TOP,")[2]
