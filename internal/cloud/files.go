package cloud

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"glance-profile/internal/spelling"
)

// found is one configuration file and what was met while looking for it.
type found struct {
	path       string         // of the file that counts; "" if there is none
	content    map[string]any // nil if the file is empty
	looked     []string       // files that were looked for, up to the one found
	unreadable []error        // files that are there but cannot be read
}

// find reads the first file there is: override, if it is set, then
// stem.yaml, stem.yml and stem.json in each folder. A file that cannot be read
// is passed over, as the openstack client does
// (OpenStackConfig._load_yaml_json_file).
func find(env Env, override, stem string) (found, error) {
	var f found
	if override != "" {
		f.looked = append(f.looked, env.expandRelative(override))
	}
	for _, dir := range append([]string{env.WorkDir}, env.ConfigDirs...) {
		for _, suffix := range []string{".yaml", ".yml", ".json"} {
			f.looked = append(f.looked, filepath.Join(dir, stem+suffix))
		}
	}
	for i, path := range f.looked {
		data, err := env.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			f.unreadable = append(f.unreadable, err)
			continue
		}
		f.path, f.looked = path, f.looked[:i+1]
		value, err := decodeFile(path, data)
		if err != nil {
			return f, fail(KindConfig, err)
		}
		if value == nil {
			return f, nil
		}
		content, ok := value.(map[string]any)
		if !ok {
			return f, failf(KindConfig, "%s: is a list or a single value; it has to begin with a key such as \"clouds:\"", path)
		}
		f.content = content
		return f, nil
	}
	return f, nil
}

// expandRelative makes a path absolute without touching a ~, which the client
// leaves to the shell in OS_CLIENT_CONFIG_FILE.
func (e Env) expandRelative(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(e.WorkDir, path)
}

// library is all that the configuration files say.
type library struct {
	clouds  map[string]map[string]any // of clouds.yaml with secure.yaml over it
	envName string                    // the name of the cloud made of OS_* variables
	config  found
	secure  found
	env     Env
	vendor  func() (found, error) // clouds-public.yaml, read on demand
}

func readLibrary(env Env) (*library, error) {
	lib := &library{env: env, clouds: map[string]map[string]any{}}
	var err error
	if lib.config, err = find(env, env.get("OS_CLIENT_CONFIG_FILE"), "clouds"); err != nil {
		return nil, err
	}
	if lib.config.path != "" && lib.config.content == nil {
		return nil, failf(KindConfig, "%s: is empty; it has to begin with \"clouds:\"", lib.config.path)
	}
	if lib.secure, err = find(env, env.get("OS_CLIENT_SECURE_FILE"), "secure"); err != nil {
		return nil, err
	}
	lib.vendor = func() (found, error) { return find(env, "", "clouds-public") }

	merged := mergeNested(lib.config.content, lib.secure.content)
	clouds, err := mapping(merged["clouds"], lib.config.path, "clouds")
	if err != nil {
		return nil, err
	}
	for name, value := range clouds {
		if lib.clouds[name], err = mapping(value, lib.config.path, "cloud "+name); err != nil {
			return nil, err
		}
	}

	lib.envName = "envvars"
	if name, ok := env.LookupEnv("OS_CLOUD_NAME"); ok {
		lib.envName = name
	}
	if _, taken := lib.clouds[lib.envName]; taken {
		return nil, failf(KindConfig, "%s: a cloud is named %q, the name of the cloud that is made of OS_* variables; rename it, or set OS_CLOUD_NAME to another name",
			lib.config.path, lib.envName)
	}
	return lib, nil
}

// names lists the clouds of the files in order.
func (l *library) names() []string {
	return slices.Sorted(maps.Keys(l.clouds))
}

// where says which file the clouds come from, for an error's end.
func (l *library) where() string {
	var text string
	switch {
	case l.config.path != "" && l.secure.path != "":
		text = l.config.path + " and " + l.secure.path
	case l.config.path != "":
		text = l.config.path
	case l.secure.path != "":
		text = l.secure.path
	default:
		dirs := []string{}
		for _, path := range l.config.looked {
			if dir := filepath.Dir(path); !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
		}
		text = "no clouds.yaml in " + strings.Join(dirs, ", ")
	}
	for _, err := range append(slices.Clone(l.config.unreadable), l.secure.unreadable...) {
		text += "; " + oneLine(err.Error())
	}
	return text
}

// unknown is the error for a cloud that is in none of the files.
func (l *library) unknown(name string) error {
	names := l.names()
	switch len(names) {
	case 0:
		return failf(KindUnknownCloud, "cloud %q not found: there are no clouds at all (%s)", name, l.where())
	default:
		return failf(KindUnknownCloud, "cloud %q not found%s: there are %s (%s)", name, spelling.Hint(name, names), strings.Join(names, ", "), l.where())
	}
}

// CloudNames lists the clouds of clouds.yaml and secure.yaml in alphabetical
// order. Without any file the list is empty.
func CloudNames(env Env) ([]string, error) {
	lib, err := readLibrary(env)
	if err != nil {
		return nil, err
	}
	return lib.names(), nil
}

// mapping reads a value that has to be a mapping; null is an empty one.
func mapping(value any, path, what string) (map[string]any, error) {
	switch v := value.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return v, nil
	}
	return nil, failf(KindConfig, "%s: %s is not a mapping of settings", path, what)
}

// mergeNested lays over onto under, mapping by mapping (merge_clouds of
// openstack/config/_util.py). Neither is changed.
func mergeNested(under, over map[string]any) map[string]any {
	result := maps.Clone(under)
	if result == nil {
		result = map[string]any{}
	}
	for key, value := range over {
		inner, ok := value.(map[string]any)
		if below, both := result[key].(map[string]any); ok && both {
			result[key] = mergeNested(below, inner)
		} else {
			result[key] = value
		}
	}
	return result
}

// fail and failf make this package's errors.
func fail(kind Kind, err error) error { return &Error{Kind: kind, err: err} }

func failf(kind Kind, format string, args ...any) error {
	return fail(kind, fmt.Errorf(format, args...))
}

// Kind says in one word why no connection to a cloud came about.
type Kind string

// The kinds of errors that Load and Connect return.
const (
	KindConfig       Kind = "configuration" // a file, variable or option that is wrong or missing
	KindUnknownCloud Kind = "unknown cloud"
	KindCredentials  Kind = "credentials" // Keystone refuses them
	KindUnreachable  Kind = "unreachable" // no connection to the server
	KindCertificate  Kind = "certificate" // TLS: CA, client certificate, or the server's
	KindEndpoint     Kind = "endpoint"    // no image service in the catalog for this region and interface
	KindServer       Kind = "server"      // Keystone answers, but not as it should
)

// Error is an error of Load or Connect. Its text is one line that says what to
// do about it, safe for a terminal whatever a server or a file put into it.
type Error struct {
	Kind Kind
	err  error
}

func (e *Error) Error() string {
	return escapeControls(strings.ReplaceAll(e.err.Error(), "\n", " "))
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }
