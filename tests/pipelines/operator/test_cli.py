"""`nextplay`: what it is told and finds around it, and how it tells a mistake."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from assets.engines.spark import SparkError, SparkSettings, session
from pipelines.instance import InstanceError, open_instance
from pipelines.operator import servers
from pipelines.operator.cli import answer, nextplay
from pipelines.operator.environment import MARKER, HomeError, check_home, prepare_home, set_defaults

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = (
    "run status as-served promote rollback forget holds erase prune backup restore clean reproduce "
    "tune simulate serve demo ui mlflow reports settings completion"
)


def ask(*arguments: str, **options) -> "subprocess.CompletedProcess[str]":
    """`nextplay` as a program of its own; `variables` are set in its environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("NEXTPLAY_")}
    environment = inherited | options.pop("variables", {})
    return subprocess.run(
        [sys.executable, "-m", "pipelines.operator.cli", *arguments],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=200, **options,
    )  # fmt: skip


@pytest.fixture
def complaint(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The one sentence that a command says, and nothing else, before it ends with status 1."""

    def ask(command: str, **variables: str) -> str:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert answer([command]) == 1
        told = capsys.readouterr()
        assert told.out == "" and told.err.endswith(".\n") and told.err.count("\n") == 1
        return told.err

    return ask


def test_the_help_lists_every_command_with_a_whole_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["--help"]) == 0
    lines = capsys.readouterr().out.split("Commands:\n")[1].splitlines()
    assert {line.split()[0] for line in lines} == set(COMMANDS.split()) == set(nextplay.commands)
    assert all(line.endswith((".", "?")) and not line.endswith("...") for line in lines)


@pytest.mark.parametrize("command", COMMANDS.split())
def test_every_command_has_its_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: nextplay {command}")


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["--version"]) == 0
    assert capsys.readouterr().out == f"nextplay {version('nextplay')}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_can_complete_it(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(["completion", shell]) == 0
    assert "_NEXTPLAY_COMPLETE" in capsys.readouterr().out
    asked = {"_NEXTPLAY_COMPLETE": "bash_complete", "COMP_WORDS": "nextplay pro", "COMP_CWORD": "1"}
    assert ask(variables=asked).stdout == "plain,promote\n"


def test_a_wrong_use_says_which_and_shows_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, named in (
        (["promot"], "promot"),
        (["promote"], "VERSION"),
        (["promote", "3", "--version", "3"], "VERSION once"),
        (["forget"], "USER or with --user"),
        (["tune", "--minutes", "no"], "no"),
    ):
        assert answer(arguments) == 2
        told = capsys.readouterr()
        assert named in told.err and "Usage: nextplay" in told.err and told.out == ""


@pytest.mark.parametrize("command", ["rollback", "promote", "forget"])
def test_what_changes_who_serves_has_a_module_of_its_name(command: str) -> None:
    module = [sys.executable, "-m", f"pipelines.operator.{command}", "--help"]
    done = subprocess.run(module, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"Usage: nextplay {command} ")


@pytest.mark.parametrize("given", [["ada"], ["--user", "ada"], ["--", "ada"], ["--user=ada"]])
def test_whom_to_forget_is_told_by_place_or_by_name(
    given: list[str], unset: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXTPLAY_HOME", str(unset / "home"))
    assert answer(["forget", *given]) == 0
    assert capsys.readouterr().out.startswith("The user ada is forgotten: 0 events")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["forget", "ada\udcff"], "has bytes that are no UTF-8."),
        (["holds", "--user", "ada\udcff"], "has bytes that are no UTF-8."),
        (["promote", "3", "--by", "a\udcff", "--reason", "r"], "has bytes that are no UTF-8."),
        (["promote", "3", "--by", "a", "--reason", "\x1b[31mred"], "holds signs that cannot be shown."),
    ],
)
def test_text_that_is_none_is_refused(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert answer(arguments) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith(told)


def test_it_starts_without_what_only_commands_need() -> None:
    slow = {"torch", "dagster", "mlflow", "pydantic"}
    code = f"import sys, pipelines.operator.cli; print({slow} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder to stand in, with nothing named in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("NEXTPLAY_HOME", "DAGSTER_HOME", "BENTOML_HOME", "DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("BENTOML_DO_NOT_TRACK", "")
    return tmp_path


def test_all_state_is_in_var_where_nothing_else_is_named(unset: Path) -> None:
    set_defaults()
    assert os.environ["NEXTPLAY_HOME"] == f"{unset}/var"
    assert os.environ["DAGSTER_HOME"] == f"{unset}/var/dagster"
    assert os.environ["BENTOML_HOME"] == f"{unset}/var/bentoml"
    quiet = ("BENTOML_DO_NOT_TRACK", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
    assert [os.environ[name] for name in quiet] == ["True", "true", "1"]
    assert list(unset.iterdir()) == []


def test_named_places_are_kept(unset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXTPLAY_HOME", "state")
    monkeypatch.setenv("BENTOML_HOME", "/bentos")
    set_defaults()
    assert os.environ["NEXTPLAY_HOME"] == "state" and os.environ["BENTOML_HOME"] == "/bentos"
    assert os.environ["DAGSTER_HOME"] == f"{unset}/state/dagster"


def test_a_home_gets_dagsters_settings_and_keeps_its_own(unset: Path) -> None:
    set_defaults()
    shipped, there = ROOT / "pipelines" / "dagster.yaml", unset / "var" / "dagster" / "dagster.yaml"
    prepare_home(unset / "var")
    assert there.read_text() == shipped.read_text()
    copied = "# Copied into DAGSTER_HOME by `make setup`; everything that Dagster stores lies there too."
    for first_line in (shipped.read_text().splitlines()[0], copied):
        there.write_text(f"{first_line}\n# of an older release\n")
        prepare_home(unset / "var")
        assert there.read_text() == shipped.read_text()
    there.write_text("# my own\n")
    prepare_home(unset / "var")
    assert there.read_text() == "# my own\n"


def test_what_a_home_names_for_dagster_elsewhere_is_left_alone(
    unset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(unset / "elsewhere"))
    prepare_home(unset / "var")
    assert list((unset / "var").iterdir()) == [unset / "var" / MARKER] and not (unset / "elsewhere").exists()


def test_a_home_that_is_a_file_is_one_sentence(complaint: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    told = complaint("status", NEXTPLAY_HOME=f"{tmp_path}/var")
    assert told.startswith(f"The home {tmp_path}/var cannot be used (File exists)")
    assert "name another folder with NEXTPLAY_HOME" in told


@pytest.fixture
def read_only_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk that nobody can write on; skips without the right to mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a disk takes more rights")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_read_only_home_is_one_sentence(complaint: Callable[..., str], read_only_disk: Path) -> None:
    told = complaint("run", NEXTPLAY_HOME=str(read_only_disk))
    assert told.startswith(f"{read_only_disk} cannot be written, and the home must be: ")
    with pytest.raises(HomeError, match="Read-only file system"):
        check_home(read_only_disk / "home")


def test_only_the_known_parts_of_a_home_must_be_writable(tmp_path: Path) -> None:
    (tmp_path / "old").symlink_to(tmp_path / "gone")  # writable to nobody, as is a disk's lost+found
    check_home(tmp_path)
    (tmp_path / "lake").symlink_to(tmp_path / "gone")
    with pytest.raises(HomeError, match="lake cannot be written"):
        check_home(tmp_path)


@pytest.mark.parametrize("part", ["dagster", "champion", "lake", "events"])
@pytest.mark.parametrize(
    "make", [Path.touch, os.mkfifo, lambda path: path.symlink_to(path.parent / "home.json")]
)
def test_a_file_in_the_place_of_a_folder_is_one_sentence(
    make: Callable[[Path], object], part: str, tmp_path: Path
) -> None:
    (tmp_path / "home.json").touch()
    make(tmp_path / part)
    with pytest.raises(HomeError, match=f"{part} is no folder, and the home keeps one there: move it away"):
        check_home(tmp_path)


AS_ANOTHER_USER = """
import os, sys
import pipelines.operator.status, pipelines.resources  # what the other user may not be allowed to read
from pipelines.operator.cli import answer
os.setgid(65534)
os.setuid(65534)
sys.exit(answer(["status"]))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="to become another user takes the rights of root")
@pytest.mark.parametrize("closed", [".", pytest.param("lake", marks=pytest.mark.slow)])
def test_another_users_home_is_one_sentence(closed: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "lake").mkdir()
        home.chmod(0o777)
        (home / closed).chmod(0o755)
        done = subprocess.run(
            [sys.executable, "-c", AS_ANOTHER_USER], env=os.environ | {"NEXTPLAY_HOME": folder},
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith(f"{home / closed} cannot be written")
    assert "run as the user who owns it" in done.stderr


@pytest.mark.parametrize("named", ["/no/such/folder", "relative"])
def test_a_missing_folder_of_dagster_is_one_sentence(
    named: str, complaint: Callable[..., str], tmp_path: Path
) -> None:
    told = complaint("status", NEXTPLAY_HOME=str(tmp_path), DAGSTER_HOME=named)
    assert told.startswith(f"DAGSTER_HOME={named} must be the absolute path of a folder") and "unset" in told


def test_a_program_that_names_no_folder_of_dagster_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(InstanceError, match="DAGSTER_HOME= must be"):
        open_instance()


def end_of(code: str) -> "subprocess.CompletedProcess[str]":
    program = f"import atexit, sys, threading, time\nfrom pipelines.operator import cli\n{code}"
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize(("loaded", "heard"), [("", "late\n"), ("sys.modules['duckdb'] = sys", "")])
def test_the_teardown_is_mute_where_duckdb_is_loaded(loaded: str, heard: str) -> None:
    late = "atexit.register(lambda: print('late', file=sys.stderr))"
    assert end_of(f"{late}\n{loaded}\ncli.main(['--version'])").stderr == heard


def test_an_interrupt_waits_for_no_thread() -> None:
    done = end_of("""
@cli.nextplay.command()
def work():
    threading.Thread(target=time.sleep, args=(300,)).start()
    raise KeyboardInterrupt
cli.main(["work"])
""")
    assert done.returncode == 130


@pytest.mark.parametrize(("workers", "told"), [("4", 1), ("1", 0), ("", 0)])
def test_a_server_of_one_process_says_that_it_has_no_more(
    workers: str,
    told: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("POINTER", "REPORTS", "EVENTS"):  # undone later, whatever the command sets
        monkeypatch.setenv(f"NEXTPLAY_{name}", "")
    monkeypatch.setenv("NEXTPLAY_HOME", str(tmp_path))
    monkeypatch.setenv("NEXTPLAY_WORKERS", workers)
    monkeypatch.setattr(servers, "become", lambda *_: None)
    assert answer(["serve", "--port", "0"]) == 0
    assert capsys.readouterr().err.count("NEXTPLAY_WORKERS has no effect here") == told


@pytest.mark.parametrize(("command", "host"), [("serve", "NEXTPLAY_HOST"), ("ui", "127.0.0.1")])
def test_a_server_says_where_it_listens(command: str, host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer([command, "--help"]) == 0
    assert f"{host} unless it is given." in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], pytest.param(["settings"], marks=pytest.mark.slow)])
def test_a_closed_output_is_one_sentence(arguments: list[str]) -> None:
    command = [sys.executable, "-m", "pipelines.operator.cli", *arguments]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "Standard output was closed before all was printed.\n")


def test_spark_without_pyspark_is_one_sentence(
    complaint: Callable[..., str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)  # as where it is not installed
    told = complaint("run", NEXTPLAY_HOME=str(tmp_path), NEXTPLAY_ENGINE="spark")
    assert told == "NEXTPLAY_ENGINE=spark needs PySpark: pip install -c constraints.txt -e '.[spark]'.\n"
    with pytest.raises(SparkError, match="needs PySpark"):
        session(SparkSettings())


def test_what_this_user_may_not_read_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def closed(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/backups/tonight/manifest.json")

    monkeypatch.setattr("pipelines.operator.state.check_home", closed)
    assert answer(["restore", "/backups/tonight"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("/backups/tonight/manifest.json cannot be read or written by this user: run as")
    assert told.count("\n") == 1
