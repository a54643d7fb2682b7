"""Process 1 of a devcloud: starts and ends its services when told to.

It listens on a Unix socket for one JSON request a connection and answers with
one JSON object. It never restarts a service by itself: a test that kills Glance
wants it dead. Being process 1 of a PID namespace, its own end is the end of
every process that it started.
"""

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time

SOCKET = "/devcloud/run/control.sock"
STOP_SECONDS = 20


class Service:
    def __init__(self, spec):
        self.spec = spec
        self.process = None

    @property
    def pid(self):
        return self.process.pid if self.process else None

    def start(self):
        spec = self.spec
        with open(spec["log"], "ab") as log:
            self.process = subprocess.Popen(
                spec["argv"],
                env={**os.environ, **spec["env"]},
                cwd="/",
                user=spec["user"],
                group=spec["user"],
                extra_groups=[],
                umask=0o022,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A group of its own, so that workers are signalled with it.
                start_new_session=True,
            )

    def signal(self, number):
        """Sends a signal to the whole group; False when nobody is left."""
        try:
            os.killpg(self.process.pid, number)
            return True
        except ProcessLookupError:
            return False

    def stop(self):
        """Asks the first process to end its workers and itself; waits for it."""
        if not self.process:
            return
        if running(self):
            # Not the workers: uWSGI's master hangs when they end on their own.
            os.kill(self.process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while running(self) and time.monotonic() < deadline:
            time.sleep(0.01)
            reap()
        self.kill()

    def kill(self):
        """Kills the whole group; returns when all of it is gone."""
        if not self.process:
            return
        while self.signal(signal.SIGKILL):
            time.sleep(0.01)
            reap()
        self.process = None


services = {}


def reap():
    """Collects all that ended: process 1 inherits every orphan."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        for service in services.values():
            if service.pid == pid:
                service.process.returncode = os.waitstatus_to_exitcode(status)


def running(service):
    """A service runs while its first process does; workers alone are a wreck."""
    return service.process is not None and service.process.returncode is None


def handle(request):
    command, name = request["command"], request.get("name")
    if command == "status":
        return {
            name: {"pid": service.pid, "running": running(service), "spec": service.spec}
            for name, service in services.items()
        }
    if "spec" in request:
        if name in services and running(services[name]):
            return {"error": f"{name} is running"}
        if name in services:
            services[name].kill()
        services[name] = Service(request["spec"])
    if name not in services:
        return {"error": f"no service {name}, there are: {', '.join(sorted(services))}"}
    service = services[name]
    if command == "start":
        if not running(service):
            service.kill()
            service.start()
    elif command == "stop":
        service.stop()
    elif command == "kill":
        service.kill()
    else:
        return {"error": f"no command {command}"}
    return {"pid": service.pid}


def shut_down():
    # The database last: the others write to it until they end.
    for service in reversed(list(services.values())):
        service.stop()


def main():
    wake_read, wake_write = socket.socketpair()
    wake_write.setblocking(False)
    signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
    asked_to_end = []
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_end.append(True))

    if os.path.exists(SOCKET):
        os.unlink(SOCKET)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(SOCKET)
    os.chmod(SOCKET, 0o600)
    listener.listen(16)

    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    while not asked_to_end:
        for key, _ in selector.select():
            if key.fileobj is wake_read:
                wake_read.recv(4096)
                reap()
                continue
            connection, _ = listener.accept()
            with connection, connection.makefile("rw") as stream:
                connection.settimeout(5)
                try:
                    answer = handle(json.loads(stream.readline()))
                except Exception as error:  # process 1 must not end by a bad request
                    answer = {"error": repr(error)}
                try:
                    stream.write(json.dumps(answer) + "\n")
                    stream.flush()
                except OSError as error:
                    print(f"supervisor: answer not taken: {error}", flush=True)
    listener.close()
    os.unlink(SOCKET)
    shut_down()


if __name__ == "__main__":
    sys.exit(main())
