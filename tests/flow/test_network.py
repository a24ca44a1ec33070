"""Nothing calls out: a run from a picture to a video opens no connection and looks no host up."""

import socket
from pathlib import Path

import pytest

from faceanime import cli


def test_animating_needs_no_network(
    portrait_path: Path, driving_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"something called out: {args[1:] or args}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    out = tmp_path / "out.mp4"
    assert cli.main(["animate", str(portrait_path), "--driving", str(driving_path), "-o", str(out)]) == 0
    assert out.stat().st_size > 0
