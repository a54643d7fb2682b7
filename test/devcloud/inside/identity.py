"""Users, projects and the catalogue of a devcloud, and its clouds.yaml.

All of it goes through Keystone's API in one process: the standard client takes
seconds a call.
"""

import json
import os
import time

import requests
import yaml

from control import Failure
from services import STATE

REGION = "RegionOne"
SECRETS = f"{STATE}/application-credential.json"
# Each user, and its role on which project.
USERS = {
    "devcloud-member": ("devcloud", "member"),
    "devcloud-reader": ("devcloud", "reader"),
    "devcloud-other": ("devcloud-other", "member"),
    "glance": ("service", "admin"),
}


class Keystone:
    """Keystone's API as one user."""

    def __init__(self, settings, identity, scope=None):
        self.session = requests.Session()
        self.session.trust_env = False  # no proxy, no .netrc
        self.url = settings.url("keystone")
        self.identity, self.scope = identity, scope
        self.authenticate()

    def authenticate(self):
        identity, scope = self.identity, self.scope
        auth = {"identity": identity}
        if scope:
            auth["scope"] = scope
        answer = self.session.post(f"{self.url}/auth/tokens", json={"auth": auth}, timeout=30)
        if answer.status_code != 201:
            raise Failure(f"login failed: {answer.status_code} {answer.text}")
        self.token = answer.json()["token"]
        self.session.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]

    def call(self, method, path, body=None, **query):
        for attempt in range(4):
            answer = self.session.request(
                method, f"{self.url}/{path}", json=body, params=query, timeout=30
            )
            if answer.status_code != 401 or attempt == 3:
                break
            # A password or role that was just set revokes the tokens that were
            # issued within the same second; Keystone's events know no less.
            time.sleep(1)
            self.authenticate()
        if not answer.ok:
            raise Failure(f"keystone: {method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def ensure(self, kind, body, **key):
        """The id of the one object with that key; it is made or mended if need be."""
        found = self.call("GET", f"{kind}s", **key)[f"{kind}s"]
        if not found:
            return self.call("POST", f"{kind}s", {kind: {**key, **body}})[kind]["id"]
        identifier = found[0]["id"]
        if any(found[0].get(name) != value for name, value in body.items()):
            self.call("PATCH", f"{kind}s/{identifier}", {kind: body})
        return identifier


def password_of(settings, name):
    user = {"name": name, "domain": {"id": "default"}, "password": settings.password}
    return {"methods": ["password"], "password": {"user": user}}


def project_scope(name):
    return {"project": {"name": name, "domain": {"id": "default"}}}


def application_credential():
    with open(SECRETS) as file:
        return json.load(file)


def application_credential_identity():
    return {
        "methods": ["application_credential"],
        "application_credential": application_credential(),
    }


def set_up(settings):
    """Makes whatever is missing; does nothing when a member can log in."""
    try:
        check(settings)
        return
    except (Failure, OSError, KeyError):
        pass
    admin = Keystone(settings, password_of(settings, "admin"), project_scope("admin"))
    roles = {role["name"]: role["id"] for role in admin.call("GET", "roles")["roles"]}
    for name, (project, role) in USERS.items():
        project_id = admin.ensure("project", {}, name=project, domain_id="default")
        user_id = admin.ensure("user", {}, name=name, domain_id="default")
        # A user that is there keeps its password hidden, so it is always set.
        admin.call("PATCH", f"users/{user_id}", {"user": {"password": settings.password}})
        admin.call("PUT", f"projects/{project_id}/users/{user_id}/roles/{roles[role]}")
    # The bootstrap gave the administrator a project and the system; with the
    # domain, every kind of scope can be tried.
    admin_id = admin.token["user"]["id"]
    admin.call("PUT", f"domains/default/users/{admin_id}/roles/{roles['admin']}")

    service = admin.ensure("service", {"name": "glance"}, type="image")
    for interface, name in (("public", "glance"), ("internal", "glance-tls"), ("admin", "glance")):
        admin.ensure(
            "endpoint",
            {"url": settings.url(name), "region_id": REGION},
            service_id=service,
            interface=interface,
        )

    member = Keystone(settings, password_of(settings, "devcloud-member"), project_scope("devcloud"))
    path = f"users/{member.token['user']['id']}/application_credentials"
    for old in member.call("GET", path, name="devcloud")["application_credentials"]:
        # Its secret is told only once, so one that does not work is of no use.
        member.call("DELETE", f"{path}/{old['id']}")
    made = member.call("POST", path, {"application_credential": {"name": "devcloud"}})
    made = made["application_credential"]
    with open(os.open(SECRETS, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({"id": made["id"], "secret": made["secret"]}, file)


def check(settings):
    """Logs in as everybody, and looks where the catalogue leads."""
    for name, (project, role) in {**USERS, "admin": ("admin", "admin")}.items():
        token = Keystone(settings, password_of(settings, name), project_scope(project)).token
        if role not in {r["name"] for r in token["roles"]}:
            raise Failure(f"{name} is no {role} of {project}")
    token = Keystone(settings, application_credential_identity()).token
    urls = {
        (service["type"], endpoint["interface"]): endpoint["url"]
        for service in token["catalog"]
        for endpoint in service["endpoints"]
    }
    for kind, name in (("identity", "keystone"), ("image", "glance")):
        for interface, port in (("public", name), ("internal", f"{name}-tls"), ("admin", name)):
            if urls[kind, interface] != settings.url(port):
                raise Failure(f"the catalogue leads to {urls[kind, interface]}")


def clouds_yaml(settings, cacert):
    def cloud(**auth):
        return {
            "auth": {"auth_url": settings.url("keystone"), **auth},
            "region_name": REGION,
            "interface": "public",
            "identity_api_version": 3,
        }

    def with_password(user, project):
        return cloud(
            username=user,
            password=settings.password,
            project_name=project,
            user_domain_name="Default",
            project_domain_name="Default",
        )

    clouds = {"devcloud-admin": with_password("admin", "admin")}
    for name, (project, _) in USERS.items():
        if name != "glance":
            clouds[name] = with_password(name, project)
    credential = application_credential()
    clouds["devcloud-appcred"] = {
        **cloud(
            application_credential_id=credential["id"],
            application_credential_secret=credential["secret"],
        ),
        "auth_type": "v3applicationcredential",
    }
    # TLS is the internal interface of the one region. A second region would
    # make every login without a region ambiguous.
    tls = with_password("devcloud-member", "devcloud")
    tls["auth"]["auth_url"] = settings.url("keystone-tls")
    clouds["devcloud-tls"] = {**tls, "interface": "internal", "cacert": cacert}
    if settings.convert:
        clouds["devcloud-convert"] = {
            **with_password("devcloud-member", "devcloud"),
            "image_endpoint_override": settings.url("glance-convert"),
        }
    text = yaml.safe_dump({"clouds": clouds}, sort_keys=False)
    return f"# OpenStack {settings.release} of test/devcloud, written by its `up`.\n{text}"
