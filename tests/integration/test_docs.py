import inspect
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PREDICTIONS = (ROOT / "docs" / "predictions.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def shell_lines(text):
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_the_command_line_reference_is_what_the_command_line_says():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        from make_cli import make
    finally:
        sys.path.pop(0)
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == make()


def test_the_code_in_the_docs_of_python_runs(trained, faces, tmp_path, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "latest").symlink_to(trained.folder)
    photo = sorted((faces.folder / "happy").glob("face-*.jpg"))[0]
    (tmp_path / "photo.jpg").write_bytes(photo.read_bytes())
    monkeypatch.chdir(tmp_path)
    import candid

    train, given = inspect.signature(candid.train), {}

    def recorded(*arguments, **options):
        given.update(train.bind(*arguments, **options).arguments)
        return trained

    monkeypatch.setattr(candid, "train", recorded)
    text = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    names = {"__name__": "docs"}
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
        exec(code, names)
    assert given == {"data": "data", "seed": 1, "recipe": "transfer"}
    assert names["prediction"].label in ("happy", "sad")
    assert (names["axes"].get_xlabel(), len(names["mistakes"]) > 0) == ("predicted", True)
    pyplot.close("all")


@pytest.mark.parametrize(
    "line", [line for line in shell_lines(README) if line.startswith("candid ")]
)
def test_every_command_of_the_readme_is_one_that_the_command_line_accepts(line):
    import typer

    from candid.cli.main import app

    words = shlex.split(line.split(">")[0], comments=True)[1:]
    group = typer.main.get_command(app)
    command = group.commands[words[0]]
    command.make_context(words[0], words[1:])


def test_every_option_stands_in_the_reference():
    import typer

    from candid.cli.main import app

    reference = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    options = {
        option
        for command in typer.main.get_command(app).commands.values()
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    assert len(options) > 10
    assert not [option for option in options if option not in reference]


def test_what_an_option_takes_is_said_in_words_that_a_person_reads():
    reference = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    takes = re.findall(r"^  (--[\w-]+|[A-Z.]+) (\S+)  ", reference, flags=re.MULTILINE)
    assert ("--run", "RUN") in takes
    readable = re.compile(r"[A-Z,|=.]+|<[a-z_0-9|-]+>|/")
    assert [option for option, taken in takes if not readable.fullmatch(taken)] == []
    types = re.findall(r"<(?:path|int|str|float|bool|list.*|.* range)>|[{}]|None|_PATH", reference)
    assert types == []
    usages = re.findall(r"^Usage: candid (\w+) \[OPTIONS\](.*)$", reference, flags=re.MULTILINE)
    assert dict(usages)["evaluate"] == " RUN [DATA]"
    assert dict(usages)["predict"] == " PHOTO..."


def test_every_make_target_of_the_readme_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {line.split()[1] for line in shell_lines(README) if line.startswith("make ")}
    assert targets == {"demo", "test", "web"}
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)


def test_the_pictures_of_the_readme_are_there_small_and_described():
    pictures = re.findall(r'<img src="([^"]+)" width="[^"]+" alt="([^"]+)">', README)
    assert len(pictures) == README.count("<img") == 2
    for path, words in pictures:
        assert (ROOT / path).stat().st_size < 150_000
        assert len(words) > 40
    assert len(list((ROOT / "docs" / "images").iterdir())) == len(pictures)


# tutorial.py imports TensorFlow before it parses arguments, as the tutorial would.
BENCHMARKS = sorted(set((ROOT / "benchmarks").glob("*.py")) - {ROOT / "benchmarks" / "tutorial.py"})


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.name)
def test_every_benchmark_starts_and_is_described(file):
    done = subprocess.run(
        [sys.executable, file, "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"`{file.name}`" in (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")


def test_every_value_of_a_prediction_is_described():
    from candid.runs.prediction import Prediction

    described = re.findall(r"^\| `(\w+)` \|", PREDICTIONS, flags=re.MULTILINE)
    values = list(Prediction.unreadable("a.jpg", "empty file").to_json())
    assert sorted(described) == sorted([*values, "explanation"])


def test_the_columns_of_the_csv_are_those_that_the_docs_name():
    from candid.cli.predicting import COLUMNS

    head = ",".join(COLUMNS)
    assert f"```\n{head}\n```" in PREDICTIONS
    assert f"| `{head}`," in README


def test_the_way_to_split_possible_classes_is_right_for_any_names():
    from candid.runs.class_names import join_classes

    (code,) = re.findall(r"```python\n(.*?)```", PREDICTIONS, flags=re.DOTALL)
    names = ["happy", "a|b", "c\\", "|", "two\nlines", "x\\|y"]
    found = {"re": re, "cell": join_classes(names)}
    exec(inspect.cleandoc(code), found)
    assert found["names"] == names
