"""The libraries that write a report; they come with the extra `eval`."""

from __future__ import annotations

import importlib.util

from faceanime.core.errors import ConfigError

_LIBRARIES = ("jinja2", "matplotlib")


def check_report_libraries() -> None:
    """Raise ConfigError unless the libraries that `write_report` needs are installed. Loads none of them."""
    if any(importlib.util.find_spec(name) is None for name in _LIBRARIES):
        raise ConfigError('the report needs Jinja2 and matplotlib; pip install "faceanime[eval]"')
