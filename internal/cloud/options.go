package cloud

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// Options are the values of the --os-* options, named as the openstack client
// names them. An empty string means that the option was not given, so that
// the OS_* variable and then the chosen cloud's own setting count.
type Options struct {
	Cloud      string // --os-cloud
	RegionName string // --os-region-name
	Interface  string // --os-interface: public, internal or admin

	AuthType    string // --os-auth-type: password, v3applicationcredential, token …
	AuthURL     string // --os-auth-url
	Username    string // --os-username
	UserID      string // --os-user-id
	Password    string // --os-password
	Token       string // --os-token
	Endpoint    string // --os-endpoint, for the types admin_token and none
	SystemScope string // --os-system-scope: all
	TrustID     string // --os-trust-id

	ProjectName       string // --os-project-name, --os-tenant-name
	ProjectID         string // --os-project-id, --os-tenant-id
	DomainName        string // --os-domain-name
	DomainID          string // --os-domain-id
	UserDomainName    string // --os-user-domain-name
	UserDomainID      string // --os-user-domain-id
	ProjectDomainName string // --os-project-domain-name
	ProjectDomainID   string // --os-project-domain-id
	DefaultDomain     string // --os-default-domain
	DefaultDomainName string // --os-default-domain-name
	DefaultDomainID   string // --os-default-domain-id

	ApplicationCredentialID     string // --os-application-credential-id
	ApplicationCredentialName   string // --os-application-credential-name
	ApplicationCredentialSecret string // --os-application-credential-secret

	CACert   string // --os-cacert
	Cert     string // --os-cert
	Key      string // --os-key
	Verify   bool   // --verify
	Insecure bool   // --insecure; excludes Verify

	IdentityAPIVersion string // --os-identity-api-version
	ImageAPIVersion    string // --os-image-api-version
}

// Env is what Load sees of the machine: variables, files and where to look
// for them. Tests make their own.
type Env struct {
	LookupEnv  func(string) (string, bool)
	Environ    func() []string // NAME=value, as os.Environ
	ReadFile   func(path string) ([]byte, error)
	HomeDir    string   // for ~ in the paths of certificates
	WorkDir    string   // searched first
	ConfigDirs []string // searched next, in this order
}

// OSEnv returns the Env of this process. The configuration folders are those
// of the openstack client (openstack/config/loader.py, CONFIG_SEARCH_PATH, and
// platformdirs): the user's, then ~/.config/openstack, then the machine's.
func OSEnv() Env {
	env := Env{LookupEnv: os.LookupEnv, Environ: os.Environ, ReadFile: os.ReadFile}
	env.HomeDir, _ = os.UserHomeDir()
	env.WorkDir, _ = os.Getwd()
	env.ConfigDirs = configDirs(runtime.GOOS, env.HomeDir, os.Getenv)
	return env
}

// configDirs lists the folders in which the client looks after the working
// directory.
func configDirs(goos, home string, getenv func(string) string) []string {
	var user string
	var site []string
	switch goos {
	case "windows":
		// platformdirs puts the author's name between, if there is one.
		user = filepath.Join(getenv("LOCALAPPDATA"), "OpenStack", "openstack")
		site = []string{filepath.Join(getenv("ProgramData"), "OpenStack", "openstack")}
	case "darwin":
		user = filepath.Join(home, "Library", "Application Support", "openstack")
		site = []string{"/Library/Application Support/openstack"}
	default:
		user = filepath.Join(home, ".config", "openstack")
		if dir := strings.TrimSpace(getenv("XDG_CONFIG_HOME")); dir != "" {
			user = filepath.Join(dir, "openstack")
		}
		list := getenv("XDG_CONFIG_DIRS")
		if strings.TrimSpace(list) == "" {
			list = "/etc/xdg"
		}
		for _, dir := range filepath.SplitList(list) {
			if dir != "" {
				site = append(site, filepath.Join(dir, "openstack"))
			}
		}
	}
	// In a snap HOME is the snap's own; the person's is in SNAP_REAL_HOME.
	if real := getenv("SNAP_REAL_HOME"); real != "" {
		home = real
	}
	dirs := []string{user}
	for _, dir := range append([]string{filepath.Join(home, ".config", "openstack")}, append(site, "/etc/openstack")...) {
		if dir != dirs[len(dirs)-1] {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

func (e Env) get(name string) string {
	value, _ := e.LookupEnv(name)
	return value
}

// expand replaces a leading ~ by the home folder, as Python's expanduser does,
// and makes a relative path one below the working directory.
func (e Env) expand(path string) string {
	switch {
	case path == "~":
		path = e.HomeDir
	case strings.HasPrefix(path, "~/"):
		path = filepath.Join(e.HomeDir, path[2:])
	}
	if path != "" && !filepath.IsAbs(path) {
		path = filepath.Join(e.WorkDir, path)
	}
	return path
}

// setting is one value that the openstack client takes from an option or,
// where that is missing, from a variable, and puts above the cloud's own.
type setting struct {
	key   string   // its key in a cloud of clouds.yaml, or in its auth section
	env   []string // variables, the first that is set counts
	value func(*Options) string
}

// settings lists what osc-lib registers as options with a variable as their
// default: osc_lib/shell.py build_option_parser and osc_lib/api/auth.py
// build_auth_plugins_option_parser. OS_INSECURE, OS_VERIFY and
// OS_IMAGE_ENDPOINT_OVERRIDE are not among them.
var settings = []setting{
	{"region_name", []string{"OS_REGION_NAME"}, func(o *Options) string { return o.RegionName }},
	{"interface", []string{"OS_INTERFACE"}, func(o *Options) string { return o.Interface }},
	{"auth_type", []string{"OS_AUTH_TYPE"}, func(o *Options) string { return o.AuthType }},
	{"cacert", []string{"OS_CACERT"}, func(o *Options) string { return o.CACert }},
	{"cert", []string{"OS_CERT"}, func(o *Options) string { return o.Cert }},
	{"key", []string{"OS_KEY"}, func(o *Options) string { return o.Key }},
	{"default_domain", []string{"OS_DEFAULT_DOMAIN"}, func(o *Options) string { return o.DefaultDomain }},
	{"identity_api_version", []string{"OS_IDENTITY_API_VERSION"}, func(o *Options) string { return o.IdentityAPIVersion }},
	{"image_api_version", []string{"OS_IMAGE_API_VERSION"}, func(o *Options) string { return o.ImageAPIVersion }},
	{"service_provider", []string{"OS_SERVICE_PROVIDER"}, nil},

	{"auth_url", []string{"OS_AUTH_URL"}, func(o *Options) string { return o.AuthURL }},
	{"username", []string{"OS_USERNAME"}, func(o *Options) string { return o.Username }},
	{"user_id", []string{"OS_USER_ID"}, func(o *Options) string { return o.UserID }},
	{"password", []string{"OS_PASSWORD"}, func(o *Options) string { return o.Password }},
	{"token", []string{"OS_TOKEN"}, func(o *Options) string { return o.Token }},
	{"endpoint", []string{"OS_ENDPOINT"}, func(o *Options) string { return o.Endpoint }},
	{"system_scope", []string{"OS_SYSTEM_SCOPE"}, func(o *Options) string { return o.SystemScope }},
	{"trust_id", []string{"OS_TRUST_ID"}, func(o *Options) string { return o.TrustID }},
	{"project_name", []string{"OS_PROJECT_NAME", "OS_TENANT_NAME"}, func(o *Options) string { return o.ProjectName }},
	{"project_id", []string{"OS_PROJECT_ID", "OS_TENANT_ID"}, func(o *Options) string { return o.ProjectID }},
	{"domain_name", []string{"OS_DOMAIN_NAME"}, func(o *Options) string { return o.DomainName }},
	{"domain_id", []string{"OS_DOMAIN_ID"}, func(o *Options) string { return o.DomainID }},
	{"user_domain_name", []string{"OS_USER_DOMAIN_NAME"}, func(o *Options) string { return o.UserDomainName }},
	{"user_domain_id", []string{"OS_USER_DOMAIN_ID"}, func(o *Options) string { return o.UserDomainID }},
	{"project_domain_name", []string{"OS_PROJECT_DOMAIN_NAME"}, func(o *Options) string { return o.ProjectDomainName }},
	{"project_domain_id", []string{"OS_PROJECT_DOMAIN_ID"}, func(o *Options) string { return o.ProjectDomainID }},
	{"default_domain_name", []string{"OS_DEFAULT_DOMAIN_NAME"}, func(o *Options) string { return o.DefaultDomainName }},
	{"default_domain_id", []string{"OS_DEFAULT_DOMAIN_ID"}, func(o *Options) string { return o.DefaultDomainID }},
	{"application_credential_id", []string{"OS_APPLICATION_CREDENTIAL_ID"}, func(o *Options) string { return o.ApplicationCredentialID }},
	{"application_credential_name", []string{"OS_APPLICATION_CREDENTIAL_NAME"}, func(o *Options) string { return o.ApplicationCredentialName }},
	{"application_credential_secret", []string{"OS_APPLICATION_CREDENTIAL_SECRET"}, func(o *Options) string { return o.ApplicationCredentialSecret }},
}

// arguments collects the options and, below them, the variables.
func arguments(opts Options, env Env) map[string]any {
	// --os-default-domain has a default of its own (osc_lib/shell.py).
	args := map[string]any{"default_domain": "default"}
	for _, s := range settings {
		for _, name := range s.env {
			if value := env.get(name); value != "" {
				args[s.key] = value
				break
			}
		}
		if s.value != nil {
			if value := s.value(&opts); value != "" {
				args[s.key] = value
			}
		}
	}
	if opts.Insecure {
		args["insecure"] = true
	}
	if opts.Verify {
		args["verify"] = true
	}
	return args
}

// environmentCloud makes a cloud of all OS_* variables, which the client calls
// "envvars" (OpenStackConfig._get_os_environ). It is nil if no variable but
// the ones that choose a cloud or a file is set.
func environmentCloud(env Env) map[string]any {
	cloud := map[string]any{}
	real := false
	for _, entry := range env.Environ() {
		name, value, found := strings.Cut(entry, "=")
		if !found || !strings.HasPrefix(name, "OS_") {
			continue
		}
		if strings.HasPrefix(name, "OS_TEST") || strings.HasPrefix(name, "OS_STD") || strings.HasPrefix(name, "OS_LOG") {
			continue
		}
		cloud[strings.ToLower(strings.TrimPrefix(name, "OS_"))] = value
		switch name {
		case "OS_CLOUD", "OS_REGION_NAME", "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE", "OS_CLOUD_NAME":
		default:
			real = true
		}
	}
	if !real {
		return nil
	}
	return cloud
}
