package cloud

import (
	"maps"
	"slices"
	"strings"
)

// profile returns the vendor's settings that the cloud builds on ("profile", or
// its old name "cloud"): from clouds-public.yaml, else from the profiles that
// openstacksdk ships (OpenStackConfig._expand_vendor_profile).
func (m *merger) profile(own map[string]any) (map[string]any, error) {
	name := text(own["profile"])
	if _, set := own["profile"]; !set {
		name = text(own["cloud"])
	}
	if name == "" || name == m.lib.envName {
		return nil, nil
	}
	file, err := m.lib.vendor()
	if err != nil {
		return nil, err
	}
	public, err := mapping(file.content["public-clouds"], file.path, "public-clouds")
	if err != nil {
		return nil, err
	}
	if value, ok := public[name]; ok {
		return mapping(value, file.path, "profile "+name)
	}
	shipped, ok := vendorProfile(name)
	if nested, isLink := shipped["profile"].(string); ok && isLink {
		name, shipped, ok = nested, nil, false
		if inner, found := vendorProfile(nested); found {
			shipped, ok = inner, true
		}
	}
	switch {
	case ok && shipped["status"] == "shutdown":
		return nil, failf(KindConfig, "%sprofile %s is of a cloud that no longer exists: %s", m.label(), name, text(shipped["message"]))
	case ok:
		if shipped["status"] == "deprecated" {
			m.note("profile %s is deprecated: %s", name, text(shipped["message"]))
		}
		profile := maps.Clone(shipped)
		delete(profile, "status")
		delete(profile, "message")
		return profile, nil
	case strings.Contains(name, "://"):
		auth, _ := own["auth"].(map[string]any)
		if isText(auth["auth_url"]) || isText(own["auth_url"]) {
			m.note("profile %s was not fetched", name)
			return nil, nil
		}
		return nil, failf(KindConfig, "%sthe profile is kept at %s/.well-known/openstack/api, which is not fetched: copy auth_url and regions from there into the cloud",
			m.label(), strings.TrimRight(name, "/"))
	}
	m.note("there is no vendor profile named %s", name)
	return nil, nil
}

// region chooses the region and returns the settings of its own
// (OpenStackConfig._get_region). Where the cloud or its profile names regions,
// another one is an error.
func (m *merger) region(own, profile map[string]any, wanted string) (string, map[string]any, error) {
	if m.name == "" {
		return wanted, nil, nil
	}
	var known []any
	if value, ok := lookup(own, "regions"); ok {
		list, isList := value.([]any)
		if !isList && value != nil {
			return "", nil, failf(KindConfig, "%sregions is not a list", m.label())
		}
		known = list
	} else if value, ok := lookup(own, "region_name"); ok {
		switch v := value.(type) {
		case []any:
			known = v
		default:
			for _, name := range strings.Split(text(v), ",") {
				known = append(known, name)
			}
		}
	} else if list, ok := profile["regions"].([]any); ok && len(list) > 0 {
		known = list
	} else if isText(profile["region_name"]) {
		known = []any{profile["region_name"]}
	}
	if len(known) == 0 {
		return wanted, nil, nil
	}
	names := []string{}
	for i, entry := range known {
		name, values := text(entry), map[string]any(nil)
		if full, ok := entry.(map[string]any); ok {
			for key := range full {
				if key != "name" && key != "values" {
					return "", nil, failf(KindConfig, "%sa region has the key %s; only name and values are allowed", m.label(), key)
				}
			}
			name = text(full["name"])
			var err error
			if values, err = mapping(full["values"], m.lib.where(), "values of region "+name); err != nil {
				return "", nil, err
			}
		}
		if (wanted == "" && i == 0) || (wanted != "" && name == wanted) {
			return name, values, nil
		}
		names = append(names, name)
	}
	return "", nil, failf(KindEndpoint, "%sthere is no region %s; there are %s", m.label(), wanted, strings.Join(names, ", "))
}

// lookup finds a key written with _ or with -.
func lookup(settings map[string]any, key string) (any, bool) {
	if value, ok := settings[key]; ok {
		return value, true
	}
	value, ok := settings[strings.ReplaceAll(key, "_", "-")]
	return value, ok
}

// settle brings old spellings into today's and moves what belongs there into
// the auth section: magic_fixes of OpenStackConfig, auth_config_hook and
// _validate_auth of OSC_Config.
func (m *merger) settle(config map[string]any) (map[string]any, error) {
	auth := config["auth"].(map[string]any)

	// endpoint_type is the old word for interface and wins over it.
	for _, key := range slices.Sorted(maps.Keys(config)) {
		if prefix, found := strings.CutSuffix(key, "endpoint_type"); found {
			config[prefix+"interface"] = config[key]
			delete(config, key)
		}
	}

	for _, g := range spellings {
		value := ""
		for _, key := range g.keys {
			// What is outside of the auth section comes from options and
			// variables, and wins.
			for _, section := range []map[string]any{auth, config} {
				if v, ok := section[key]; ok {
					if isText(v) {
						value = text(v)
					}
					delete(section, key)
				}
			}
		}
		if value != "" {
			auth[g.name] = value
		}
	}
	shareDomain(auth)

	// From here on a - in a key counts as _.
	for _, section := range []map[string]any{config, auth} {
		for _, key := range slices.Sorted(maps.Keys(section)) {
			if plain := strings.ReplaceAll(key, "-", "_"); plain != key {
				section[plain] = section[key]
				delete(section, key)
			}
		}
	}
	if !isText(config["auth_type"]) {
		config["auth_type"] = "password"
	}
	m.defaultDomain(config, auth)
	if err := m.claim(config, auth); err != nil {
		return nil, err
	}

	var err error
	for _, key := range slices.Sorted(maps.Keys(config)) {
		if v, ok := config[key].(string); ok {
			if config[key], err = m.expand(key, v, config); err != nil {
				return nil, err
			}
		}
	}
	if v, ok := auth["auth_url"].(string); ok {
		if auth["auth_url"], err = m.expand("auth_url", v, config); err != nil {
			return nil, err
		}
	}
	return config, nil
}

// spellings lists, for keys of the auth section, what else they are called; the
// last one found wins (OpenStackConfig._fix_backwards_project).
var spellings = []struct {
	name string
	keys []string
}{
	{"domain_id", []string{"domain_id", "domain-id"}},
	{"domain_name", []string{"domain_name", "domain-name"}},
	{"user_domain_id", []string{"user_domain_id", "user-domain-id"}},
	{"user_domain_name", []string{"user_domain_name", "user-domain-name"}},
	{"project_domain_id", []string{"project_domain_id", "project-domain-id"}},
	{"project_domain_name", []string{"project_domain_name", "project-domain-name"}},
	{"token", []string{"auth-token", "auth_token", "token"}},
	{"project_id", []string{"tenant_id", "tenant-id", "project_id", "project-id"}},
	{"project_name", []string{"tenant_name", "tenant-name", "project_name", "project-name"}},
}

// shareDomain lets domain_id and domain_name stand for the user's and the
// project's domain where a project is the scope
// (OpenStackConfig._handle_domain_id).
func shareDomain(auth map[string]any) {
	if !isText(auth["project_id"]) && !isText(auth["project_name"]) {
		return
	}
	for _, kind := range []string{"id", "name"} {
		if domain, ok := auth["domain_"+kind]; ok {
			for _, owner := range []string{"user_domain_", "project_domain_"} {
				if _, set := auth[owner+kind]; !set {
					auth[owner+kind] = domain
				}
			}
			delete(auth, "domain_"+kind)
		}
	}
}

// defaultDomain fills in --os-default-domain where the cloud asks for version 3
// of the identity API by name, and only there
// (OSC_Config._auth_default_domain).
func (m *merger) defaultDomain(config, auth map[string]any) {
	kind := text(config["auth_type"])
	if text(config["identity_api_version"]) != "3" || (kind != "password" && kind != "v3password") {
		return
	}
	for _, owner := range []string{"project_domain_", "user_domain_"} {
		if !isText(auth[owner+"id"]) && !isText(auth[owner+"name"]) {
			auth[owner+"id"] = config["default_domain"]
		}
	}
}

// claim moves the options of the chosen way to log in from the top level into
// the auth section, where they win, and refuses what that way does not know:
// keystoneauth's plugins fail on an argument they have no name for.
func (m *merger) claim(config, auth map[string]any) error {
	kind := text(config["auth_type"])
	if kind == "None" || kind == "token_endpoint" { // OpenStackConfig._get_auth_loader
		kind = map[string]string{"None": "none", "token_endpoint": "admin_token"}[kind]
		config["auth_type"] = kind
	}
	method, ok := methods[kind]
	if !ok {
		hint := "known here are " + strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
		if strings.HasPrefix(kind, "v2") {
			hint = "version 2 of the identity API is gone since 2018; use " + strings.TrimPrefix(kind, "v2")
		}
		return failf(KindConfig, "%sauth_type %s is not supported: %s", m.label(), kind, hint)
	}
	for name, old := range method.options {
		value := ""
		for _, section := range []map[string]any{config, auth} {
			for _, key := range append([]string{name}, old...) {
				if v := text(section[key]); value == "" && v != "" {
					value = v
				}
			}
		}
		for _, key := range append([]string{name}, old...) {
			delete(config, key)
			delete(auth, key)
		}
		if value != "" {
			auth[name] = value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(auth)) {
		if _, known := method.options[key]; !known {
			hint := "it knows " + strings.Join(slices.Sorted(maps.Keys(method.options)), ", ")
			switch {
			case strings.HasPrefix(key, "application_credential_"):
				hint = "set auth_type to v3applicationcredential"
			case key == "token":
				hint = "set auth_type to token, or leave it out"
			}
			return failf(KindConfig, "%s%s (in auth, or OS_%s) is not known to auth_type %s: %s", m.label(), key, strings.ToUpper(key), kind, hint)
		}
	}
	return nil
}

// expand replaces {key} by the cloud's setting of that name, as Python's
// str.format does; {{ and }} stand for the braces.
func (m *merger) expand(key, value string, config map[string]any) (string, error) {
	if key == "password" || !strings.ContainsAny(value, "{}") {
		return value, nil
	}
	var out strings.Builder
	for rest := value; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			out.WriteString(rest)
			break
		}
		out.WriteString(rest[:i])
		if strings.HasPrefix(rest[i:], "{{") || strings.HasPrefix(rest[i:], "}}") {
			out.WriteByte(rest[i])
			rest = rest[i+2:]
			continue
		}
		end := strings.IndexByte(rest[i:], '}')
		name := ""
		if rest[i] == '{' && end > 0 {
			name = rest[i+1 : i+end]
		}
		if !isText(config[name]) {
			return "", failf(KindConfig, "%s%s: {%s} is not a setting of this cloud (a brace itself is written twice)", m.label(), key, name)
		}
		out.WriteString(text(config[name]))
		rest = rest[i+end+1:]
	}
	return out.String(), nil
}

// config reads the merged settings into a Config.
func (m *merger) config(merged map[string]any) (Config, error) {
	env := m.lib.env
	cfg := Config{
		Name: m.name, AuthType: text(merged["auth_type"]), Notes: m.notes, env: env,
		auth: map[string]string{}, Verify: true,
	}
	for key, value := range merged["auth"].(map[string]any) {
		if v := text(value); v != "" {
			cfg.auth[key] = v
		}
	}
	if isText(merged["service_provider"]) {
		return Config{}, failf(KindConfig, "%slogging in through another Keystone (--os-service-provider) is not supported", m.label())
	}
	cfg.AuthURL = cfg.auth["auth_url"]

	// The image service's own settings win over the cloud's
	// (CloudRegion._get_config).
	image := func(key string) any {
		if v, ok := merged["image_"+key]; ok {
			return v
		}
		return merged[key]
	}
	cfg.Region = text(image("region_name"))
	switch v := image("interface").(type) {
	case []any:
		for _, entry := range v {
			cfg.Interface = append(cfg.Interface, strings.TrimSuffix(text(entry), "URL"))
		}
	default:
		cfg.Interface = []string{strings.TrimSuffix(text(v), "URL")}
	}
	cfg.ServiceType, cfg.ServiceName = "image", text(merged["image_service_name"])
	if isText(merged["image_service_type"]) {
		cfg.ServiceType = text(merged["image_service_type"])
	}
	cfg.ImageEndpoint = text(merged["image_endpoint_override"])
	if cfg.ImageEndpoint == "" {
		cfg.ImageEndpoint = text(merged["image_endpoint"])
	}
	if cfg.ImageEndpoint == "" {
		cfg.ImageEndpoint = cfg.auth["endpoint"] // admin_token and none
	}

	cfg.CACert, cfg.Cert, cfg.Key = env.expand(text(merged["cacert"])), env.expand(text(merged["cert"])), env.expand(text(merged["key"]))
	switch v := merged["verify"].(type) {
	case bool:
		cfg.Verify = v
	case string:
		// requests takes a text for the path of a CA bundle, "false" too;
		// cacert wins over it.
		if cfg.CACert == "" && v != "" {
			cfg.CACert = env.expand(v)
		}
	}
	if insecure(merged["insecure"]) {
		cfg.Verify = false
	}
	if cfg.CACert == "" && cfg.Verify {
		// The variables of Python's requests library, under the client.
		for _, name := range []string{"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} {
			if path := env.get(name); path != "" {
				cfg.CACert = env.expand(path)
				break
			}
		}
	}
	return cfg, nil
}

// insecure reads a boolean as the client does: only true in any case is true.
func insecure(value any) bool {
	return value == true || strings.EqualFold(text(value), "true")
}

// method is one way to log in.
type method struct {
	// options are the names that keystoneauth's plugin takes, each with its
	// deprecated ones.
	options map[string][]string
}

// methods lists the ways to log in by auth_type, with the options of
// keystoneauth's loaders (keystoneauth1/loading/identity.py and _plugins/).
var methods = map[string]method{
	"password":                {optionSet(generic, user, "password")},
	"token":                   {optionSet(generic, "token")},
	"v3password":              {optionSet(version3, user, "password")},
	"v3token":                 {optionSet(version3, "token")},
	"v3applicationcredential": {optionSet(version3, user, "application_credential_id application_credential_name application_credential_secret")},
	"admin_token":             {optionSet("endpoint=url token")},
	"none":                    {optionSet("endpoint")},
}

const (
	version3 = "auth_url system_scope domain_id domain_name project_id project_name project_domain_id project_domain_name trust_id"
	generic  = "auth_url system_scope domain_id domain_name project_id=tenant_id project_name=tenant_name project_domain_id project_domain_name trust_id default_domain_id default_domain_name"
	user     = "user_id username=user_name user_domain_id user_domain_name"
)

func optionSet(lists ...string) map[string][]string {
	options := map[string][]string{}
	for _, entry := range strings.Fields(strings.Join(lists, " ")) {
		name, old, deprecated := strings.Cut(entry, "=")
		options[name] = nil
		if deprecated {
			options[name] = []string{old}
		}
	}
	return options
}

// AuthTypes lists the ways to log in, sorted.
func AuthTypes() []string { return slices.Sorted(maps.Keys(methods)) }
