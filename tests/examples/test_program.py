"""An app as a program: started in either way, stopped by a signal, refused with a clear word."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

APP = """
import millstream as ms
from millstream import F

app = ms.App("words", log={log!r}, flush="os")
lines = app.topic("lines")


@app.stream(lines)
def words(lines):
    seen = lines.peek(lambda v: print("saw", v["n"], flush=True))
    seen.group_by(F.word).agg(n=ms.count(), total=ms.sum(F.n)).to("words")
    seen.filter(F.n < 0).map_values(lambda v: v["n"] // 0).to("never")


if __name__ == "__main__":
    raise SystemExit(app.main())
"""
AGENT = """

@app.agent(lines)
async def sleepy(events):
    import asyncio

    async for event in events:
        print("agent", event.value["n"], flush=True)
        await asyncio.sleep(60)
"""


@pytest.fixture
def app_file(tmp_path: Path) -> Path:
    """Write the app, on a log beside it, and return its file."""
    path = tmp_path / "words_app.py"
    path.write_text(APP.format(log=str(tmp_path / "log")))
    return path


def command(how: str, app_file: Path, *arguments: str) -> list[str]:
    """Return the command that starts the app in one of the two ways."""
    start = [str(app_file)] if how == "python" else ["-m", "millstream", "run", str(app_file)]
    return [sys.executable, "-W", "error", *start, *arguments]


def millstream(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run the `millstream` command."""
    words = [sys.executable, "-m", "millstream", *arguments]
    return subprocess.run(words, input=text, capture_output=True, text=True, check=False)


def write(log: Path, *values: dict[str, Any]) -> None:
    """Write values to `lines`, as a person would."""
    text = "".join(json.dumps(value) + "\n" for value in values)
    done = millstream("write", "lines", "--json", "--log", str(log), text=text)
    assert done.returncode == 0, done.stderr


def last_rows(log: Path) -> dict[str, Any]:
    """Return the last value of each key of `words`."""
    done = millstream("read", "words", "--from", "earliest", "--json", "--log", str(log))
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return {record["key"]: record["value"] for record in records}


def run(how: str, app_file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the app to its end."""
    return subprocess.run(
        command(how, app_file, *arguments), capture_output=True, text=True, check=False, timeout=60
    )


def test_both_ways_to_start_are_one(app_file: Path) -> None:
    """`python app.py` and `millstream run app.py` print, answer and end alike."""
    log = app_file.parent / "log"
    for how in ("python", "millstream"):
        assert run(how, app_file, "--until", "end").returncode == 0
    for number, how in ((1, "python"), (2, "millstream")):
        write(log, {"word": "a", "n": number})
        done = run(how, app_file, "--until", "end")
        assert (done.returncode, done.stdout) == (0, f"saw {number}\n")
        assert done.stderr.startswith("1 records in, 1 out, ")
    assert last_rows(log) == {"a": {"word": "a", "n": 2, "total": 3}}
    shown = [run(how, app_file, "--describe", "--code").stdout for how in ("python", "millstream")]
    assert shown[0] == shown[1]
    assert shown[0].startswith("app words\n")


@pytest.mark.parametrize("how", ["python", "millstream"])
def test_the_log_may_be_named_on_the_command_line(app_file: Path, how: str) -> None:
    """`--log` goes before the log that the file names, and the file's own stays untouched."""
    other = app_file.parent / "other"
    assert run(how, app_file, "--until", "end", "--log", str(other)).returncode == 0
    assert other.is_dir()
    assert not (app_file.parent / "log").exists()


def test_a_log_before_the_word_is_not_passed_over(app_file: Path) -> None:
    """`millstream --log URL run app.py` is refused with where --log goes, and runs nothing."""
    done = millstream("--log", "elsewhere", "run", str(app_file), "--until", "end")
    assert done.returncode == 2
    assert "--log goes behind the words of `run`" in done.stderr
    assert not (app_file.parent / "log").exists()


@pytest.mark.parametrize("how", ["python", "millstream"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_commits_and_ends_cleanly(app_file: Path, how: str, number: int) -> None:
    """An app without an end commits when it is interrupted, and is gone within two seconds."""
    log = app_file.parent / "log"
    run(how, app_file, "--until", "end")
    write(log, *({"word": "a", "n": n} for n in range(3)))
    # A long interval: what is committed was committed by the signal.
    app_file.write_text(
        app_file.read_text().replace('flush="os"', 'flush="os", commit_interval="1h"')
    )
    assert interrupted(command(how, app_file), "saw 2", number) == 0
    assert last_rows(log) == {"a": {"word": "a", "n": 3, "total": 3}}
    done = run(how, app_file, "--until", "end")
    assert done.stdout == "", "nothing is taken twice"


def interrupted(words: list[str], line: str, number: int) -> int:
    """Run until the program prints `line`, send the signal, and return the exit status."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as app:
        assert app.stdout is not None
        assert app.stderr is not None
        try:
            for printed in app.stdout:
                if printed.strip() == line:
                    break
            begun = time.monotonic()
            app.send_signal(number)
            status = app.wait(10)
            seconds = time.monotonic() - begun
        finally:
            app.kill()
        assert "Traceback" not in app.stderr.read()
    assert seconds < 2
    return status


def test_an_agent_that_is_busy_does_not_hold_the_app(app_file: Path) -> None:
    """An agent in the middle of a long event is cancelled within two seconds; the event stays."""
    log = app_file.parent / "log"
    app_file.write_text(app_file.read_text().replace("\n\nif __name__", AGENT + "\n\nif __name__"))
    run("millstream", app_file, "--until", "end")
    write(log, {"word": "a", "n": 1})
    for _ in range(2):
        assert interrupted(command("python", app_file), "agent 1", signal.SIGINT) == 0


@pytest.mark.parametrize("how", ["python", "millstream"])
def test_an_error_ends_with_a_status_and_says_where(app_file: Path, how: str) -> None:
    """A record that fails ends the program with status 1, naming file, line and record."""
    log = app_file.parent / "log"
    run(how, app_file, "--until", "end")
    write(log, {"word": "a", "n": -1})
    done = run(how, app_file, "--until", "end")
    assert done.returncode == 1
    line = next(i for i, text in enumerate(APP.splitlines()) if '.to("never")' in text)
    said = f"in map_values at {app_file}:{line + 1}, on lines-0 offset 0"
    assert said in done.stderr


def test_a_second_writer_is_refused_by_name(app_file: Path) -> None:
    """A second app on the log of a running one is refused, with the process that holds it."""
    log = app_file.parent / "log"
    run("millstream", app_file, "--until", "end")
    write(log, {"word": "a", "n": 1})
    words = command("python", app_file)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as app:
        try:
            assert app.stdout is not None
            assert app.stdout.readline() == "saw 1\n"
            done = run("millstream", app_file, "--until", "end")
            assert done.returncode == 1
            assert str(app.pid) in done.stderr
            assert last_rows(log) is not None, "reading goes on beside it"
        finally:
            app.send_signal(signal.SIGINT)
            app.communicate(timeout=10)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "one App is needed at the top of the file, found: none"),
        ("import millstream as ms\na = ms.App('a')\nb = ms.App('b')\n", "found: a, b"),
    ],
)
def test_a_file_without_one_app_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """`millstream run` says what it found where it cannot choose."""
    path = tmp_path / "odd.py"
    path.write_text(text)
    done = millstream("run", str(path))
    assert done.returncode == 1
    assert said in done.stderr
    assert "no such Python file" in millstream("run", str(tmp_path / "gone.py")).stderr


def test_one_of_several_apps_is_named(tmp_path: Path) -> None:
    """`file.py:name` runs the app of that name."""
    path = tmp_path / "two.py"
    path.write_text(
        "import millstream as ms\n"
        "a = ms.App('a', log='memory://a')\nb = ms.App('b', log='memory://b')\n"
        "b.stream('in')(lambda s: s.foreach(print))\n"
    )
    done = millstream("run", f"{path}:b", "--describe")
    assert done.stdout.startswith("app b\n"), done.stderr


@pytest.mark.parametrize("name", ["json.py", "typing.py", "my-app.py"])
def test_a_file_may_be_called_as_a_module_is(tmp_path: Path, name: str) -> None:
    """A file whose name is that of another module, or no name at all, runs all the same."""
    path = tmp_path / name
    path.write_text(APP.format(log=str(tmp_path / "log")))
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    words = [sys.executable, "-m", "millstream", "run", str(path), "--until", "end"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
