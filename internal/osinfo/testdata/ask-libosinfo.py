#!/usr/bin/env python3
"""Ask libosinfo itself what it knows of each operating system.

Prints libosinfo.json, which TestAgreesWithLibosinfo holds the table to. Needs
python3-gi, gir1.2-libosinfo-1.0 and osinfo-db, in the release that the table
was made from:

    ./ask-libosinfo.py > libosinfo.json
"""

import collections
import json

import gi

gi.require_version("Libosinfo", "1.0")
from gi.repository import Libosinfo  # noqa: E402


def each(entities):
    return [entities.get_nth(i) for i in range(entities.get_length())]


def resources(entities):
    rows = sorted(
        [r.get_architecture()] + [max(n, 0) for n in (r.get_n_cpus(), r.get_ram(), r.get_storage())]
        for r in each(entities)
    )
    return [row for row in rows if any(row[1:])]


def main():
    loader = Libosinfo.Loader()
    loader.process_default_path()
    answers = {kind: collections.defaultdict(list) for kind in ("devices", "minimum", "recommended", "firmware")}
    for system in each(loader.get_db().get_os_list()):
        said = {
            "devices": sorted({d.get_name() for d in each(system.get_all_devices(None)) if d.get_name().startswith("virtio")}),
            "minimum": resources(system.get_minimum_resources()),
            "recommended": resources(system.get_recommended_resources()),
            "firmware": sorted(
                [f.get_architecture(), f.get_firmware_type(), f.is_supported()]
                for f in each(system.get_complete_firmware_list(None))
            ),
        }
        for kind, answer in said.items():
            answers[kind][json.dumps(answer)].append(system.get_short_id())
    kinds = []
    for kind, groups in answers.items():
        lines = [f'  {{"answer": {answer}, "of": {json.dumps(sorted(ids))}}}' for answer, ids in sorted(groups.items())]
        kinds.append(f' "{kind}": [\n' + ",\n".join(lines) + "\n ]")
    print("{\n" + ",\n".join(kinds) + "\n}")


main()
