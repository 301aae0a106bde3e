"""How commands declare their arguments."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

Settings = dict[str, Any]
Command = Callable[[argparse.Namespace, Settings], None]


def add_command(
    commands: Any, name: str, command: Command | None, sections: tuple[str, ...], text: str
) -> argparse.ArgumentParser:
    """A command among `commands` (of `add_subparsers`) that is given the configuration's `sections`.

    The first sentence of `text` is its line in the list of commands. Without `command` it has actions of its own.
    """
    sub: argparse.ArgumentParser = commands.add_parser(name, help=text.split(".")[0], description=text)
    if sections:
        sub.add_argument(
            "--config",
            type=Path,
            default=Path("config.yaml"),
            metavar="FILE",
            help="whole configuration (.yaml), or the sections used here (.json): "
            f"{', '.join(sections)} (default: config.yaml)",
        )
    if command:
        sub.set_defaults(command=command, sections=sections)
    return sub


def add_paths(sub: argparse.ArgumentParser, *names: str, many: bool = False, text: str) -> None:
    """Required options that each take a path, or several."""
    for name in names:
        sub.add_argument(f"--{name}", type=Path, required=True, nargs="+" if many else None, metavar="PATH", help=text)
