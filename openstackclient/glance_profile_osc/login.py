"""Hands the client's login over to the program, in the environment.

It is one variable: a cloud as clouds.yaml has them, in JSON, with the token
that the client holds and what Keystone told of it. The program uses that token
as it is, and need not ask what it is for. The OS_* variables stay behind: the
client has read them, with its options over them, and what it made of them is
in that variable.
"""

import datetime
import json
import os
from collections.abc import Mapping
from typing import Any

VARIABLE = "GLANCE_PROFILE_LOGIN"

# Where files are: those of other clouds are read for --all-clouds.
_KEPT = frozenset(
    ("OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE", "OS_CLIENT_VENDOR_FILE")
)

# Settings of a cloud that say where the image service is.
_PLACE = (
    "region_name",
    "interface",
    "image_region_name",
    "image_interface",
    "image_service_type",
    "image_service_name",
    "image_endpoint",
    "image_endpoint_override",
)


def environment(
    given: Mapping[str, str], cloud: Mapping[str, Any] | None
) -> dict[str, str]:
    """Return the program's environment, with a login if there is one."""
    env = {
        name: value
        for name, value in given.items()
        if name != VARIABLE and (not name.startswith("OS_") or name in _KEPT)
    }
    if cloud is not None:
        env[VARIABLE] = json.dumps(cloud)
    return env


def held(app: Any) -> dict[str, Any]:
    """Return the login that the client holds, as a cloud of clouds.yaml."""
    config = app.cloud.config
    session = app.client_manager.session
    cloud = {key: config[key] for key in _PLACE if config.get(key)}
    cloud["name"] = app.options.cloud or ""
    if isinstance(session.verify, str):
        cloud["cacert"] = os.path.abspath(session.verify)
    else:
        cloud["verify"] = bool(session.verify)
    if isinstance(session.cert, (tuple, list)):
        cloud["cert"], cloud["key"] = session.cert
    elif session.cert:
        cloud["cert"] = session.cert
    cloud["auth_type"], cloud["auth"] = _credentials(config, session)
    if cloud["auth_type"] == "token":
        service = config.get("image_service_type") or "image"
        cloud["held"] = _token(session.auth.get_access(session), service)
    return cloud


def _credentials(
    config: Mapping[str, Any], session: Any
) -> tuple[str, dict[str, str]]:
    """Return how the client is logged in, with or without Keystone."""
    plugin = session.auth
    address = getattr(plugin, "auth_url", None)
    if address:
        token = plugin.get_token(session)
        return "token", {"auth_url": address, "token": token}
    endpoint = {"endpoint": plugin.get_endpoint(session)}
    if config["auth_type"] == "none":
        return "none", endpoint
    return "admin_token", {**endpoint, "token": plugin.get_token(session)}


def _token(access: Any, service: str) -> dict[str, Any]:
    """Return what Keystone told of the token, as its API has it.

    Of the catalog only that service's addresses count. A whole one may be too
    long for the environment.
    """
    token: dict[str, Any] = {
        "user": {"id": access.user_id, "name": access.username},
        "roles": [{"name": name} for name in access.role_names],
        "catalog": [],
    }
    if access.expires is not None:
        ends = access.expires.astimezone(datetime.timezone.utc)
        token["expires_at"] = ends.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if access.project_id:
        domain = {
            "id": access.project_domain_id,
            "name": access.project_domain_name,
        }
        token["project"] = {
            "id": access.project_id,
            "name": access.project_name,
            "domain": domain,
        }
    if access.has_service_catalog():
        for entry in access.service_catalog.catalog:
            if entry.get("type") != service:
                entry = {"type": entry.get("type"), "endpoints": []}
            token["catalog"].append(entry)
    return token
