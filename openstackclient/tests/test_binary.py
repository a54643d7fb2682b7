"""How the program is found and run."""

import os
import pathlib
import signal
import sys
import tempfile
import unittest
from unittest import mock

from osc_lib import exceptions

from glance_profile_osc import binary


class FindTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def program(self, *path: str) -> str:
        file = self.root.joinpath(*path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
        return str(file)

    def find(self, **env: str) -> str:
        with (
            mock.patch.dict(os.environ, env, clear=True),
            mock.patch.object(sys, "prefix", str(self.root / "prefix")),
        ):
            return binary.find()

    def test_order(self) -> None:
        path = str(self.root / "path")
        with self.assertRaisesRegex(exceptions.CommandError, "neither in"):
            self.find(PATH=path)
        in_path = self.program("path", "glance-profile")
        self.assertEqual(self.find(PATH=path), in_path)
        beside = self.program("prefix", "bin", "glance-profile")
        self.assertEqual(self.find(PATH=path), beside)
        named = self.program("our own")
        self.assertEqual(
            self.find(PATH=path, GLANCE_PROFILE_BINARY=named), named
        )

    def test_named_and_not_there(self) -> None:
        self.program("path", "glance-profile")
        missing = str(self.root / "missing")
        with self.assertRaisesRegex(exceptions.CommandError, "no program"):
            self.find(
                PATH=str(self.root / "path"), GLANCE_PROFILE_BINARY=missing
            )


class RunTest(unittest.TestCase):
    def run_script(self, script: str) -> int:
        env = {"PATH": os.environ["PATH"], "WORD": "word"}
        argv = ["/bin/sh", "-c", script, "sh", "a b"]
        return binary.run(argv, env, replace=False)

    def test_code(self) -> None:
        for code in (0, 1, 2, 3, 4, 130):
            self.assertEqual(self.run_script(f"exit {code}"), code)
        self.assertEqual(self.run_script("kill -9 $$"), 137)
        self.assertEqual(self.run_script('[ "$WORD$1" = "worda b" ]'), 0)

    def test_interruption_is_for_the_program(self) -> None:
        before = signal.getsignal(signal.SIGINT)
        self.assertEqual(self.run_script("kill -INT $PPID; exit 7"), 7)
        self.assertIs(signal.getsignal(signal.SIGINT), before)

    def test_cannot_be_run(self) -> None:
        with self.assertRaisesRegex(exceptions.CommandError, "cannot be run"):
            binary.run(["/nowhere/x"], {"SECRET": "x"}, replace=False)

    def test_takes_the_place(self) -> None:
        with (
            mock.patch.object(os, "execve", side_effect=OSError(8, "no")) as e,
            mock.patch.object(signal, "signal"),
            mock.patch("logging.shutdown"),
            self.assertRaises(exceptions.CommandError),
        ):
            binary.run(["/x", "y"], {"A": "b"})
        e.assert_called_once_with("/x", ["/x", "y"], {"A": "b"})
