#!/usr/bin/env python3
"""What the openstack client makes of configurations, case by case.

Reads a JSON object {case name: {"files": {path: text}, "env": {...},
"args": [...]}} from standard input and writes {case name: answer} to standard
output, where an answer is the merged configuration, or how the command ended:

    openstack_answers.py merge     settings, before any connection is made
    openstack_answers.py outcome   what `openstack ARGS image list` comes to

Each case runs in a process and a folder of its own, HOME included; a path that
begins with "home/" is below HOME, any other below the working directory. The
client itself is imported once, which is what takes its time.
"""

import contextlib
import importlib
import io
import json
import logging
import os
import shutil
import sys
import tempfile

import openstack.config.loader
from openstackclient import shell
from osc_lib import clientmanager
from osc_lib.api import auth


def run_case(case, mode):
    root = tempfile.mkdtemp(prefix="auth-case-")
    try:
        work, home = os.path.join(root, "work"), os.path.join(root, "home")
        os.makedirs(work)
        os.makedirs(home)
        for path, text in case.get("files", {}).items():
            base = root if path.startswith("home/") else work
            full = os.path.join(base, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w") as f:
                f.write(text.replace("$WORK", work).replace("$HOME", home))
        for name in list(os.environ):
            if name.startswith(("OS_", "XDG_")) or name.endswith("_CA_BUNDLE"):
                del os.environ[name]
        os.environ["HOME"] = home
        for name, value in case.get("env", {}).items():
            os.environ[name] = value.replace("$WORK", work).replace("$HOME", home)
        os.chdir(work)
        # The module works out its search path when it is read.
        importlib.reload(openstack.config.loader)
        args = [a.replace("$WORK", work).replace("$HOME", home) for a in case.get("args", [])]
        answer = merge(args) if mode == "merge" else outcome(args)
        return json.loads(json.dumps(answer).replace(work, "$WORK").replace(home, "$HOME"))
    finally:
        shutil.rmtree(root)


def merge(args):
    """The settings with which the client would log in, taken from it just
    before it does."""
    taken = {}

    def take(self):
        options = self._cli_options
        auth.check_valid_authentication_options(options, options.config["auth_type"])
        verify, cert = options.get_requests_verify_args()
        taken.update(
            auth_type=options.config["auth_type"],
            auth={k: v for k, v in options.config["auth"].items() if v},
            region=options.get_region_name("image") or "",
            interface=options.get_interface("image"),
            image_endpoint=options.get_endpoint("image") or "",
            verify=verify,
            cert=cert,
        )
        raise KeyboardInterrupt

    clientmanager.ClientManager.setup_auth = take
    code, text = call(args)
    return taken or {"error": text}


def outcome(args):
    code, text = call(args)
    return {"code": code, "error": text}


def call(args):
    out, err = io.StringIO(), io.StringIO()
    code = 1
    logging.getLogger().handlers.clear()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = shell.main([*args, "image", "list", "-f", "json", "--limit", "1"])
        except KeyboardInterrupt:
            pass
        except SystemExit as e:
            code = e.code
        except Exception as e:
            err.write(f"{type(e).__name__}: {e}")
    return code, err.getvalue().strip()


def main():
    mode = sys.argv[1]
    cases = json.load(sys.stdin)
    # Once for all cases: the plugins and commands are what takes the time.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        shell.main(["image", "list", "--help"])

    answers = {}
    for name, case in cases.items():
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(read)
            os.close(0)
            os.open(os.devnull, os.O_RDONLY)
            try:
                answer = run_case(case, mode)
            except BaseException as e:
                answer = {"error": f"{type(e).__name__}: {e}"}
            with os.fdopen(write, "w") as f:
                json.dump(answer, f)
            os._exit(0)
        os.close(write)
        with os.fdopen(read) as f:
            answers[name] = json.load(f)
        os.waitpid(pid, 0)
    json.dump(answers, sys.stdout, indent=1, sort_keys=True)
    print()


main()
