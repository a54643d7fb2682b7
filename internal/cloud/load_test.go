package cloud

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"glance-profile/test/auth"
)

// oracle is a command that gives the openstack client's answers for cases on
// its standard input (test/auth/openstack_answers.py merge). With it, the
// answers kept in testdata/merge are made anew; in this folder:
//
//	go test . -run TestLoad -oracle '../../test/devcloud/exec 2025.1 python3 -W ignore -c "$(cat ../../test/auth/openstack_answers.py)" merge'
var oracle = flag.String("oracle", "", "shell command that answers as the openstack client")

// place writes a case's files and returns the options and the Env with which to
// load it.
func place(t *testing.T, c *auth.Case) (Options, Env) {
	t.Helper()
	placed, err := c.Place(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var opts Options
	for _, arg := range placed.Args {
		if err := auth.SetOption(&opts, arg); err != nil {
			t.Fatal(err)
		}
	}
	return opts, testEnv(placed.Env, placed.Work, placed.Home)
}

// testEnv is an Env with variables of its own.
func testEnv(vars map[string]string, work, home string) Env {
	lookup := func(name string) (string, bool) { value, ok := vars[name]; return value, ok }
	return Env{
		LookupEnv: lookup,
		Environ: func() []string {
			var list []string
			for name, value := range vars {
				list = append(list, name+"="+value)
			}
			return list
		},
		ReadFile: os.ReadFile, WorkDir: work, HomeDir: home,
		ConfigDirs: configDirs("linux", home, func(name string) string { return vars[name] }),
	}
}

// answer is what the client's settings come to; its tags are the keys that
// openstack_answers.py writes.
type answer struct {
	Error         string            `json:"error,omitempty"`
	AuthType      string            `json:"auth_type,omitempty"`
	Auth          map[string]string `json:"auth,omitempty"`
	Region        string            `json:"region,omitempty"`
	Interface     string            `json:"interface,omitempty"`
	ImageEndpoint string            `json:"image_endpoint,omitempty"`
	Verify        any               `json:"verify,omitempty"` // false, true or the path of a CA bundle
	Cert          any               `json:"cert,omitempty"`   // path, or paths of certificate and key
}

func answerOf(cfg Config) answer {
	a := answer{
		AuthType: cfg.AuthType, Auth: cfg.auth, Region: cfg.Region,
		Interface: strings.Join(cfg.Interface, ","), ImageEndpoint: cfg.ImageEndpoint, Verify: cfg.Verify,
	}
	if cfg.Verify && cfg.CACert != "" {
		a.Verify = cfg.CACert
	}
	switch {
	case cfg.Key != "":
		a.Cert = []any{cfg.Cert, cfg.Key}
	case cfg.Cert != "":
		a.Cert = cfg.Cert
	}
	return a
}

// kindOfText sorts the client's error messages into our kinds.
func kindOfText(text string) Kind {
	switch {
	case strings.Contains(text, "was not found") && strings.Contains(text, "Cloud"):
		return KindUnknownCloud
	case strings.Contains(text, "is not a valid region name"):
		return KindEndpoint
	}
	return KindConfig
}

// TestLoad holds each case of testdata/merge against what the openstack client
// 7.4 (openstacksdk 4.4, 2025.1) made of the same files, variables and options.
func TestLoad(t *testing.T) {
	cases, err := auth.ReadCases("testdata/merge", nil)
	if err != nil {
		t.Fatal(err)
	}
	if *oracle != "" {
		record(t, cases, *oracle)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			opts, env := place(t, c)
			symbolic := strings.NewReplacer(env.WorkDir, "$WORK", env.HomeDir, "$HOME")
			cfg, err := Load(opts, env)
			if err == nil {
				cfg, err = cfg.complete(nil)
			}
			got := answerOf(cfg)
			if err != nil {
				var typed *Error
				if !errors.As(err, &typed) {
					t.Fatalf("error of type %T: %v", err, err)
				}
				if strings.Contains(err.Error(), "\n") {
					t.Errorf("error of more than one line: %v", err)
				}
				got = answer{Error: string(typed.Kind)}
			}
			if differs, ok := c.Notes["differs"]; ok {
				_, expected, found := strings.Cut(differs, "\n")
				if err == nil {
					data, _ := json.Marshal(got)
					expected, err = strings.TrimSpace(expected), errors.New(string(data))
				}
				if text := symbolic.Replace(err.Error()); !found || strings.TrimSpace(expected) != text {
					t.Errorf("got  %s\nwant %s", text, expected)
				}
				return
			}
			var want answer
			if err := json.Unmarshal([]byte(strings.NewReplacer("$WORK", env.WorkDir, "$HOME", env.HomeDir).Replace(c.Notes["answer.json"])), &want); err != nil {
				t.Fatalf("answer.json: %v", err)
			}
			if want.Error != "" {
				want = answer{Error: string(kindOfText(want.Error))}
			}
			normalize(&want, env)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v (%v)\nwant %+v", got, err, want)
			}
		})
	}
}

// normalize brings the client's answer into our form where both mean the same.
func normalize(want *answer, env Env) {
	want.Interface = strings.TrimSuffix(want.Interface, "URL")
	if path, ok := want.Verify.(string); ok {
		want.Verify = env.expand(path) // the client takes it as relative to the working directory
	}
	if want.AuthType == "admin_token" {
		want.ImageEndpoint = want.Auth["endpoint"] // the plugin's answer to any service
	}
}

// record asks the oracle and writes its answers into the case files.
func record(t *testing.T, cases []*auth.Case, command string) {
	t.Helper()
	answers, err := auth.Ask(command, cases)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, answers[c.Name], "", "  "); err != nil {
			t.Fatal(err)
		}
		if err := c.Record("answer.json", pretty.String()+"\n"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestConfigShowsNoSecrets(t *testing.T) {
	dir := t.TempDir()
	env := testEnv(map[string]string{
		"OS_AUTH_URL": "http://k/v3", "OS_USERNAME": "ann", "OS_PASSWORD": "hunter2", "OS_APPLICATION_CREDENTIAL_SECRET": "acs",
	}, dir, dir)
	cfg, err := Load(Options{}, env)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		for _, value := range []any{cfg, &cfg, []Config{cfg}, struct{ C Config }{cfg}} {
			text := fmt.Sprintf(verb, value)
			for _, secret := range []string{"hunter2", "acs"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s of %T shows %s", verb, value, secret)
				}
			}
		}
	}
	if !strings.Contains(cfg.String(), "ann") || !strings.Contains(cfg.String(), "http://k/v3") {
		t.Errorf("String() = %q does not say who logs in where", cfg.String())
	}
}

func TestCloudNames(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "clouds.yaml"), "clouds:\n  zeta: {}\n  alpha:\n")
	write(t, filepath.Join(dir, "secure.yaml"), "clouds:\n  hidden: {auth: {password: x}}\n  zeta: {}\n")
	got, err := CloudNames(testEnv(nil, dir, dir))
	if err != nil || !slices.Equal(got, []string{"alpha", "hidden", "zeta"}) {
		t.Errorf("CloudNames = %v, %v", got, err)
	}
	if got, err := CloudNames(testEnv(nil, t.TempDir(), t.TempDir())); err != nil || len(got) != 0 {
		t.Errorf("without files CloudNames = %v, %v", got, err)
	}
}

// TestErrorsSayWhatToDo holds the one line a person reads.
func TestErrorsSayWhatToDo(t *testing.T) {
	const one = "clouds:\n  one:\n    auth: {auth_url: 'http://k/v3', username: ann, password: p, user_domain_name: D, project_name: x, project_domain_name: D}\n"
	tests := []struct {
		name  string
		files map[string]string
		vars  map[string]string
		opts  Options
		want  []string
	}{
		{"unknown cloud", map[string]string{"clouds.yaml": "clouds: {b: {}, a: {}}"}, nil, Options{Cloud: "c"}, []string{`cloud "c" not found`, "there are a, b", "$WORK/clouds.yaml"}},
		{"unknown cloud, no file", nil, nil, Options{Cloud: "c"}, []string{`cloud "c" not found`, "no clouds.yaml in $WORK, $HOME/.config/openstack, /etc/xdg/openstack, /etc/openstack"}},
		{"nothing chosen", map[string]string{"clouds.yaml": "clouds: {b: {}, a: {}}"}, nil, Options{}, []string{"--os-cloud or OS_CLOUD (there are a, b)", "OS_AUTH_URL"}},
		{"nothing at all", nil, nil, Options{}, []string{"there is no clouds.yaml", "--os-auth-url or OS_AUTH_URL"}},
		{"yaml mistake", map[string]string{"clouds.yaml": "clouds:\n  one:\n   auth: {}\n    x: y\n"}, nil, Options{Cloud: "one"}, []string{"$WORK/clouds.yaml:4:"}},
		{"json mistake", map[string]string{"clouds.json": "{\"clouds\":\n {\"one\": ]}}"}, nil, Options{Cloud: "one"}, []string{"$WORK/clouds.json:2"}},
		{"unreadable file", map[string]string{"clouds.yaml/x": ""}, nil, Options{Cloud: "one"}, []string{`"one" not found`, "$WORK/clouds.yaml: is a directory"}},
		{"cloud is no mapping", map[string]string{"clouds.yaml": "clouds: {one: 5}"}, nil, Options{Cloud: "one"}, []string{"$WORK/clouds.yaml: cloud one is not a mapping"}},
		{"auth is no mapping", map[string]string{"clouds.yaml": "clouds: {one: {auth: [x]}}"}, nil, Options{Cloud: "one"}, []string{"cloud one: auth is not a mapping"}},
		{"region", map[string]string{"clouds.yaml": one + "    regions: [A, B]\n"}, nil, Options{Cloud: "one", RegionName: "C"}, []string{"no region C", "A, B"}},
		{"verify and insecure", nil, nil, Options{Verify: true, Insecure: true}, []string{"exclude each other"}},
		{"application credential without type", map[string]string{"clouds.yaml": "clouds: {one: {auth: {auth_url: 'http://k', application_credential_id: a}}}"}, nil, Options{Cloud: "one"}, []string{"set auth_type to v3applicationcredential"}},
		{"version 2", map[string]string{"clouds.yaml": one + "    auth_type: v2password\n"}, nil, Options{Cloud: "one"}, []string{"v2password", "use password"}},
		{"no domain", nil, map[string]string{"OS_AUTH_URL": "http://k", "OS_USERNAME": "ann", "OS_PASSWORD": "p"}, Options{}, []string{"ann", "user_domain_name"}},
		{"no project domain", map[string]string{"clouds.yaml": strings.Replace(one, ", project_domain_name: D", "", 1)}, nil, Options{Cloud: "one"}, []string{"project x", "project_domain_name"}},
		{"application credential with a scope", map[string]string{"clouds.yaml": "clouds: {one: {auth_type: v3applicationcredential, auth: {auth_url: 'http://k', application_credential_id: a, application_credential_secret: b}}}"}, map[string]string{"OS_PROJECT_ID": "p"}, Options{Cloud: "one"}, []string{"takes no other scope", "unset project_name"}},
		{"two scopes", map[string]string{"clouds.yaml": one}, map[string]string{"OS_SYSTEM_SCOPE": "all"}, Options{Cloud: "one"}, []string{"more than one scope"}},
		{"no address", map[string]string{"clouds.yaml": strings.Replace(one, "http://k/v3", "keystone", 1)}, nil, Options{Cloud: "one"}, []string{`auth_url "keystone"`}},
		{"remote profile", map[string]string{"clouds.yaml": "clouds: {one: {profile: vexxhost}}"}, nil, Options{Cloud: "one"}, []string{"https://vexxhost.com/.well-known/openstack/api", "copy auth_url"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			root := t.TempDir()
			work, home := filepath.Join(root, "work"), filepath.Join(root, "home")
			for name, text := range test.files {
				write(t, filepath.Join(work, name), text)
			}
			cfg, err := Load(test.opts, testEnv(test.vars, work, home))
			if err == nil {
				_, err = cfg.complete(nil)
			}
			if err == nil {
				t.Fatal("no error")
			}
			text := strings.NewReplacer(work, "$WORK", home, "$HOME").Replace(err.Error())
			for _, want := range test.want {
				if !strings.Contains(text, want) {
					t.Errorf("error %q does not say %q", text, want)
				}
			}
			if strings.Contains(text, "\n") {
				t.Errorf("error %q has more than one line", text)
			}
		})
	}
}

func TestVendorProfiles(t *testing.T) {
	for name, profile := range vendors() {
		auth, _ := profile["auth"].(map[string]any)
		link, _ := profile["profile"].(string)
		switch {
		case link != "" && !strings.HasPrefix(link, "https://"):
			t.Errorf("%s links to %q", name, link)
		case link == "" && name != "bluebox" && !isText(auth["auth_url"]):
			t.Errorf("%s has no auth_url", name) // Bluebox had one per customer
		}
	}
	if got := len(vendors()); got < 20 {
		t.Errorf("%d profiles", got)
	}
	if ovh, _ := vendorProfile("ovh"); len(slices.Collect(maps.Keys(ovh))) < 3 {
		t.Errorf("OVH's profile is not filled in: %v", ovh)
	}
}

// TestConfigDirs holds the search path of openstack/config/loader.py.
func TestConfigDirs(t *testing.T) {
	tests := []struct {
		goos string
		vars map[string]string
		want []string
	}{
		{"linux", nil, []string{"/h/.config/openstack", "/etc/xdg/openstack", "/etc/openstack"}},
		{"linux", map[string]string{"XDG_CONFIG_HOME": "/x", "XDG_CONFIG_DIRS": "/a:/b"}, []string{"/x/openstack", "/h/.config/openstack", "/a/openstack", "/b/openstack", "/etc/openstack"}},
		{"linux", map[string]string{"SNAP_REAL_HOME": "/real"}, []string{"/h/.config/openstack", "/real/.config/openstack", "/etc/xdg/openstack", "/etc/openstack"}},
		{"darwin", nil, []string{"/h/Library/Application Support/openstack", "/h/.config/openstack", "/Library/Application Support/openstack", "/etc/openstack"}},
	}
	for _, test := range tests {
		got := configDirs(test.goos, "/h", func(name string) string { return test.vars[name] })
		if !slices.Equal(got, test.want) {
			t.Errorf("%s %v: %v, want %v", test.goos, test.vars, got, test.want)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
