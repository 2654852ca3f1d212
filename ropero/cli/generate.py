"""`ropero generate`: train a generator, or make garments with one that is trained."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from ropero.cli import screen
from ropero.cli.judge_generator import Judged, judge
from ropero.cli.options import GeneratorFlags, ImageSize, WithRuns, given, whole_number, whole_numbers
from ropero.errors import RoperoError, UsageError
from ropero.generation.config import Kind
from ropero.storage import human_bytes
from ropero.texts import joined, mark, t, tn
from ropero.texts.numbers import decimal, percent, whole

if TYPE_CHECKING:
    from ropero.generators import GeneratorRun
    from ropero.workbench.generate import GeneratorPlan, GeneratorTraining
    from ropero.workbench.making import Made
    from ropero.workbench.remembered import Nearest

LONG_SECONDS = 600.0
SHOWN = 12  # files that are named
OF_BOTH = ("seed", "device")  # flags of a training that mean the same when garments are made
_HELP = mark(
    "Make garments with a trained generator, or train one: --train dcgan is the report's. Repeat the same command to "
    "go on with a training that was interrupted."
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a trained generator is asked for."""

    class_: Annotated[
        list[str] | None,
        Parameter(name="--class", help=mark("Class to make; may be repeated, and they take turns."), negative=()),
    ] = None
    number: Annotated[
        int | None,
        Parameter(
            name=["-n", "--number"],
            converter=whole_number,
            help=mark("How many garments to make; by default 64, or 8 of each class; fewer that walk."),
            show_default=False,
        ),
    ] = None
    out: Annotated[
        Path | None,
        Parameter(help=mark("Folder for the pictures; by default one in the generator's own."), show_default=False),
    ] = None
    singles: Annotated[bool, Parameter(negative=(), help=mark("Also write each garment as a PNG of its own."))] = False
    between: Annotated[
        tuple[int, int] | None,
        Parameter(
            converter=whole_numbers,
            negative=(),
            help=mark("From the garment of one seed to that of another, step by step."),
            show_default=False,
        ),
    ] = None
    walk: Annotated[
        bool, Parameter(negative=(), help=mark("Garments that change all the while, as an animation without an end."))
    ] = False
    nearest: Annotated[
        bool,
        Parameter(negative=(), help=mark("Show the nearest training image beside each: was it made, or remembered?")),
    ] = False

    def flags(self) -> dict[str, object]:
        """All of them as they are typed."""
        return {
            "--class": self.class_,
            "-n": self.number,
            "--out": self.out,
            "--singles": self.singles,
            "--between": self.between,
            "--walk": self.walk,
            "--nearest": self.nearest,
        }

    def check(self) -> None:
        """Raises UsageError for what cannot be asked for together."""
        alone = {"--between": self.between is not None, "--walk": self.walk, "--nearest": self.nearest}
        together = [name for name, asked in alone.items() if asked]
        if len(together) > 1:
            raise UsageError(t("Give one of {names}, not several.", names=joined(together)))
        for name, value in (("-n", self.number), ("--singles", self.singles)):
            if self.between is not None and value:
                raise UsageError(t("{name} does not go with {other}; leave it away.", name=name, other="--between"))
        if self.walk and self.singles:
            raise UsageError(t("{name} does not go with {other}; leave it away.", name="--singles", other="--walk"))


def register(app: App) -> None:
    app.command(generate, help=_HELP)


def generate(
    generator: Annotated[
        str,
        Parameter(help=mark("A trained generator: its name, a part of it that only one has, its folder, or `last`.")),
    ] = "last",
    /,
    *,
    train: Annotated[Kind | None, Parameter(help=mark("Train a generator of this kind."), show_default=False)] = None,
    data: Annotated[
        str | None,
        Parameter(
            help=mark(
                "With --train, what to learn from: fashion-mnist, another known name, or a path; else where the "
                "generator's data are now."
            ),
            show_default=False,
        ),
    ] = None,
    image_size: ImageSize = None,
    again: Annotated[bool, Parameter(negative=(), help=mark("Train anew, even when an equal run is there."))] = False,
    flags: GeneratorFlags = None,  # type: ignore[valid-type]
    asked: Asked = Asked(),
    judged: Judged = Judged(),  # noqa: B008, frozen
    known: Annotated[
        bool, Parameter(name="--list", negative=(), help=mark("List all generators with their disk use."))
    ] = False,
    common: WithRuns = WithRuns(),  # noqa: B008, frozen
) -> None:
    if known:
        return _list(common)
    options: dict[str, Any] = given(flags) if flags is not None else {}
    if train is not None:
        for name, value in {**asked.flags(), **judged.flags()}.items():
            if value not in (None, False):
                raise UsageError(
                    t("{name} belongs to a generator that is trained; leave --train away, or {name}.", name=name)
                )
        return _train({"generator": train, **options}, data or "fashion-mnist", image_size, again, common)
    training = {f"--{name.replace('_', '-')}": name not in OF_BOTH for name in options}
    for name, value in {**training, "--again": again, "--image-size": image_size is not None}.items():
        if value:
            raise UsageError(t("{name} belongs to a training; give --train too, or leave {name} away.", name=name))
    if judged:
        from ropero.workbench.generator import open_generator

        judged.check({name: value for name, value in asked.flags().items() if name != "-n"})
        found = open_generator(generator, runs=common.runs, device=options.get("device", "auto"))
        return judge(found, judged, asked.number, options.get("seed", 0), data, common)
    return _make(generator, asked, data, options, common)


def _train(options: dict[str, Any], data: str, image_size: int | None, again: bool, common: WithRuns) -> None:
    from ropero.generation.config import GeneratorConfig
    from ropero.generators import GeneratorStore
    from ropero.workbench import data as data_verb
    from ropero.workbench import generate as verb
    from ropero.workbench.progress import FileProgress, GeneratorProgress

    config = GeneratorConfig.from_json(options)
    with FileProgress(screen.err()) as progress:
        splits = data_verb.load(data, image_size=image_size, progress=progress)
    told, store = [GeneratorProgress(screen.err())], GeneratorStore(common.runs)
    try:
        done = verb.train_generator(splits, config, store, again=again, hooks=told, announce=_announce)
    except KeyboardInterrupt as error:
        if again:
            cure = t("To go on where it stopped, repeat the command without --again.")
        else:
            cure = t("To go on where it stopped, repeat the command.")
        raise KeyboardInterrupt(cure) from error
    for sentence in done.missing:
        screen.say(sentence)
    if common.json:
        content = {"run": done.run.name, "folder": str(done.run.folder), "how": done.how, **done.run.notes}
        return screen.show_json({**content, "history": [one.to_json() for one in done.run.history]})
    return _show_training(done)


def _announce(plan: GeneratorPlan) -> None:
    from ropero.workbench.progress import human_seconds

    config = plan.config
    screen.say(
        t(
            "{network} on {n} images, epochs: {epochs}, {device}, {precision}; about {time}.",
            network=config.generator,
            n=whole(len(plan.train)),
            epochs=config.epochs,
            device=config.device,
            precision=config.precision,
            time=human_seconds(plan.estimate_seconds),
        )
    )
    if config.device == "cpu" and plan.estimate_seconds > LONG_SECONDS:
        screen.say(
            t("Without a GPU that takes its time. It may be interrupted, and goes on when the command is repeated; "
              "--minutes 20, for example, ends it sooner.")
        )  # fmt: skip
    if plan.resumed:
        screen.say(t("Going on with {run}, which was interrupted.", run=plan.run.name))
    screen.say(t("Pictures of every epoch: {folder}", folder=plan.run.samples))


def _show_training(done: GeneratorTraining) -> None:
    from ropero.workbench.progress import human_seconds

    if done.how == "already trained":
        screen.say(t("This very training is there already; --again trains it anew."))
    history = done.run.history
    seconds = human_seconds(sum(one.epoch_seconds for one in history))
    losses = joined(f"{t(name)} {decimal(loss, 3)}" for name, loss in history[-1].losses.items())
    screen.show(
        t("Trained in {time}, epochs: {epochs}; loss: {losses}", time=seconds, epochs=len(history), losses=losses)
    )
    screen.show(t("Pictures: {folder}", folder=done.run.samples))
    screen.show(t("Run: {folder}", folder=done.run.folder))
    screen.say(t("Next: ropero generate {run} -n 64", run=done.run.name))


def _list(common: WithRuns) -> None:
    from ropero.generators import GeneratorStore

    store = GeneratorStore(common.runs)
    lines = [_line(run) for run in store.runs()]
    if common.json:
        return screen.show_json(lines)
    for problem in store.unreadable():
        screen.say(str(problem))
    if not lines:
        return screen.say(store.none_yet())
    rows = [
        [line["run"], line["generator"], line["data"], t(line["status"]), whole(line["epochs"]), line["size"]]
        for line in ({**line, "size": human_bytes(line["bytes"])} for line in lines)
    ]
    columns = [t("run"), t("generator"), t("data"), t("status"), t("epochs"), t("disk use")]
    return screen.show_table("", columns, rows, words=(0, 1, 2, 3))


def _line(run: GeneratorRun) -> dict[str, Any]:
    """One generator for the list; a broken one says so instead of hiding the others."""
    from ropero.runs import BROKEN, INTERRUPTED
    from ropero.shelf import TRAINING

    line = {"run": run.name, "created": run.created, "bytes": run.disk_bytes(), "generator": "?", "data": "?"}
    line |= {"status": BROKEN, "epochs": 0}
    with suppress(RoperoError):
        status = INTERRUPTED if run.status == TRAINING and run.is_free() else run.status
        found = {"generator": run.config.generator, "data": run.data.name, "epochs": len(run.history)}
        line |= {**found, "status": status}
    return line


def _make(name: str, asked: Asked, data: str | None, options: dict[str, Any], common: WithRuns) -> None:
    from ropero.workbench import making
    from ropero.workbench.generator import open_generator

    asked.check()
    seed = options.get("seed", 0)
    generator = open_generator(name, runs=common.runs, device=options.get("device", "auto"))
    names = asked.class_ or []
    if asked.between is not None:
        made = making.between(generator, asked.between, names, asked.out)
    elif asked.walk:
        made = making.walk(generator, asked.number, names, seed, asked.out)
    else:
        made = making.samples(generator, asked.number, names, seed, asked.out, asked.singles)
    found = making.compare(generator, made, data) if asked.nearest else None
    for sentence in made.missing:
        screen.say(sentence)
    if common.json:
        return screen.show_json({**made.to_json(), **({"nearest": found.to_json()} if found else {})})
    return _show(made, found)


def _show(made: Made, near: Nearest | None) -> None:
    if made.seconds:
        screen.show(
            tn("{n} picture in {seconds} s", "{n} pictures in {seconds} s", made.images,
               seconds=decimal(made.seconds, 1))
        )  # fmt: skip
    for path in made.files[:SHOWN]:
        screen.show(t("File: {path}", path=path))
    if len(made.files) > SHOWN:
        screen.show(t("and {n} more in {folder}", n=whole(len(made.files) - SHOWN), folder=made.folder))
    if near is not None:
        _show_nearest(near)


def _show_nearest(near: Nearest) -> None:
    figures = near.to_json()
    screen.show(
        t(
            "Nearest training image: median distance {median}; of real images that were not learned from {real}.",
            median=decimal(figures["median"], 3),
            real=decimal(figures["real"]["median"], 3),
        )
    )
    low, high = figures["interval"]
    screen.show(
        t(
            "Nearer than all but 1% of the real ones: {n} of {total}, {share} (95% interval {low} to {high}); 1% is to "
            "be expected, much more would mean that it remembers.",
            n=near.too_near,
            total=len(near.distances),
            share=percent(figures["share"], 1),
            low=percent(low, 1),
            high=percent(high, 1),
        )
    )
