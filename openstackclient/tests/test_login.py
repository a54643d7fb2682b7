"""The login that is handed over, and the rest of the environment."""

import datetime
import json
import types
import unittest
from typing import Any

from glance_profile_osc import login


# As keystoneauth1.access reads it from Keystone's answer.
ACCESS = types.SimpleNamespace(
    user_id="u1",
    username="ann",
    role_names=["member"],
    project_id="p1",
    project_name="demo",
    project_domain_id="default",
    project_domain_name="Default",
    expires=datetime.datetime.fromisoformat("2040-01-01T01:00:00+01:00"),
    has_service_catalog=lambda: True,
    service_catalog=types.SimpleNamespace(
        catalog=[
            {"type": "image", "name": "glance", "endpoints": [{"url": "x"}]},
            {"type": "compute", "name": "nova", "endpoints": [{"url": "y"}]},
        ]
    ),
)


class Plugin:
    """An auth plugin of keystoneauth's: with Keystone, or without."""

    def __init__(self, auth_url: str | None) -> None:
        if auth_url is not None:
            self.auth_url = auth_url

    def get_access(self, session: Any) -> Any:
        return ACCESS

    def get_token(self, session: Any) -> str:
        return "s3cret"

    def get_endpoint(self, session: Any) -> str:
        return "http://glance"


def app(
    auth_url: str | None = "http://keystone/v3",
    verify: bool | str = True,
    cert: Any = None,
    cloud: str | None = "prod",
    **config: Any,
) -> Any:
    session = types.SimpleNamespace(
        auth=Plugin(auth_url), verify=verify, cert=cert
    )
    return types.SimpleNamespace(
        cloud=types.SimpleNamespace(
            config={"auth_type": "password", "interface": "public", **config}
        ),
        client_manager=types.SimpleNamespace(session=session),
        options=types.SimpleNamespace(cloud=cloud),
    )


class HeldTest(unittest.TestCase):
    def test_token(self) -> None:
        got = login.held(
            app(region_name="RegionOne", auth={"password": "other"})
        )
        self.assertEqual(
            got,
            {
                "name": "prod",
                "auth_type": "token",
                "auth": {"auth_url": "http://keystone/v3", "token": "s3cret"},
                "region_name": "RegionOne",
                "interface": "public",
                "verify": True,
                "held": {
                    "user": {"id": "u1", "name": "ann"},
                    "roles": [{"name": "member"}],
                    "project": {
                        "id": "p1",
                        "name": "demo",
                        "domain": {"id": "default", "name": "Default"},
                    },
                    "expires_at": "2040-01-01T00:00:00.000000Z",
                    "catalog": [
                        {
                            "type": "image",
                            "name": "glance",
                            "endpoints": [{"url": "x"}],
                        },
                        {"type": "compute", "endpoints": []},
                    ],
                },
            },
        )

    def test_without_a_cloud_of_clouds_yaml(self) -> None:
        self.assertEqual(login.held(app(cloud=None))["name"], "")

    def test_image_service(self) -> None:
        got = login.held(
            app(image_endpoint_override="http://x", image_interface="admin")
        )
        self.assertEqual(got["image_endpoint_override"], "http://x")
        self.assertEqual(got["image_interface"], "admin")

    def test_tls(self) -> None:
        got = login.held(app(verify="/ca.pem", cert=("/c.pem", "/k.pem")))
        self.assertNotIn("verify", got)
        self.assertEqual(got["cacert"], "/ca.pem")
        self.assertEqual((got["cert"], got["key"]), ("/c.pem", "/k.pem"))
        got = login.held(app(verify=False, cert="/both.pem"))
        self.assertIs(got["verify"], False)
        self.assertEqual(got["cert"], "/both.pem")
        self.assertNotIn("key", got)

    def test_without_keystone(self) -> None:
        got = login.held(app(auth_url=None, auth_type="admin_token"))
        self.assertNotIn("held", got)
        self.assertEqual(got["auth_type"], "admin_token")
        self.assertEqual(
            got["auth"], {"endpoint": "http://glance", "token": "s3cret"}
        )
        got = login.held(app(auth_url=None, auth_type="none"))
        self.assertEqual(got["auth_type"], "none")
        self.assertEqual(got["auth"], {"endpoint": "http://glance"})


class EnvironmentTest(unittest.TestCase):
    given = {
        "PATH": "/bin",
        "OS_PASSWORD": "x",
        "OS_CLOUD": "x",
        "OS_CLIENT_CONFIG_FILE": "/clouds.yaml",
        login.VARIABLE: "of another run",
    }

    def test_leftovers_are_gone(self) -> None:
        self.assertEqual(
            login.environment(self.given, None),
            {"PATH": "/bin", "OS_CLIENT_CONFIG_FILE": "/clouds.yaml"},
        )

    def test_login(self) -> None:
        got = login.environment(self.given, {"name": "prod"})
        self.assertEqual(json.loads(got[login.VARIABLE]), {"name": "prod"})
