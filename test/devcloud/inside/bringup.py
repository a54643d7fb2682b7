"""Makes a devcloud be what it was asked to be, from whatever state it is in.

Every step looks first whether it is needed, so a second run changes nothing
and one after a crash mends what is broken. The supervisor must be running.
"""

import argparse
import base64
import concurrent.futures
import dataclasses
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys

import control
import identity
import services
from control import Failure
from services import STATE


def run(*argv, log, user=None, stdin=None):
    """Runs a command with its output in a log; its failure names the log."""
    path = f"{STATE}/log/{log}.log"
    with open(path, "ab") as output:
        done = subprocess.run(
            argv,
            input=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            **({"user": user, "group": user, "extra_groups": []} if user else {}),
        )
    if done.returncode != 0:
        raise Failure(f"{' '.join(argv[:3])} failed, see {log}.log")


def write(path, text, owner="root", mode=0o640):
    """Writes a file in one step, so that no half of it is ever read."""
    new = path + ".new"
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    shutil.chown(new, owner, owner)
    os.replace(new, path)


def directory(path, owner="root", mode=0o755):
    os.makedirs(path, exist_ok=True)
    os.chmod(path, mode)
    shutil.chown(path, owner, owner)


class Marker:
    """A file that says that a step has been done, and for what input."""

    def __init__(self, name, text=""):
        self.path = f"{STATE}/done/{name}"
        self.text = text

    @property
    def done(self):
        try:
            with open(self.path) as file:
                return file.read() == self.text
        except FileNotFoundError:
            return False

    def set(self):
        write(self.path, self.text)


def load_settings(arguments):
    try:
        old = services.Settings.load()
        password = old.password
        convert = old.convert
    except FileNotFoundError:
        password = secrets.token_hex(12)
        convert = False
    # The second Glance stays once it is there: nobody minds it, and somebody
    # may be using it. `down` forgets it.
    convert = arguments.convert or (convert and "glance-convert" in control.ask("status"))
    settings = services.Settings(
        release=arguments.release,
        port=arguments.port,
        token_lifetime=arguments.token_lifetime,
        protections=arguments.protections,
        convert=convert,
        password=password,
    )
    write(services.SETTINGS, json.dumps(dataclasses.asdict(settings), indent=1), mode=0o600)
    return settings


def lay_out(settings):
    """Directories and configuration files."""
    for name, owner in (
        ("mariadb", "mysql"),
        ("keystone", "keystone"),
        ("keystone/fernet-keys", "keystone"),
        ("keystone/credential-keys", "keystone"),
        ("run/glance", "glance"),
        ("run/glance-convert", "glance"),
    ):
        directory(f"{STATE}/{name}", owner, 0o750)
    for name in ("glance", "glance-convert"):
        for kind in ("staging", "tasks"):
            directory(f"{STATE}/stores/{name}/{kind}", "glance", 0o750)
    for store in services.STORES:
        directory(f"{STATE}/stores/glance-convert/{store}", "glance", 0o750)
        if store != "tiny":
            directory(f"{STATE}/stores/{store}", "glance", 0o750)
    # MariaDB makes its socket and pid file there as its own user.
    directory(f"{STATE}/run", mode=0o1777)
    directory(f"{STATE}/tmp", mode=0o1777)
    for name in ("etc", "log", "tls"):
        directory(f"{STATE}/{name}")

    for path, (text, owner) in services.files(settings).items():
        write(path, text, owner)
    # Keystone's keys: as `keystone-manage fernet_setup` makes them, without
    # the seconds that it takes to start. 0 is the next key, 1 the one in use.
    for repository in ("fernet-keys", "credential-keys"):
        for key in ("0", "1"):
            path = f"{STATE}/keystone/{repository}/{key}"
            if not os.path.exists(path):
                text = base64.urlsafe_b64encode(os.urandom(32)).decode()
                write(path, text, "keystone", 0o600)


def make_certificates():
    """A private CA and the certificate of the TLS ports, for ten years."""
    marker = Marker("tls")
    if marker.done:
        return
    tls = f"{STATE}/tls"
    write(
        f"{tls}/server.ext",
        "subjectAltName = IP:127.0.0.1, DNS:localhost\n"
        "basicConstraints = CA:FALSE\nextendedKeyUsage = serverAuth\n",
    )
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    run(
        *("openssl", "req", "-x509", *key, "-days", "3650", "-subj", "/CN=devcloud CA"),
        *("-keyout", f"{tls}/ca.key", "-out", f"{tls}/ca.pem"),
        *("-addext", "keyUsage = critical,keyCertSign,cRLSign"),
        log="tls",
    )
    run(
        *("openssl", "req", *key, "-subj", "/CN=devcloud"),
        *("-keyout", f"{tls}/server.key", "-out", f"{tls}/server.csr"),
        log="tls",
    )
    run(
        *("openssl", "x509", "-req", "-in", f"{tls}/server.csr", "-days", "3650"),
        *("-CA", f"{tls}/ca.pem", "-CAkey", f"{tls}/ca.key", "-CAcreateserial"),
        *("-extfile", f"{tls}/server.ext", "-out", f"{tls}/server.pem"),
        log="tls",
    )
    marker.set()


class Starter:
    """Starts services, but those that run as they should."""

    def __init__(self, settings):
        self.settings = settings
        self.specs = services.specs(settings)
        self.before = control.ask("status")

    def ports(self, name):
        ports = self.settings.ports
        if name == "tls":
            return [ports["keystone-tls"], ports["glance-tls"]]
        return [ports[name]] if name in ports else []

    def runs(self, name):
        return name in self.before and self.before[name]["running"]

    def check_ports(self):
        """Else another program's answers would be taken for a service's."""
        for name in self.specs:
            for port in [] if self.runs(name) else self.ports(name):
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    try:
                        probe.bind(("127.0.0.1", port))
                    except OSError as error:
                        raise Failure(
                            f"port {port} for {name} is taken by another program; with "
                            "DEVCLOUD_PORT_OFFSET=100 in the environment all move by 100"
                        ) from error

    def start(self, name):
        if self.runs(name):
            if self.before[name]["spec"] == self.specs[name]:
                return
            control.ask("stop", name)
        control.ask("start", name, self.specs[name])

    def wait(self, name):
        control.wait_until_answers(self.settings, name)


def make_database(starter):
    """A MariaDB with a database and a user for each service."""
    installed = Marker("mariadb")
    if not installed.done:
        shutil.rmtree(f"{STATE}/mariadb")
        directory(f"{STATE}/mariadb", "mysql", 0o750)
        run(
            "mariadb-install-db",
            f"--defaults-file={STATE}/etc/mariadb.cnf",
            "--auth-root-authentication-method=socket",
            "--auth-root-socket-user=root",
            "--skip-test-db",
            log="mariadb-install",
        )
        installed.set()
    starter.start("mariadb")
    starter.wait("mariadb")
    databases = Marker("databases")
    if not databases.done:
        password = starter.settings.password
        sql = ""
        for name, user in (
            ("keystone", "keystone"),
            ("glance", "glance"),
            ("glance_convert", "glance"),
        ):
            sql += (
                f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb3;"
                f"CREATE OR REPLACE USER {user}@localhost IDENTIFIED BY '{password}';"
            )
        sql += (
            "GRANT ALL ON keystone.* TO keystone@localhost;"
            "GRANT ALL ON glance.* TO glance@localhost;"
            "GRANT ALL ON glance_convert.* TO glance@localhost;"
        )
        socket_option = f"--socket={services.DATABASE_SOCKET}"
        run("mariadb", socket_option, log="mariadb-install", stdin=sql.encode())
        databases.set()


def make_keystone(starter):
    settings = starter.settings
    manage = ("keystone-manage", "--config-file", f"{STATE}/etc/keystone.conf")
    schema = Marker("keystone-schema")
    if not schema.done:
        run(*manage, "db_sync", log="keystone-manage", user="keystone")
        schema.set()
    # The bootstrap is repeated when the address changes: it mends the catalogue.
    bootstrap = Marker("keystone-bootstrap", settings.url("keystone"))
    if not bootstrap.done:
        run(
            *(*manage, "bootstrap", "--bootstrap-password", settings.password),
            *("--bootstrap-region-id", identity.REGION),
            *("--bootstrap-public-url", settings.url("keystone")),
            *("--bootstrap-internal-url", settings.url("keystone-tls")),
            *("--bootstrap-admin-url", settings.url("keystone")),
            log="keystone-manage",
            user="keystone",
        )
        bootstrap.set()
    starter.start("keystone")
    # Its first requests are slow, and a write before it answers may fail.
    starter.wait("keystone")
    identity.set_up(settings)


def make_glance(starter, name):
    manage = ("glance-manage", "--config-file", f"{STATE}/etc/{name}.conf")
    schema = Marker(f"{name}-schema")
    if not schema.done:
        run(*manage, "db", "sync", log=f"{name}-manage", user="glance")
        schema.set()
    starter.start(name)
    metadefs = Marker(f"{name}-metadefs")
    if not metadefs.done:
        run(*manage, "db", "load_metadefs", log=f"{name}-manage", user="glance")
        metadefs.set()
    starter.wait(name)


def make_tls(starter):
    make_certificates()
    starter.start("tls")
    starter.wait("tls")


def bring_up(arguments):
    directory(f"{STATE}/done")
    settings = load_settings(arguments)
    lay_out(settings)
    starter = Starter(settings)
    starter.check_ports()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        tls = pool.submit(make_tls, starter)
        make_database(starter)
        steps = [tls, pool.submit(make_keystone, starter)]
        names = services.GLANCES if settings.convert else services.GLANCES[:1]
        steps += [pool.submit(make_glance, starter, name) for name in names]
        for step in steps:
            step.result()
    identity.check(settings)
    write(
        f"{STATE}/clouds.yaml",
        identity.clouds_yaml(settings, arguments.cacert),
        mode=0o600,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--release", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cacert", required=True, help="where clients find the CA's certificate")
    parser.add_argument("--token-lifetime", type=int, default=3600)
    parser.add_argument("--protections", action="store_true")
    parser.add_argument("--convert", action="store_true")
    arguments = parser.parse_args()
    try:
        bring_up(arguments)
    except (Failure, OSError) as error:
        sys.exit(f"devcloud: {arguments.release}: {error}")


if __name__ == "__main__":
    main()
