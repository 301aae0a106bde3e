"""The example of docs/forecast.md runs as it stands."""

import re

from forecast_helpers import write_run


def test_the_python_example_of_the_documentation_runs(tmp_path, monkeypatch, capsys, request):
    text = (request.config.rootpath / "docs/forecast.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    write_run(tmp_path / "results/default")
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    lines = capsys.readouterr().out.splitlines()
    assert [float(line.split()[0]) for line in lines] == [10, 100, 1000]
    assert all(0.5 < float(line.split()[1]) < 3 for line in lines)
