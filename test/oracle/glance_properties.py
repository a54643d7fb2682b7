#!/usr/bin/env python3
"""Asks a real Glance what it makes of custom properties.

usage: OS_CLIENT_CONFIG_FILE=.devcloud/RELEASE/clouds.yaml \\
       test/devcloud/exec RELEASE python3 test/oracle/glance_properties.py < CASES

Reads one JSON object a line, {"props": {name: value}}, and answers each with

  {"post": 201, "kept": true, "replace": 200, "changed": true, "remove": 200}

the status of making an image with the properties and whether Glance holds them
then; the status of replacing the first by the text "changed", and whether it
is; the status of removing it. Where no image is made, the rest is missing. The
first line of the output names the release: {"glance": "30.0.0"}. The images
are deleted.
"""

import json
import sys

import openstack
from glance import version

ENDPOINT = {"service_type": "image"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def judge(session, props):
    def send(method, path, **kwargs):
        return session.request(
            path, method, endpoint_filter=ENDPOINT, raise_exc=False, **kwargs)

    reply = send("POST", "/v2/images", json=props)
    answer = {"post": reply.status_code}
    if reply.status_code != 201:
        return answer
    image = reply.json()
    path = "/v2/images/" + image["id"]
    name = sorted(props)[0]
    pointer = "/" + name.replace("~", "~0").replace("/", "~1")

    def patch(change):
        body = json.dumps([change])
        return send("PATCH", path, data=body, headers=PATCH)

    try:
        answer["kept"] = all(image.get(k) == v for k, v in props.items())
        reply = patch({"op": "replace", "path": pointer, "value": "changed"})
        answer["replace"] = reply.status_code
        answer["changed"] = reply.ok and reply.json().get(name) == "changed"
        reply = patch({"op": "remove", "path": pointer})
        answer["remove"] = reply.status_code
    finally:
        send("DELETE", path)
    return answer


def main():
    session = openstack.connect(cloud="devcloud-admin").session
    print(json.dumps({"glance": version.version_string()}))
    for line in sys.stdin:
        print(json.dumps(judge(session, json.loads(line)["props"])))


main()
