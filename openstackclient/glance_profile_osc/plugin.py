"""What the openstack client wants to know of a plugin.

The names are the client's: openstackclient/common/clientmanager.py,
get_plugin_modules, and openstackclient/shell.py, _load_plugins.
"""

import argparse
from typing import Any

API_NAME = "glance_profile"
API_VERSION_OPTION = "os_glance_profile_api_version"
DEFAULT_API_VERSION = "1"
API_VERSIONS = {"1": "glance_profile_osc"}


def build_option_parser(
    parser: argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """Add no global options: there is one version of the commands."""
    return parser


def make_client(instance: Any) -> None:
    """Make no client: the program has its own."""
    return None
