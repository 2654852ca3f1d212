"""`ropero complete PICTURE...`: missing pixels filled; with --benchmark RUN, how well each filler does it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.opening import opened
from ropero.cli.options import Device, Invert, WithRuns, whole_number
from ropero.errors import MissingExtra, UsageError
from ropero.texts import current, joined, mark, t
from ropero.texts.numbers import decimal, percent, whole

if TYPE_CHECKING:
    from ropero.data.dataset import Dataset
    from ropero.evaluation.restored import Hidden
    from ropero.workbench.restore import Benchmark

_HELP = mark(
    "Fill the missing pixels of pictures, or the empty cells of a table. Observed pixels and cells stay as they are."
)
_FOLDER = "completed"
Count = Parameter(converter=whole_number)


def register(app: App) -> None:
    app.command(complete, help=_HELP)


def complete(
    *pictures: Annotated[
        str, Parameter(help=mark("Pictures, .npy arrays or - for standard input; or a table: one .csv file."))
    ],
    generator: Annotated[
        list[str] | None,
        Parameter(
            help=mark(
                "What fills: a trained generator, or mean, median, knn, iterative or biharmonic; may be repeated with "
                "--benchmark. By default knn; all but generators with --benchmark; of a table the best by trial."
            ),
            negative=(),
            show_default=False,
        ),
    ] = None,
    missing: Annotated[
        list[str] | None,
        Parameter(
            help=mark(
                "What is missing besides transparent pixels and NaN: half-top, half-bottom, half-left, half-right, "
                "rectangle, rectangle:TOP,LEFT,HEIGHT,WIDTH, a share such as 0.5 or 0.1-0.9, or a mask's file, light "
                "where pixels are missing."
            ),
            negative=(),
            show_default=False,
        ),
    ] = None,
    draws: Annotated[
        int | None,
        Parameter(
            converter=whole_number,
            help=mark("Fillings of each picture; by default the best guess, or 5 with --benchmark."),
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, Parameter(converter=whole_number, help=mark("Seed of every random choice."))] = 0,
    out: Annotated[
        Path | None,
        Parameter(help=mark("Folder, or file of a table, to write; by default ./completed."), show_default=False),
    ] = None,
    invert: Invert = "auto",
    data: Annotated[
        str | None,
        Parameter(
            help=mark("Images to learn from, by default fashion-mnist; with --benchmark where the run's data are."),
            show_default=False,
        ),
    ] = None,
    benchmark: Annotated[
        str | None,
        Parameter(help=mark("A run: hide parts of its images and score every filler, by its accuracy too.")),
    ] = None,
    split: Annotated[
        Literal["test", "validation", "train"], Parameter(help=mark("The part of the data for --benchmark."))
    ] = "validation",
    images: Annotated[
        int, Parameter(converter=whole_number, help=mark("How many images --benchmark takes of it."))
    ] = 500,
    device: Device = "auto",
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    from ropero.workbench.complete_table import is_table

    if benchmark is not None:
        if pictures:
            raise UsageError(t("Give pictures or --benchmark, not both."))
        return _benchmark(benchmark, generator, missing, draws, seed, out, data, split, images, device, common)
    tables = [name for name in pictures if is_table(name)]
    if tables:
        if len(pictures) > 1 or missing:
            raise UsageError(t("Give one table alone; what is missing of it are its empty cells."))
        return _table(tables[0], generator, draws or 1, seed, out, common)
    if not pictures:
        raise UsageError(
            t("Nothing to complete: expected pictures, as in `ropero complete shirt.png --missing half-bottom`, a "
              "table, or --benchmark RUN.")
        )  # fmt: skip
    if len(generator or []) > 1 or len(missing or []) > 1:
        raise UsageError(t("One --generator and one --missing at a time; --benchmark takes more."))
    chosen, hole = (generator or ["knn"])[0], (missing or [None])[0]  # type: ignore[list-item]
    return _pictures(pictures, chosen, hole, draws or 1, seed, out or Path(_FOLDER), invert, data, device, common)


def _train_part(source: str | None) -> Dataset:
    from ropero.workbench import data as data_verb
    from ropero.workbench.progress import FileProgress

    with FileProgress(screen.err()) as progress:
        return data_verb.load(source or data_verb.DEFAULT, progress=progress).train


def _pictures(
    names: tuple[str, ...],
    generator: str,
    missing: str | None,
    draws: int,
    seed: int,
    out: Path,
    invert: str,
    data: str | None,
    device: str,
    common: WithRuns,
) -> None:
    from ropero.workbench import complete as verb
    from ropero.workbench import holes
    from ropero.workbench.predict import LIMIT_BYTES, STDIN

    hole = holes.what(missing) if missing else None  # better said now than after the data are there
    filler = verb.filler_of(generator, lambda: _train_part(data), common.runs, device=device)
    content = sys.stdin.buffer.read(LIMIT_BYTES + 1) if STDIN in names else b""
    found = verb.complete(
        holes.holed(names, filler.shape, hole, seed=seed, stdin=content, invert=invert), filler, draws=draws, seed=seed
    )
    paths = verb.write(found, out)
    page = _page(lambda: verb.write_page(found, filler.name, out / "completed.html", current()))
    if common.json:
        files = [str(path) for path in paths]
        return screen.show_json(
            {"filler": filler.name, "seed": seed, "pictures": [one.to_json() for one in found], "files": files,
             "page": page and str(page)}
        )  # fmt: skip
    rows = [
        [one.holed.name, percent(float((~one.holed.known).mean()), 1), str(len(one.fillings)),
         decimal(float(one.to_json()["spread"]), 3) if filler.several and draws > 1 else "–"]
        for one in found
    ]  # fmt: skip
    screen.show_table(
        t("Filled by {name}", name=t(filler.name)), [t("picture"), t("missing"), t("fillings"), t("spread")], rows
    )
    if draws > 1 and not filler.several:
        screen.say(t("{name} has one filling of a picture; its draws are all the same.", name=t(filler.name)))
    if any(one.holed.fitted for one in found):
        screen.say(t("Pictures of another size were brought to {size} pixels.",
                     size=" x ".join(map(str, filler.shape[:2]))))  # fmt: skip
    screen.show(t("{n} files in {folder}", n=whole(len(paths)), folder=out))
    if page:
        screen.show(t("Page: {path}", path=page))
    return None


def _page(write: Any) -> Path | None:
    """The page that is written; a remark instead where what draws it is not installed."""
    try:
        path: Path = write()
    except MissingExtra as error:
        screen.say(str(error))
        return None
    return path


def _benchmark(
    name: str,
    generators: list[str] | None,
    missing: list[str] | None,
    draws: int | None,
    seed: int,
    out: Path | None,
    data: str | None,
    split: str,
    images: int,
    device: str,
    common: WithRuns,
) -> None:
    from ropero.generation.baselines import BASELINES
    from ropero.storage import write_json
    from ropero.workbench import complete as verb
    from ropero.workbench import holes, restore
    from ropero.workbench.evaluate import part_of, reload
    from ropero.workbench.progress import FileProgress

    asked = [holes.what(one) for one in missing or restore.MISSING]
    run, data = opened(name, common, data)
    run.require_trained()
    with FileProgress(screen.err()) as progress:
        splits = reload(run, data, progress)
        train = part_of(run, "train", splits=splits)
        fillers = [
            verb.filler_of(one, lambda: train, common.runs, device=device) for one in generators or list(BASELINES)
        ]
        found = restore.benchmark(
            run, fillers, asked, images=images, draws=restore.DRAWS if draws is None else draws, seed=seed, split=split,
            splits=splits, device=device, progress=progress,
        )  # fmt: skip
    page = _page(lambda: restore.write_page(found, out / "restored.html", current())) if out else None
    if out:
        write_json(out / "restored.json", found.to_json())
    if common.json:
        return screen.show_json({**found.to_json(), **({"page": str(page)} if page else {})})
    if split == "test":
        screen.say(t("The run's ledger notes this look at test images."))
    if found.seen:
        screen.say(t("May have learned from these very images, which flatters it: {names}.", names=joined(found.seen)))
    for hidden in found.holes:
        _show(hidden, found)
    if page:
        screen.show(t("Page: {path}", path=page))
    return None


def _show(hidden: Hidden, found: Benchmark) -> None:
    rows = [
        [
            t(row.filler),
            t(row.what),
            decimal(row.squared_error.value, 4),
            "–" if row.psnr is None else decimal(row.psnr, 1),
            "–" if row.similarity is None else decimal(row.similarity.value, 3),
            f"{percent(row.accuracy.value, 1)} ({percent(row.accuracy.low, 1)}-{percent(row.accuracy.high, 1)})",
            "–" if row.spread is None else decimal(row.spread, 3),
            decimal(row.seconds, 1),
        ]
        for row in hidden.rows
    ]
    title = t("{missing}, {share} of {n} {split} images hidden", missing=hidden.missing, share=percent(hidden.share, 0),
              n=whole(found.images), split=t(found.split))  # fmt: skip
    columns = [t("filler"), t("filling"), t("squared error"), t("PSNR, dB"), t("similarity"),
               t("accuracy (95% interval)"), t("spread"), t("seconds")]  # fmt: skip
    screen.show_table(title, columns, rows, words=(0, 1))
    screen.say(
        t("Accuracy on the whole images {whole}, with the hole left black {holed}.",
          whole=percent(float(hidden.whole.mean()), 1), holed=percent(float(hidden.holed.mean()), 1))
    )  # fmt: skip


def _table(name: str, generator: list[str] | None, draws: int, seed: int, out: Path | None, common: WithRuns) -> None:
    from ropero.workbench import complete_table as verb

    if len(generator or []) > 1:
        raise UsageError(t("One --generator and one --missing at a time; --benchmark takes more."))
    path = Path(name)
    target = out or path.with_name(f"{path.name.partition('.')[0]}-completed.csv")
    found = verb.complete_table(path, (generator or [None])[0], draws=draws, seed=seed)  # type: ignore[list-item]
    paths = verb.write(found, target)
    if common.json:
        return screen.show_json({**found.to_json(), "files": [str(one) for one in paths]})
    if found.tried:
        rows = [
            [t(one.method), f"{decimal(one.error, 3)} ± {decimal(one.deviation, 3)}", whole(one.cells)]
            for one in found.tried
        ]
        title = t("Known cells hidden and filled again: error as a share of a column's standard deviation")
        screen.show_table(title, [t("method"), t("error"), t("cells")], rows)
    screen.show(
        t("Cells filled by {name}: {n}, in these columns: {columns}.", n=whole(len(found.places)), name=t(found.method),
          columns=joined(found.to_json()["columns"]))
    )  # fmt: skip
    if found.table.empty:
        screen.say(
            t("{n} empty cells stay empty, in columns that are not of numbers: {names}.", n=whole(found.table.empty),
              names=joined(found.table.left))
        )  # fmt: skip
    if draws > 1 and len(found.draws) == 1:
        screen.say(t("{name} has one filling of a table; there are no draws.", name=t(found.method)))
    for one in paths:
        screen.show(t("Table: {path}", path=one))
    return None
