#!/usr/bin/env python3
"""Asks oslo.utils' format inspector, which Glance, Nova and Cinder use, what
files are and whether they are safe.

usage: test/devcloud/exec 2025.1 python3 test/oracle/format_inspector.py < NAMES

Reads one file name a line, and answers each with {"format": …, "size": …,
"refused": …}: the format that is detected, the virtual size it tells, and why
the file is not taken, "" if it is. The first line of the output names the
release: {"oslo.utils": "8.2.0"}.
"""

import importlib.metadata
import json
import logging
import sys

from oslo_utils.imageutils import format_inspector


def judge(name):
    try:
        inspector = format_inspector.detect_file_format(name)
    except format_inspector.ImageFormatError as e:
        # The order in which it names the formats is that of a set.
        text, _, formats = str(e).partition(": ")
        return {"format": "", "size": 0,
                "refused": text + ": " + ",".join(sorted(formats.split(",")))}
    refused = ""
    try:
        inspector.safety_check()
    except format_inspector.SafetyCheckFailed as e:
        refused = ", ".join(f"{n}: {f}" for n, f in sorted(e.failures.items()))
    except Exception as e:
        refused = f"{type(e).__name__}: {e}"
    try:
        size = inspector.virtual_size
    except Exception:
        size = 0
    return {"format": str(inspector), "size": size, "refused": refused}


def main():
    logging.disable()
    print(json.dumps({"oslo.utils": importlib.metadata.version("oslo.utils")}))
    for line in sys.stdin:
        print(json.dumps(judge(line.rstrip("\n"))))


main()
