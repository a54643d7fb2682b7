#!/usr/bin/env python3
"""Starts QEMU command lines, stopped before the first instruction, and asks
QEMU itself (QMP) which devices the machine has.

usage: test/devcloud/exec 2025.1 python3 test/hardware/qemu_devices.py < LINES

Reads a JSON object a line, {"args": ["qemu-system-x86_64", …]}, and answers
each with {"devices": {id: driver}, "machine": type, "error": null}.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time


def ask(args, folder):
    path = os.path.join(folder, "qmp")
    if os.path.exists(path):
        os.remove(path)
    args = args + ["-S", "-display", "none", "-qmp", "unix:%s,server=on,wait=off" % path]
    with open(os.path.join(folder, "err"), "w+") as err:
        qemu = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err)
        try:
            with socket.socket(socket.AF_UNIX) as s:
                # The file is there a moment before QEMU listens on it.
                for _ in range(600):
                    try:
                        s.connect(path)
                        break
                    except (FileNotFoundError, ConnectionRefusedError):
                        if qemu.poll() is not None:
                            err.seek(0)
                            return {"devices": {}, "machine": None, "error": err.read().strip()}
                        time.sleep(0.05)
                stream = s.makefile("rw")
                stream.readline()

                def run(command, **arguments):
                    stream.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
                    stream.flush()
                    while True:
                        answer = json.loads(stream.readline())
                        if "event" not in answer:
                            return answer["return"]

                run("qmp_capabilities")
                devices = {item["name"]: item["type"][len("child<"):-1]
                           for item in run("qom-list", path="/machine/peripheral") if item["type"].startswith("child<")}
                machine = run("qom-get", path="/machine", property="type")
                return {"devices": devices, "machine": machine, "error": None}
        finally:
            qemu.kill()
            qemu.wait()


def main():
    with tempfile.TemporaryDirectory() as folder:
        for line in sys.stdin:
            print(json.dumps(ask(json.loads(line)["args"], folder)), flush=True)


main()
