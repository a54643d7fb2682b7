// Package cloud turns clouds.yaml, OS_* variables and --os-* options into an
// authenticated client for the image service, the way the openstack client
// does it. Load merges the settings and opens no connection; Connect logs in.
// What is sent to the image service afterwards is no business of this package,
// only how: TLS, proxies, redirects, retries, renewed tokens, the debug log.
//
// The rules are those of openstacksdk (openstack/config/loader.py), osc-lib
// (osc_lib/cli/client_config.py, osc_lib/shell.py) and keystoneauth as of
// 2025.1. gophercloud's clientconfig makes the request for a token of the
// merged settings; left alone it would read other files, in another order.
package cloud

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Config is one cloud's merged settings. It is made by Load. Printing it shows
// no secrets.
type Config struct {
	Name      string   // of the cloud in clouds.yaml; "" when variables and options alone make it
	AuthType  string   // password, v3password, token, v3token, v3applicationcredential, admin_token or none
	AuthURL   string   // of Keystone, with or without /v3
	Region    string   // "" for the first endpoint of the catalog
	Interface []string // public, internal or admin, in order of preference

	// ImageEndpoint is used instead of the catalog's address, if set. It can
	// hold %(project_id)s.
	ImageEndpoint string
	// ServiceType and ServiceName choose the service in the catalog; the name
	// is usually empty.
	ServiceType, ServiceName string

	// Verify is false if the server's certificate does not matter. CACert,
	// Cert and Key are absolute paths or empty; Cert can hold the key too.
	Verify            bool
	CACert, Cert, Key string

	// Notes are remarks for the person: what was passed over or is doubtful.
	Notes []string

	// handedOver says that the token is the openstack client's, which is used as
	// it is, and held what Keystone told of it: the token in its answer.
	handedOver bool
	held       map[string]any

	auth map[string]string // the credentials and their scope, by keystoneauth's names
	env  Env
}

// String shows the configuration without its secrets.
func (c Config) String() string {
	name := c.Name
	if name == "" {
		name = "(from variables and options)"
	}
	text := fmt.Sprintf("cloud %s: %s at %s", name, c.AuthType, c.AuthURL)
	for _, key := range []string{"username", "user_id", "application_credential_id", "application_credential_name", "project_name", "project_id", "domain_name", "domain_id", "system_scope"} {
		if value := c.auth[key]; value != "" {
			text += fmt.Sprintf(", %s %s", strings.ReplaceAll(key, "_", " "), value)
		}
	}
	if c.Region != "" {
		text += ", region " + c.Region
	}
	return text
}

// Format makes every verb, %#v too, print String.
func (c Config) Format(s fmt.State, _ rune) { fmt.Fprint(s, c.String()) }

// Login tells the settings from all others that would log in as somebody else or
// somewhere else. Passwords and secrets are not in it; a token is, since it alone
// says whose project it is for, so it is not to be shown.
func (c Config) Login() string {
	text := fmt.Sprintf("%q %q %q %q %q %q %q", c.Name, c.AuthType, c.AuthURL, c.Region, c.Interface, c.ImageEndpoint, c.ServiceName)
	for _, key := range slices.Sorted(maps.Keys(c.auth)) {
		switch key {
		case "password", "application_credential_secret", "passcode":
		default:
			text += fmt.Sprintf(" %s=%q", key, c.auth[key])
		}
	}
	return text
}

// NeedsPassword reports whether a password is required and none was found.
// The openstack client then asks for it on a terminal.
func (c Config) NeedsPassword() bool {
	_, wanted := methods[c.AuthType].options["password"]
	return wanted && c.auth["password"] == ""
}

// Load merges configuration files, the vendor's profile, OS_* variables and
// options into one cloud's settings; the later ones win. It reads files and
// opens no connection. Its errors are of type *Error.
func Load(opts Options, env Env) (Config, error) {
	if opts.Verify && opts.Insecure {
		return Config{}, failf(KindConfig, "--verify and --insecure exclude each other")
	}
	if cfg, ok, err := handedOver(opts.Cloud, env); ok || err != nil {
		return cfg, err
	}
	lib, err := readLibrary(env)
	if err != nil {
		return Config{}, err
	}
	args := arguments(opts, env)
	name := opts.Cloud
	if name == "" {
		name = env.get("OS_CLOUD")
	}
	m := &merger{lib: lib, name: name}
	merged, err := m.merge(args)
	if err != nil {
		return Config{}, err
	}
	cfg, err := m.config(merged)
	if err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// merger puts one cloud together.
type merger struct {
	lib   *library
	name  string // "" for none: variables and options alone
	notes []string
}

// merge follows OpenStackConfig.get_one of openstacksdk with OSC_Config's
// additions: defaults, the vendor's profile, the cloud, its region, options.
func (m *merger) merge(args map[string]any) (map[string]any, error) {
	own, err := m.own()
	if err != nil {
		return nil, err
	}
	config := map[string]any{"auth_type": "password", "interface": "public"}
	if isText(args["endpoint"]) && isText(args["token"]) {
		config["auth_type"] = "admin_token" // OpenStackShell._final_defaults
	}
	profile, err := m.profile(own)
	if err != nil {
		return nil, err
	}
	for _, layer := range []map[string]any{profile, own} {
		if err := m.overlay(config, layer); err != nil {
			return nil, err
		}
	}
	region, values, err := m.region(own, profile, text(args["region_name"]))
	if err != nil {
		return nil, err
	}
	delete(config, "regions")
	if err := m.overlay(config, values); err != nil {
		return nil, err
	}
	args = maps.Clone(args)
	args["region_name"] = region
	if err := m.overlay(config, args); err != nil {
		return nil, err
	}
	if config["auth"] == nil {
		config["auth"] = map[string]any{}
	}
	return m.settle(config)
}

// own is the cloud as the files or the variables have it.
func (m *merger) own() (map[string]any, error) {
	if m.name == "" {
		return map[string]any{}, nil
	}
	if m.name == m.lib.envName {
		if cloud := environmentCloud(m.lib.env); cloud != nil {
			return cloud, nil
		}
	}
	cloud, ok := m.lib.clouds[m.name]
	if !ok {
		return nil, m.lib.unknown(m.name)
	}
	return cloud, nil
}

// overlay lays one layer over config, the auth section key by key. Null does
// not override.
func (m *merger) overlay(config, layer map[string]any) error {
	for key, value := range layer {
		if value == nil {
			continue
		}
		if key != "auth" {
			config[key] = value
			continue
		}
		over, err := mapping(value, m.lib.where(), m.label()+"auth")
		if err != nil {
			return err
		}
		under, _ := config["auth"].(map[string]any)
		auth := maps.Clone(under)
		if auth == nil {
			auth = map[string]any{}
		}
		maps.Copy(auth, over)
		config["auth"] = auth
	}
	return nil
}

// label begins a message with the cloud's name, if there is one.
func (m *merger) label() string {
	if m.name == "" {
		return ""
	}
	return "cloud " + m.name + ": "
}

func (m *merger) note(format string, args ...any) {
	m.notes = append(m.notes, m.label()+fmt.Sprintf(format, args...))
}

// isText reports a string that is not empty.
func isText(value any) bool { return text(value) != "" }

// text is a value as the client's str() gives it.
func text(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		if v {
			return "True"
		}
		return "False"
	}
	return ""
}
