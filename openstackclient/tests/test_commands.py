"""The commands, and that they fit into the client."""

import argparse
import contextlib
import io
import pathlib
import tomllib
import types
import unittest
from typing import Any
from unittest import mock

from openstackclient import shell

from glance_profile_osc import commands, plugin

HERE = pathlib.Path(__file__).parent


def make(name: str, **options: Any) -> commands.Delegate:
    """Return a command of an app with these global options."""
    usual = {
        "debug": None,
        "verbose_level": 1,
        "timing": False,
        "log_file": None,
    }
    app = mock.Mock(
        options=types.SimpleNamespace(**{**usual, **options}),
        interactive_mode=False,
        stdout=io.StringIO(),
    )
    return getattr(commands, name)(app, None)


def run(name: str, *argv: str, **options: Any) -> tuple[list[str], bool]:
    """Run a line; return what would be run, and whether it logged in."""
    made = make(name, **options)
    parsed = made.get_parser("openstack x").parse_args(list(argv))
    with (
        mock.patch("glance_profile_osc.binary.find", return_value="/gp"),
        mock.patch("glance_profile_osc.binary.run", return_value=4) as ran,
        mock.patch("glance_profile_osc.login.held", return_value={}),
    ):
        code = made.run(parsed)
    assert code == 4, code
    logged_in = made.app.prepare_to_run_command.called
    return ran.call_args.args[0], logged_in


class TableTest(unittest.TestCase):
    def test_entry_points(self) -> None:
        """pyproject.toml names every command of the table, and no other."""
        with open(HERE.parent / "pyproject.toml", "rb") as file:
            points = tomllib.load(file)["project"]["entry-points"]
        self.assertEqual(
            points["openstack.cli.extension"],
            {plugin.API_NAME: plugin.__name__},
        )
        group = f"openstack.{plugin.API_NAME}.v{plugin.DEFAULT_API_VERSION}"
        wanted = {}
        for entry in commands.TABLE:
            words = entry["name"].split()
            made = "".join(word.capitalize() for word in words)
            wanted["_".join(["image", "profile", *words])] = (
                f"{commands.__name__}:{made}"
            )
            self.assertTrue(hasattr(commands, made))
        self.assertEqual(points[group], wanted)

    def test_no_option_is_taken_by_the_client(self) -> None:
        """The client reads its own options first, anywhere on the line.

        argparse takes the beginning of one of them for it, or calls it
        ambiguous; what it takes never reaches us.
        """
        parser = shell.OpenStackShell().parser
        for entry in commands.TABLE:
            for option in entry["options"]:
                for name in option["names"]:
                    line = [name, "x"] if option["value"] else [name]
                    with self.subTest(command=entry["name"], option=name):
                        with contextlib.redirect_stderr(io.StringIO()):
                            _, left = parser.parse_known_args(line)
                        self.assertEqual(left, line)


class LineTest(unittest.TestCase):
    def test_goes_as_it_is(self) -> None:
        line = ["a b", "--property", "x=1 2", "-f", "json", "--", "--help"]
        argv, logged_in = run("MigrateVirtio", *line)
        self.assertEqual(argv, ["/gp", "migrate-virtio", *line])
        self.assertTrue(logged_in)

    def test_unknown_options_are_not_ours_to_refuse(self) -> None:
        argv, _ = run("Create", "--no-such-option")
        self.assertEqual(argv, ["/gp", "create", "--no-such-option"])

    def test_login_only_where_needed(self) -> None:
        for name, line, wanted in (
            ("List", [], False),
            ("AuditRules", [], False),
            ("Audit", [], True),
            ("Audit", ["--from", "x"], False),
            ("Audit", ["--from=x"], False),
            ("Rollback", ["--list"], False),
            ("Rollback", ["--last"], True),
        ):
            with self.subTest(name=name, line=line):
                self.assertEqual(run(name, *line)[1], wanted)

    def test_global_options(self) -> None:
        for options, wanted in (
            ({}, []),
            ({"verbose_level": 0}, ["--quiet"]),
            ({"verbose_level": 3}, ["--verbose"]),
            ({"debug": True, "timing": True}, ["--debug", "--timing"]),
            ({"log_file": "a b"}, ["--log-file=a b"]),
        ):
            with self.subTest(options=options):
                argv, _ = run("List", **options)
                self.assertEqual(argv, ["/gp", *wanted, "profile", "list"])

    def test_nothing_of_the_line_is_logged(self) -> None:
        made = make("Create")
        parsed = made.get_parser("x").parse_args(["--uri", "s3cret"])
        self.assertNotIn("s3cret", repr(parsed))


class HelpTest(unittest.TestCase):
    def test_every_command(self) -> None:
        for entry in commands.TABLE:
            words = entry["name"].split()
            made = make("".join(word.capitalize() for word in words))
            parser = made.get_parser("openstack x")
            self.assertIsInstance(parser, argparse.ArgumentParser)
            text = parser.format_help()
            for option in entry["options"]:
                self.assertIn(option["names"][0], text)
            self.assertEqual(made.get_description(), entry["summary"])

    def test_asked_for_on_the_line(self) -> None:
        made = make("Create")
        with self.assertRaises(SystemExit) as ended:
            made.get_parser("openstack x").parse_args(["NAME", "--help"])
        self.assertEqual(ended.exception.code, 0)
        self.assertIn("--osinfo", made.app.stdout.getvalue())
