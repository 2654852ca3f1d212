"""The whole product once, small: data in, trained, honestly tested, reported, from Python."""

from pathlib import Path

import ropero as rp


def test_from_data_to_report(source: Path, tmp_path: Path) -> None:
    data = rp.load(source)
    run = rp.train(data, network="quick", epochs=6, batch_size=16, learning_rate=0.005, runs=tmp_path / "runs")
    figures = run.evaluate()
    assert figures.accuracy == 1.0
    assert run.report().stat().st_size > 20_000
    html = run._repr_html_()
    assert html is not None
    assert "<svg" in html
    assert "<script" not in html
    assert rp.open_run("last", runs=tmp_path / "runs").evaluate().accuracy == 1.0
    assert [one.folder for one in rp.list_runs(tmp_path / "runs")] == [run.folder]
    cut = rp.split(data, "80/20", seed=3)
    assert cut.validation is not None
    assert (len(cut.train), len(cut.validation)) == (96, 24)
    assert data.test is not None
    assert [one.predicted for one in run.predict(data.test.take(range(3)))] == [0, 1, 2]
    assert [one.predicted for one in run.predict(data.test.images[:3])] == [0, 1, 2]
    assert run.predict(test=4)[0].true == 1
    assert repr(run.evaluate()).startswith("Evaluation(test: accuracy 1.0000 on 60 images")
