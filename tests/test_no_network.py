"""Nothing calls home: no verb of the command line opens a connection, sends a datagram or looks a host up.

Every verb runs once on tiny inputs, in a child process that is watched three ways, as far as the machine allows: its
Python sockets are guarded (`no_network/sitecustomize.py`), its system calls and those of native code are traced
(strace), and it has a network namespace of its own, without a route (unshare).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from faceanime import cli

pytestmark = pytest.mark.timeout(900)  # under 60 s on a free core

HERE = Path(__file__).parent / "no_network"
ADDRESS_FAMILIES = ("AF_UNIX", "AF_NETLINK")
"""Families of sockets that stay on this machine."""
REMOTE = re.compile(
    rf"(?:socket\((?!{'|'.join(ADDRESS_FAMILIES)})|sa_family=(?!{'|'.join(ADDRESS_FAMILIES)}))"
)
"""System calls, as strace prints them, that make a socket of another family or give it an address."""
CALLS = {
    "connect": "socket.socket().connect(('127.0.0.1', 9))",
    "connect_ex": "socket.socket().connect_ex(('127.0.0.1', 9))",
    "sendto": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('127.0.0.1', 9))",
    "create_connection": "socket.create_connection(('127.0.0.1', 9))",
    "getaddrinfo": "socket.getaddrinfo('localhost', 9)",
    "gethostbyname": "socket.gethostbyname('localhost')",
}
LOCAL = "a, b = socket.socketpair(); a.sendall(b'x'); b.recv(1)"


@dataclass(frozen=True)
class Watched:
    """The actions of a child process; `traced` is None where strace is not available."""

    ended: subprocess.CompletedProcess[str]
    guarded: list[dict[str, str]]
    traced: list[str] | None
    has_route: bool


def works(*command: str) -> bool:
    """Whether this machine has a program and lets us use it."""
    if shutil.which(command[0]) is None:
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def watch(folder: Path, command: Sequence[str | Path], guard: bool = True) -> Watched:
    """Run a command of Python, watched as closely as possible; its home is `folder`/home."""
    report, trace, home = folder / "guard.jsonl", folder / "strace.txt", folder / "home"
    home.mkdir()
    paths = [str(HERE)] * guard + [str(Path(cli.__file__).parents[1])]
    environment = {
        **{name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"},
        "PYTHONPATH": os.pathsep.join(paths),
        "GUARD_REPORT": str(report),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",  # waiting threads would double the time
    }
    isolated = works("unshare", "--net", "--map-root-user", "true")
    before: list[str | Path] = ["unshare", "--net", "--map-root-user"] if isolated else []
    strace = ["strace", "-f", "-qq", "-e", "trace=network"]
    is_traced = works(*strace, "-o", os.devnull, "true")
    if is_traced:
        before += [
            *strace,
            *(["--seccomp-bpf"] if works(*strace, "--seccomp-bpf", "true") else []),
            "-o",
            trace,
        ]
    ended = subprocess.run(
        [*before, sys.executable, *command],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=800, check=False,
    )  # fmt: skip
    noted = report.read_text(encoding="utf-8").splitlines() if report.exists() else []
    calls = trace.read_text(errors="replace").splitlines() if is_traced else None
    return Watched(ended, [json.loads(line) for line in noted], calls, not isolated)


def remote_calls(watched: Watched) -> list[str]:
    """The system calls that concern more than this machine. Skips the test where none were traced."""
    if watched.traced is None:
        pytest.skip("strace is not available: the calls of native code are not watched")
    return [line for line in watched.traced if REMOTE.search(line)]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("every-verb")


@pytest.fixture(scope="module")
def every_verb(work: Path) -> Watched:
    return watch(work, [HERE / "every_verb.py", work, work / "status.json"])


@pytest.fixture(scope="module")
def statuses(work: Path, every_verb: Watched) -> dict[str, int]:
    assert every_verb.ended.returncode == 0, every_verb.ended.stderr
    found: dict[str, int] = json.loads((work / "status.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("verb", cli.COMMANDS)
def test_a_verb_makes_no_call(verb: str, every_verb: Watched, statuses: dict[str, int]) -> None:
    assert statuses[verb] == 0, every_verb.ended.stderr
    assert [entry for entry in every_verb.guarded if entry["context"] == verb] == []


def test_nothing_else_makes_a_call(every_verb: Watched, statuses: dict[str, int]) -> None:
    """Neither imports nor native code."""
    assert every_verb.guarded == []
    assert remote_calls(every_verb) == []


def test_all_verbs_work_without_a_route(every_verb: Watched, statuses: dict[str, int]) -> None:
    if every_verb.has_route:
        pytest.skip("unshare --net is not allowed: the verbs ran beside a network")
    assert set(statuses) == set(cli.COMMANDS)
    assert not any(statuses.values())


def test_onnxruntime_keeps_no_record_of_its_use(work: Path, statuses: dict[str, int]) -> None:
    """Its telemetry would be queued in the user's cache, with or without a network."""
    kept = [
        path
        for path in (work / "home").rglob("*")
        if re.search("onnxruntime|microsoft", path.name, re.IGNORECASE)
    ]
    assert kept == []


@pytest.mark.parametrize("name", CALLS)
def test_the_guard_sees_a_call_and_prevents_it(name: str, tmp_path: Path) -> None:
    watched = watch(tmp_path, ["-c", f"import socket; {LOCAL}; {CALLS[name]}"])
    assert "PermissionError" in watched.ended.stderr
    assert [entry["call"] for entry in watched.guarded] == [name]


def test_the_trace_sees_what_passes_the_guard(tmp_path: Path) -> None:
    code = f"import socket; {LOCAL}; socket.socket(type=socket.SOCK_DGRAM).connect_ex(('127.0.0.1', 9))"
    watched = watch(tmp_path, ["-c", code], guard=False)
    assert watched.ended.returncode == 0, watched.ended.stderr
    assert watched.guarded == []
    assert {"socket", "connect"} <= {re.sub(r"^\d+ +|\(.*", "", call) for call in remote_calls(watched)}
