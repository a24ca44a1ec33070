"""Guards the sockets of every Python process that has this folder on PYTHONPATH: Python imports `sitecustomize` itself.

A call that would open a connection, send a datagram or look a host up fails, and is noted as a line of JSON in the file
that GUARD_REPORT names; GUARD_CONTEXT says what the process was doing. Local sockets (socketpair, AF_UNIX) are left
alone: they lead to no other machine.
"""

import json
import os
import socket
from collections.abc import Callable
from typing import Any, NoReturn

METHODS = ("connect", "connect_ex", "sendto", "sendmsg")
FUNCTIONS = (
    "create_connection", "getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr", "getnameinfo",
)  # fmt: skip


def _note_and_refuse(name: str, details: object) -> NoReturn:
    with open(os.environ["GUARD_REPORT"], "a", encoding="utf-8") as file:  # noqa: PTH123 - before anything is imported
        entry = {"context": os.environ.get("GUARD_CONTEXT", ""), "call": name, "details": repr(details)}
        file.write(json.dumps(entry) + "\n")
    raise PermissionError(f"the network guard refuses {name}{details!r}")


def _guarded_method(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, *args: Any) -> Any:
        if self.family == socket.AF_UNIX:
            return original(self, *args)
        return _note_and_refuse(name, args)

    return guarded


def _guarded_function(name: str) -> Callable[..., Any]:
    return lambda *args, **kwargs: _note_and_refuse(name, args)


if "GUARD_REPORT" in os.environ:
    for _name in METHODS:
        setattr(socket.socket, _name, _guarded_method(_name, getattr(socket.socket, _name)))
    for _name in FUNCTIONS:
        setattr(socket, _name, _guarded_function(_name))
