"""Starts, stops or kills one service of a devcloud, or shows all of them."""

import argparse
import sys

import control
import services


def show():
    settings = services.Settings.load()
    states = control.ask("status")
    healthy = True
    for name in services.specs(settings):
        state = states.get(name)
        if not state or not state["running"]:
            condition = "not running"
        elif not control.answers(settings, name):
            condition = "does not answer"
        else:
            condition = "up"
        healthy = healthy and condition == "up"
        ports = settings.ports
        if name == "tls":
            where = f"{settings.url('keystone-tls')} {settings.url('glance-tls')}"
        else:
            where = settings.url(name) if name in ports else services.DATABASE_SOCKET
        print(f"{name:15} {condition:15} {where}")
    return healthy


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=("status", "start", "stop", "kill", "restart"))
    parser.add_argument("service", nargs="?")
    arguments = parser.parse_args()
    try:
        if arguments.command == "status":
            sys.exit(0 if show() else 3)
        if arguments.command == "restart":
            control.ask("stop", arguments.service)
        if arguments.command in ("start", "restart"):
            control.ask("start", arguments.service)
            control.wait_until_answers(services.Settings.load(), arguments.service)
        else:
            control.ask(arguments.command, arguments.service)
    except control.Failure as error:
        sys.exit(f"devcloud: {error}")


if __name__ == "__main__":
    main()
