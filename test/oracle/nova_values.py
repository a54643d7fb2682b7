#!/usr/bin/env python3
"""Asks Nova's own code whether it takes the properties of an image.

usage: test/devcloud/exec RELEASE python3 test/oracle/nova_values.py < CASES

Reads one JSON object a line, {"props": {name: value}}, and answers each with
{"error": ""} if Nova takes them, or with the class of the exception. The first
line of the output names the release: {"nova": "31.0.0"}.

Values take the way that they take in Nova from Glance's answer to the compute
API: nova.image.glance decodes two of them from JSON, then
ImageMetaProps.from_dict parses all.
"""

import json
import sys
import warnings

from nova import objects
from nova import version
from nova.image import glance


def judge(props):
    try:
        image = glance._convert_from_string({"properties": props})
        objects.ImageMetaProps.from_dict(image["properties"])
    except Exception as e:  # whatever it is, the server is not made
        return type(e).__name__
    return ""


def main():
    warnings.simplefilter("ignore")  # on UUIDs that are none
    objects.register_all()
    print(json.dumps({"nova": version.version_string()}))
    for line in sys.stdin:
        print(json.dumps({"error": judge(json.loads(line)["props"])}))


main()
