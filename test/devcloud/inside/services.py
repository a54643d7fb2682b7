"""What a devcloud consists of: ports, configuration files and processes.

Paths are those inside of a release's root, where the state of the devcloud is
/devcloud. Nothing here starts or changes anything.
"""

import dataclasses
import hashlib
import json

STATE = "/devcloud"
SOCKET = f"{STATE}/run/control.sock"
DATABASE_SOCKET = f"{STATE}/run/mariadb.sock"
SETTINGS = f"{STATE}/settings.json"
GLANCES = ("glance", "glance-convert")
STORES = {
    "fast": "the default store",
    "slow": "a second store",
    "tiny": "a store of 8 MiB: real answers of a full store",
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a devcloud was asked to be."""

    release: str
    port: int  # the first of its ports, see below
    token_lifetime: int  # seconds
    protections: bool  # Glance's property protections are on
    convert: bool  # the second Glance, which converts what is imported, runs
    password: str  # of every user and database

    @property
    def ports(self):
        names = ("keystone", "glance", "keystone-tls", "glance-tls", "glance-convert")
        return {name: self.port + index for index, name in enumerate(names)}

    def url(self, name):
        scheme = "https" if name.endswith("-tls") else "http"
        path = "/v3" if name.startswith("keystone") else ""
        return f"{scheme}://127.0.0.1:{self.ports[name]}{path}"

    @classmethod
    def load(cls):
        with open(SETTINGS) as file:
            return cls(**json.load(file))


def database_url(settings, name):
    user = "keystone" if name == "keystone" else "glance"
    return (
        f"mysql+pymysql://{user}:{settings.password}@localhost/"
        f"{name.replace('-', '_')}?unix_socket={DATABASE_SOCKET}"
    )


MARIADB = f"""\
[mariadbd]
user = mysql
datadir = {STATE}/mariadb
socket = {DATABASE_SOCKET}
pid-file = {STATE}/run/mariadb.pid
tmpdir = {STATE}/tmp
skip-networking
skip-name-resolve
# What is lost in a power cut can be made again.
innodb_flush_log_at_trx_commit = 0
innodb_doublewrite = 0
innodb_buffer_pool_size = 128M
performance_schema = off
max_connections = 200
"""

KEYSTONE = """\
[DEFAULT]
use_stderr = true

[database]
connection = {database}

[token]
expiration = {token_lifetime}

[fernet_tokens]
key_repository = /devcloud/keystone/fernet-keys

[fernet_receipts]
key_repository = /devcloud/keystone/fernet-keys

[credential]
key_repository = /devcloud/keystone/credential-keys

[cache]
# Glance has every token validated, which costs a hundred milliseconds without
# a cache. In memory it is exact only because there is a single process.
enabled = true
backend = dogpile.cache.memory_pickle

[identity]
# Two hundred milliseconds a login are of no use here.
password_hash_rounds = 4

[oslo_middleware]
# Behind TLS, the links in answers are to say https.
enable_proxy_headers_parsing = true

[oslo_policy]
policy_dirs = /etc/keystone/policy.d
"""

UWSGI = """\
[uwsgi]
plugins = python3
http-socket = 127.0.0.1:{port}
wsgi-file = /usr/bin/keystone-wsgi-public
env = OS_KEYSTONE_CONFIG_FILES=/devcloud/etc/keystone.conf
master = true
# One process: the cache is its own.
processes = 1
threads = 8
enable-threads = true
lazy-apps = true
need-app = true
die-on-term = true
# Headers carry tokens and catalogues.
buffer-size = 65535
# Read a body that the application does not care for, or the answer is lost in
# a reset of the connection.
post-buffering = 65536
# It closes the connection after each answer, and must say so, or a client that
# keeps its connections writes the next request into a closed one.
add-header = Connection: close
disable-logging = true
"""

GLANCE = """\
[DEFAULT]
bind_host = 127.0.0.1
bind_port = {port}
workers = 2
use_stderr = true
enabled_backends = {backends}
enabled_import_methods = [glance-direct,web-download,copy-image]
{release_options}{protections}
[database]
connection = {database}

[glance_store]
default_backend = fast

{stores}
[os_glance_staging_store]
filesystem_store_datadir = /devcloud/stores/{name}/staging

[os_glance_tasks_store]
filesystem_store_datadir = /devcloud/stores/{name}/tasks

[import_filtering_opts]
# Tests serve files on loopback, on whatever port they get; Glance refuses
# loopback unless the host is named, and other ports than 80 and 443.
allowed_schemes = [http,https]
allowed_hosts = [127.0.0.1,localhost]
allowed_ports = []

[image_import_opts]
image_import_plugins = [{plugins}]

[image_conversion]
output_format = raw

[keystone_authtoken]
www_authenticate_uri = {keystone}
auth_url = {keystone}
auth_type = password
username = glance
password = {password}
project_name = service
user_domain_name = Default
project_domain_name = Default
# The internal interface is the one behind TLS.
interface = public
# A token revoked is a token refused, at once and by every worker.
token_cache_time = -1

[paste_deploy]
flavor = keystone
config_file = /etc/glance/glance-api-paste.ini

[oslo_policy]
# Without these a mere reader may create images on Zed.
enforce_new_defaults = true
policy_dirs = /etc/glance/policy.d

[oslo_middleware]
enable_proxy_headers_parsing = true

[oslo_concurrency]
lock_path = /devcloud/run/{name}
"""

STORE = """\
[{section}]
store_description = {description}
filesystem_store_datadir = {directory}

"""

# Who may touch which property when --protections is given.
PROTECTIONS = """\
[^x_owner_.*]
create = admin
read = admin,member,reader
update = admin
delete = admin

[^x_secret_.*]
create = admin
read = admin
update = admin
delete = admin

[.*]
create = admin,member
read = admin,member,reader
update = admin,member
delete = admin,member
"""

NGINX_SERVER = """\
    server {{
        listen 127.0.0.1:{tls} ssl;
        location / {{
            proxy_pass http://127.0.0.1:{plain};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-Proto https;
        }}
    }}
"""

NGINX = """\
daemon off;
user root;
worker_processes 1;
pid /devcloud/run/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    ssl_certificate /devcloud/tls/server.pem;
    ssl_certificate_key /devcloud/tls/server.key;
    client_body_temp_path /devcloud/tmp/nginx-body;
    proxy_temp_path /devcloud/tmp/nginx-proxy;
    fastcgi_temp_path /devcloud/tmp/nginx-fastcgi;
    uwsgi_temp_path /devcloud/tmp/nginx-uwsgi;
    scgi_temp_path /devcloud/tmp/nginx-scgi;
    # Bytes go through as they come, in both directions.
    client_max_body_size 0;
    proxy_request_buffering off;
    proxy_buffering off;
    proxy_read_timeout 600s;
{servers}}}
"""


def glance_config(settings, name):
    convert = name == "glance-convert"
    # The second Glance has stores of its own, but no need of a tiny one.
    stores = {n: d for n, d in STORES.items() if not convert or n != "tiny"}
    directory = f"{STATE}/stores" + ("/glance-convert" if convert else "")
    return GLANCE.format(
        name=name,
        port=settings.ports[name],
        backends=",".join(f"{store}:file" for store in stores),
        # Zed wants both or neither of this and enforce_new_defaults; later
        # releases know only the other one.
        release_options="enforce_secure_rbac = true\n" if settings.release == "zed" else "",
        protections=(
            "property_protection_file = /devcloud/etc/property-protections.conf\n"
            "property_protection_rule_format = roles\n"
            if settings.protections
            else ""
        ),
        database=database_url(settings, name),
        stores="".join(
            STORE.format(section=store, description=text, directory=f"{directory}/{store}")
            for store, text in stores.items()
        ),
        plugins="image_conversion" if convert else "",
        keystone=settings.url("keystone"),
        password=settings.password,
    )


def files(settings):
    """Every configuration file: path → (text, owner)."""
    ports = settings.ports
    servers = "".join(
        NGINX_SERVER.format(tls=ports[f"{name}-tls"], plain=ports[name])
        for name in ("keystone", "glance")
    )
    keystone = KEYSTONE.format(
        database=database_url(settings, "keystone"), token_lifetime=settings.token_lifetime
    )
    etc = f"{STATE}/etc"
    result = {
        f"{etc}/mariadb.cnf": (MARIADB, "mysql"),
        f"{etc}/keystone.conf": (keystone, "keystone"),
        f"{etc}/uwsgi.ini": (UWSGI.format(port=ports["keystone"]), "keystone"),
        f"{etc}/property-protections.conf": (PROTECTIONS, "glance"),
        f"{etc}/nginx.conf": (NGINX.format(servers=servers), "root"),
    }
    for name in GLANCES:
        result[f"{etc}/{name}.conf"] = (glance_config(settings, name), "glance")
    return result


def specs(settings):
    """The services in the order in which they start, for the supervisor."""
    etc = f"{STATE}/etc"
    text = {path: content for path, (content, _) in files(settings).items()}

    def spec(name, user, argv, *configs, env=None):
        # The fingerprint makes a service whose configuration changed differ
        # from the one that runs.
        fingerprint = hashlib.sha256("".join(text[c] for c in configs).encode()).hexdigest()
        return {
            "argv": argv,
            "user": user,
            "env": env or {},
            "log": f"{STATE}/log/{name}.log",
            "fingerprint": fingerprint,
        }

    def glance(name):
        configs = [f"{etc}/{name}.conf"]
        if settings.protections:
            configs.append(f"{etc}/property-protections.conf")
        return spec(name, "glance", ["glance-api", "--config-file", configs[0]], *configs)

    result = {
        "mariadb": spec(
            "mariadb",
            "mysql",
            ["mariadbd", f"--defaults-file={etc}/mariadb.cnf"],
            f"{etc}/mariadb.cnf",
        ),
        "keystone": spec(
            "keystone",
            "keystone",
            ["uwsgi", "--ini", f"{etc}/uwsgi.ini"],
            f"{etc}/uwsgi.ini",
            f"{etc}/keystone.conf",
        ),
        "glance": glance("glance"),
        "tls": spec("tls", "root", ["nginx", "-c", f"{etc}/nginx.conf"], f"{etc}/nginx.conf"),
    }
    if settings.convert:
        result["glance-convert"] = glance("glance-convert")
    return result
