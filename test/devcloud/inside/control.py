"""Talks to the supervisor, and waits until a service answers."""

import json
import socket
import time
import urllib.error
import urllib.request

import services

# Loopback is never reached through a proxy, whatever the environment says.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Failure(Exception):
    """What went wrong, in one line for the person who called."""


def ask(command, name=None, spec=None):
    request = {"command": command, "name": name}
    if spec is not None:
        request["spec"] = spec
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        try:
            connection.connect(services.SOCKET)
        except OSError as error:
            raise Failure(f"the devcloud does not run ({error})") from error
        with connection.makefile("rw") as stream:
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            answer = json.loads(stream.readline())
    if "error" in answer:
        raise Failure(answer["error"])
    return answer


def answers(settings, name):
    """Whether the service answers as it should by now."""
    ports = settings.ports
    try:
        if name == "mariadb":
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(services.DATABASE_SOCKET)
        elif name == "tls":
            for port in (ports["keystone-tls"], ports["glance-tls"]):
                socket.create_connection(("127.0.0.1", port), 5).close()
        else:
            path = "/v3" if name == "keystone" else "/healthcheck"
            opener.open(f"http://127.0.0.1:{ports[name]}{path}", timeout=10).close()
        return True
    except (OSError, urllib.error.URLError):
        return False


def wait_until_answers(settings, name, seconds=60):
    deadline = time.monotonic() + seconds
    while not answers(settings, name):
        state = ask("status").get(name)
        if state is None or not state["running"]:
            raise Failure(f"{name} ended while starting, see {name}.log")
        if time.monotonic() > deadline:
            raise Failure(f"{name} does not answer after {seconds} s, see {name}.log")
        time.sleep(0.05)
