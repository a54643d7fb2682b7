"""The commands: one class for each entry of commands.json.

That file is made of the program's own definitions, for help and completion.
The line itself is read by the program alone.
"""

import argparse
import json
import os
import pkgutil
from collections.abc import Sequence
from typing import Any

from osc_lib.command import command

from glance_profile_osc import binary, login

TABLE: list[dict[str, Any]] = json.loads(
    pkgutil.get_data(__package__, "commands.json") or b"[]"
)


class Delegate(command.Command):
    """A command that the program carries out."""

    entry: dict[str, Any] = {}

    # The client would log in before it looks at the line, which may need none.
    auth_required = False

    _argv: Sequence[str] = ()

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Return a parser for help and completion, which reads no line."""
        parser = super().get_parser(prog_name)
        parser.usage = f"%(prog)s [options] {self.entry['arguments']}".strip()
        summary = self.entry["summary"]
        parser.description = (
            f"{summary[:1].upper()}{summary[1:]}. {self.entry['description']}"
        )
        groups: dict[str, Any] = {"": parser}
        for option in self.entry["options"]:
            title = option["group"]
            if title not in groups:
                groups[title] = parser.add_argument_group(title)
            wanted = {"help": option["help"].replace("%", "%%")}
            if option["value"]:
                wanted["metavar"] = option["value"]
            else:
                wanted["action"] = "store_true"
            groups[title].add_argument(*option["names"], **wanted)

        def keep(argv: Sequence[str]) -> argparse.Namespace:
            before = argv[: argv.index("--")] if "--" in argv else argv
            if "-h" in before or "--help" in before:
                parser.print_help(self.app.stdout)
                parser.exit()
            self._argv = argv
            return argparse.Namespace()  # which --debug shows

        parser.parse_args = keep
        return parser

    def take_action(self, parsed_args: argparse.Namespace) -> int:
        """Log in, if the line needs it, and let the program do the rest."""
        program = binary.find()
        cloud = None
        if self._needs_login():
            self.auth_required = True
            self.app.prepare_to_run_command(self)
            cloud = login.held(self.app)
        return binary.run(
            [program, *self._globals(), *self.entry["run"], *self._argv],
            login.environment(os.environ, cloud),
            replace=not self.app.interactive_mode,
        )

    def _needs_login(self) -> bool:
        offline = self.entry["offline"]
        return self.entry["login"] and not any(
            word.split("=", 1)[0] in offline for word in self._argv
        )

    def _globals(self) -> list[str]:
        """Return the client's global options that are no part of a login."""
        options = self.app.options
        words = []
        if options.debug:
            words.append("--debug")
        if options.verbose_level > 1:
            words.append("--verbose")
        elif options.verbose_level == 0:
            words.append("--quiet")
        if options.timing:
            words.append("--timing")
        if options.log_file:
            words.append(f"--log-file={options.log_file}")
        return words


def _make(entry: dict[str, Any]) -> type[Delegate]:
    return type(Delegate)(
        "".join(word.capitalize() for word in entry["name"].split()),
        (Delegate,),
        {
            "__doc__": entry["summary"],
            "__module__": __name__,
            "entry": entry,
        },
    )


globals().update((made.__name__, made) for made in map(_make, TABLE))
