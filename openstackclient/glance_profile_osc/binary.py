"""Finds the glance-profile program and runs it in the client's place."""

import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from osc_lib import exceptions

VARIABLE = "GLANCE_PROFILE_BINARY"
_PROGRAM = "glance-profile"


def find() -> str:
    """Return its path: $GLANCE_PROFILE_BINARY, beside Python, or in PATH."""
    named = os.environ.get(VARIABLE)
    if named:
        path = shutil.which(os.path.abspath(named))
        if path is None:
            raise exceptions.CommandError(
                f"{VARIABLE} is {named}, which is no program"
            )
        return path
    beside = os.path.join(sys.prefix, "Scripts" if os.name == "nt" else "bin")
    path = shutil.which(_PROGRAM, path=beside) or shutil.which(_PROGRAM)
    if path is None:
        raise exceptions.CommandError(
            f"the program {_PROGRAM} is neither in {beside} nor in PATH: "
            f"install it, or name it in {VARIABLE}"
        )
    return path


def run(
    argv: Sequence[str], env: Mapping[str, str], replace: bool = True
) -> int:
    """Run the program and return its exit code.

    Where the system can, the program takes this process's place: signals, job
    control, terminal and exit code are then its own, and the memory of a
    Python that only waits is free. The client's own shell has to go on, and
    waits; Ctrl-C is then for the program, which decides what is left to do.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    try:
        if replace and os.name == "posix":
            logging.shutdown()
            # Python ignores these two, and an ignored signal stays ignored.
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            os.execve(argv[0], list(argv), dict(env))
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            code = subprocess.run(list(argv), env=dict(env)).returncode
        finally:
            signal.signal(signal.SIGINT, before)
    except OSError as error:
        raise exceptions.CommandError(
            f"{argv[0]} cannot be run: {error.strerror}"
        ) from error
    # A program that a signal killed has its number, negative.
    return code if code >= 0 else 128 - code
