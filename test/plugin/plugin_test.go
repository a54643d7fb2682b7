// Package plugin runs the plugin for the openstack client, with the clients of
// both releases, against their Keystone and Glance.
package plugin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"glance-profile/internal/cloud"
	"glance-profile/internal/sandbox"
	"glance-profile/test/oracle"
)

// client is the openstack client of a release with the plugin, in its root.
type client struct {
	exec, release string
	folder        string   // of its Python
	program       string   // ours, in the same folder
	work          string   // working directory and home
	config        string   // clouds.yaml
	env           []string // what every run gets
	secrets       []string // what no run may show
}

// result is how a run ended.
type result struct {
	code     int
	out, err string
}

func TestPlugin(t *testing.T) {
	dir := oracle.Devcloud(t, "the plugin for the openstack client")
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, release := range []string{"zed", "2025.1"} {
		t.Run(release, func(t *testing.T) {
			t.Parallel()
			c := newClient(t, repo, dir, release)
			for _, test := range []struct {
				name string
				run  func(*testing.T, *client)
			}{
				{"unit", testUnits}, {"offline", testOffline}, {"help", testHelp}, {"road", testRoad}, {"exit codes", testExitCodes},
				{"logins", testLogins}, {"TLS", testTLS}, {"secrets", testSecrets}, {"interruption", testInterruption},
				{"token about to expire", testExpiry}, {"shell", testShell},
			} {
				t.Run(test.name, func(t *testing.T) { test.run(t, c) })
			}
		})
	}
}

func newClient(t *testing.T, repo, dir, release string) *client {
	t.Helper()
	work := t.TempDir()
	c := &client{
		exec: filepath.Join(repo, "test/devcloud/exec"), release: release, work: work, folder: filepath.Join(work, "client"),
		config: filepath.Join(dir, release, "clouds.yaml"),
	}
	c.program = filepath.Join(c.folder, "bin", "glance-profile")
	c.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + work, "TMPDIR=" + os.TempDir(), "DEVCLOUD_BIND=" + dir, "PYTHONDONTWRITEBYTECODE=1"}
	// pip leaves files beside what it builds.
	source := filepath.Join(work, "source")
	if err := os.CopyFS(source, os.DirFS(filepath.Join(repo, "openstackclient"))); err != nil {
		t.Fatal(err)
	}
	if r := c.within(t, nil, "", filepath.Join(repo, "test/plugin/install"), source, c.folder); r.code != 0 {
		t.Fatalf("install: %s%s", r.out, r.err)
	}
	build := exec.Command("go", "build", "-o", c.program, repo)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	data, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)(?:password|secret): (\S+)`).FindAllStringSubmatch(string(data), -1) {
		c.secrets = append(c.secrets, m[1])
	}
	return c
}

// command is a command in the release's root.
func (c *client) command(t *testing.T, env []string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, c.exec, append([]string{c.release}, args...)...)
	cmd.Dir, cmd.Env = c.work, append(slices.Clone(c.env), env...)
	return cmd
}

func (c *client) within(t *testing.T, env []string, in string, args ...string) result {
	t.Helper()
	cmd := c.command(t, env, args...)
	if in != "" {
		cmd.Stdin = strings.NewReader(in)
	}
	return finish(t, cmd)
}

func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// openstack runs the client with the clouds of the devcloud.
func (c *client) openstack(t *testing.T, args ...string) result {
	t.Helper()
	return c.with(t, nil, "", args...)
}

func (c *client) with(t *testing.T, env []string, in string, args ...string) result {
	t.Helper()
	return c.within(t, append([]string{"OS_CLIENT_CONFIG_FILE=" + c.config}, env...), in,
		append([]string{filepath.Join(c.folder, "bin/openstack")}, args...)...)
}

// profile runs our own program, outside of the root, as the plugin's peer.
func (c *client) profile(t *testing.T, args ...string) result {
	t.Helper()
	cmd := exec.Command(c.program, args...)
	cmd.Dir, cmd.Env = c.work, append(slices.Clone(c.env), "OS_CLIENT_CONFIG_FILE="+c.config)
	return finish(t, cmd)
}

// want demands an exit code, and texts in what was printed; stdout and stderr
// are both looked at.
func (r result) want(t *testing.T, code int, texts ...string) result {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit %d, want %d\nstdout: %s\nstderr: %s", r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.err, text) {
			t.Fatalf("no %q\nstdout: %s\nstderr: %s", text, r.out, r.err)
		}
	}
	return r
}

// plan is as much of a plan as the tests look at.
type plan struct {
	Images []struct {
		Action, Cloud, Endpoint, Region, Project, ID, Name string
	}
}

func decode[T any](t *testing.T, r result) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(r.out), &value); err != nil {
		t.Fatalf("%v\nstdout: %s\nstderr: %s", err, r.out, r.err)
	}
	return value
}

// testUnits runs the plugin's own tests with the client's Python.
func testUnits(t *testing.T, c *client) {
	c.within(t, nil, "", filepath.Join(c.folder, "bin/python3"), "-m", "unittest", "discover", "-s", filepath.Join(c.work, "source/tests")).want(t, 0, "OK")
}

// testOffline: what needs no cloud works without one.
func testOffline(t *testing.T, c *client) {
	if names := c.with(t, []string{"OS_CLIENT_CONFIG_FILE=/nowhere"}, "", "image", "profile", "list", "-f", "value", "-c", "Name").want(t, 0).out; !strings.Contains(names, "linux-virtio\n") {
		t.Errorf("profiles: %s", names)
	}
	c.openstack(t, "image", "profile", "property", "show", "hw_vif_model").want(t, 0, "virtio")
	c.openstack(t, "image", "profile", "audit", "explain", "no-effect").want(t, 0)
	c.with(t, nil, `[{"id": "0d3d0000-0000-0000-0000-000000000000", "name": "a", "status": "active", "os_type": "Linux"}]`,
		"image", "profile", "normalize", "--from", "-", "--check").want(t, 3, "os_type")
	// Without the program, the client says what is missing, and goes on without.
	none := []string{"GLANCE_PROFILE_BINARY=/nowhere/glance-profile"}
	c.with(t, none, "", "image", "profile", "list").want(t, 1, "GLANCE_PROFILE_BINARY")
	c.with(t, none, "", "help", "image", "profile", "list").want(t, 0, "--format")
}

func testHelp(t *testing.T, c *client) {
	c.openstack(t, "help", "image", "profile", "create").want(t, 0, "usage: openstack image profile create [options] NAME", "--osinfo ID")
	c.openstack(t, "image", "profile", "migrate", "virtio", "--help").want(t, 0, "--drivers-installed")
	script := c.openstack(t, "complete").want(t, 0).out
	for _, line := range []string{
		"  cmds_image_profile='apply audit audit_explain audit_policy audit_rules create hardware inspect list migrate normalize os property rollback show validate'",
		"  cmds_image_profile_audit='-h --help --policy", "  cmds_image_profile_migrate='virtio'",
	} {
		if !strings.Contains(script, line) {
			t.Errorf("no %s in\n%s", line, script)
		}
	}
	// As bash has it: the words on the line, then the word to complete.
	for line, want := range map[string]string{
		"openstack image profile ": "rollback", "openstack image profile create --osi": "--osinfo", "openstack image profile migrate vir": "virtio",
	} {
		words := strings.Split(line, " ")
		try := fmt.Sprintf(`_get_comp_words_by_ref() { cur=%s; prev=; words=(%s); }
%s
_openstack; printf '%%s\n' "${COMPREPLY[@]}"`, quoted(words[len(words)-1]), line, script)
		cmd := exec.CommandContext(t.Context(), "bash")
		cmd.Stdin = strings.NewReader(try)
		if r := finish(t, cmd); !slices.Contains(strings.Fields(r.out), want) {
			t.Errorf("%q completes to %s%s", line, r.out, r.err)
		}
	}
}

func quoted(word string) string { return "'" + word + "'" }

// zeros is an image's data.
var zeros = strings.Repeat("\x00", 1<<16)

// testRoad makes an image, changes it and takes both back, partly by the plugin
// and partly by the program: they share clouds, names and journals.
func testRoad(t *testing.T, c *client) {
	name := fmt.Sprintf("plugin %08x – é", rand.Uint32())
	member := []string{"--os-cloud", "devcloud-member", "image", "profile"}
	// The data come by a pipe, options stand anywhere.
	made := decode[map[string]any](t, c.with(t, nil, zeros,
		append(member, "create", name, "-f", "json", "--disk-format", "raw", "--osinfo", "ubuntu24.04", "--property", "description=a, b=c  d", "-q")...).want(t, 0))
	properties, _ := made["properties"].(map[string]any)
	if made["name"] != name || properties["description"] != "a, b=c  d" || properties["hw_disk_bus"] != "virtio" {
		t.Errorf("made %v", made)
	}
	dry := []string{"apply", name, "--property", "hw_vif_model=e1000", "-f", "json", "--dry-run"}
	ours := decode[plan](t, c.profile(t, append([]string{"--os-cloud", "devcloud-member"}, dry...)...).want(t, 0))
	theirs := decode[plan](t, c.openstack(t, append(member, dry...)...).want(t, 0))
	if len(ours.Images) != 1 || !slices.Equal(ours.Images, theirs.Images) || ours.Images[0].Cloud != "devcloud-member" || ours.Images[0].Project == "" {
		t.Errorf("the program plans %+v, the plugin %+v", ours, theirs)
	}
	c.openstack(t, append(member, "apply", name, "--property", "hw_vif_model=e1000", "--yes")...).want(t, 0)
	c.profile(t, "--os-cloud", "devcloud-member", "rollback", "--last", "--yes").want(t, 0, "hw_vif_model")
	c.profile(t, "--os-cloud", "devcloud-member", "apply", name, "--property", "hw_vif_model=e1000e", "--yes").want(t, 0)
	c.openstack(t, append(member, "rollback", "--last", "--yes")...).want(t, 0, "hw_vif_model")
	journals := decode[[]map[string]any](t, c.openstack(t, "image", "profile", "rollback", "--list", "-f", "json").want(t, 0))
	var first string
	for _, j := range journals {
		if command, _ := j["Command"].(string); strings.HasPrefix(command, "glance-profile ") && strings.Contains(command, " create ") {
			first, _ = j["Journal"].(string)
		}
		for _, secret := range c.secrets {
			if strings.Contains(fmt.Sprint(j), secret) {
				t.Errorf("a secret in %v", j)
			}
		}
	}
	c.openstack(t, append(member, "rollback", first, "--yes")...).want(t, 0, "delete")
	c.openstack(t, append(member, "apply", name, "--property", "a=b", "--yes")...).want(t, 1, name)
}

func testExitCodes(t *testing.T, c *client) {
	member := []string{"--os-cloud", "devcloud-member", "image", "profile"}
	c.openstack(t, append(member, "create", "a", "b")...).want(t, 2, "glance-profile: error:")
	c.openstack(t, append(member, "create", "--no-such-option")...).want(t, 2, "unknown option --no-such-option")
	c.openstack(t, append(member, "audit", "--", "rules")...).want(t, 1, `no image has the name or id "rules"`)
	c.openstack(t, append(member, "apply", "no image has this name", "--property", "a=b", "--yes")...).want(t, 1, "no image has this name")
	c.openstack(t, "--os-cloud", "devcloud-reader", "image", "profile", "create", "x", "--profile", "none").want(t, 1, "403")
	name := fmt.Sprintf("plugin-%08x", rand.Uint32())
	c.with(t, nil, zeros, append(member, "create", name, "--profile", "none", "--disk-format", "raw", "--property", "hw_disk_bus=virtio")...).want(t, 0)
	t.Cleanup(func() { c.profile(t, "--os-cloud", "devcloud-member", "rollback", "--last", "--yes").want(t, 0) })
	c.openstack(t, append(member, "apply", name, "--property", "a=b", "--check")...).want(t, 3)
	c.openstack(t, append(member, "audit", name, "no image has this name", "-f", "json")...).want(t, 4, "no image has this name")
	report := decode[[]map[string]any](t, c.openstack(t, append(member, "audit", name, "-f", "json", "--fail-on", "info")...).want(t, 3))
	if len(report) == 0 || report[0]["cloud"] != "devcloud-member" || report[0]["region"] != "RegionOne" {
		t.Errorf("report %v", report)
	}
}

// where is what a plan that changes nothing says of the place that the login
// leads to.
func (c *client) where(t *testing.T, env []string, args ...string) plan {
	t.Helper()
	args = append(args, "image", "profile", "create", "plugin-where", "--profile", "none", "--dry-run", "--if-exists", "error", "-f", "json")
	return decode[plan](t, c.with(t, env, "", args...).want(t, 0))
}

func testLogins(t *testing.T, c *client) {
	usual := c.where(t, nil, "--os-cloud", "devcloud-member").Images[0]
	if got := c.where(t, []string{"OS_CLOUD=devcloud-appcred"}).Images[0]; got.Cloud != "devcloud-appcred" || got.Project != usual.Project || got.Endpoint != usual.Endpoint {
		t.Errorf("application credential: %+v, want the project and endpoint of %+v", got, usual)
	}
	// Variables alone, of which the options win.
	config := mustLoad(t, c.config)
	variables := []string{"OS_CLIENT_CONFIG_FILE=/nowhere", "OS_AUTH_URL=" + config.AuthURL, "OS_IDENTITY_API_VERSION=3", "OS_REGION_NAME=nowhere"}
	password := append(slices.Clone(variables), "OS_USERNAME=devcloud-member", "OS_PASSWORD="+c.secrets[0], "OS_USER_DOMAIN_NAME=Default",
		"OS_PROJECT_NAME=devcloud", "OS_PROJECT_DOMAIN_NAME=Default")
	if got := c.where(t, password, "--os-region-name", "RegionOne").Images[0]; got.Cloud != "" || got.Project != usual.Project || got.Endpoint != usual.Endpoint || got.Region != "RegionOne" {
		t.Errorf("variables: %+v", got)
	}
	// A token that the client got as one.
	token := strings.TrimSpace(c.openstack(t, "--os-cloud", "devcloud-member", "token", "issue", "-f", "value", "-c", "id").want(t, 0).out)
	held := append(slices.Clone(variables), "OS_AUTH_TYPE=v3token", "OS_TOKEN="+token, "OS_PROJECT_ID="+usual.Project, "OS_REGION_NAME=RegionOne")
	if got := c.where(t, held).Images[0]; got.Project != usual.Project || got.Endpoint != usual.Endpoint {
		t.Errorf("token: %+v", got)
	}
	// A token and an endpoint, without Keystone.
	bare := []string{"OS_CLIENT_CONFIG_FILE=/nowhere", "OS_TOKEN=" + token, "OS_ENDPOINT=" + usual.Endpoint}
	if got := c.where(t, bare).Images[0]; got.Endpoint != usual.Endpoint {
		t.Errorf("token and endpoint: %+v", got)
	}
	c.with(t, nil, "", "--os-cloud", "devcloud-member", "--os-region-name", "nowhere", "image", "profile", "audit").want(t, 1, "nowhere")
}

func mustLoad(t *testing.T, config string) cloud.Config {
	t.Helper()
	env := cloud.OSEnv()
	env.LookupEnv = func(name string) (string, bool) {
		return map[string]string{"OS_CLIENT_CONFIG_FILE": config}[name], name == "OS_CLIENT_CONFIG_FILE"
	}
	env.Environ = func() []string { return nil }
	loaded, err := cloud.Load(cloud.Options{Cloud: "devcloud-member"}, env)
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

func testTLS(t *testing.T, c *client) {
	if got := c.where(t, nil, "--os-cloud", "devcloud-tls").Images[0]; !strings.HasPrefix(got.Endpoint, "https://") {
		t.Errorf("TLS by clouds.yaml: %+v", got)
	}
	// The same cloud without its CA.
	data, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	ca := regexp.MustCompile(`\n *cacert: (\S+)`)
	found := ca.FindSubmatch(data)
	if found == nil {
		t.Fatalf("no cacert in %s", c.config)
	}
	if err := os.WriteFile(filepath.Join(c.work, "no-ca.yaml"), ca.ReplaceAll(data, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	plain := []string{"OS_CLIENT_CONFIG_FILE=no-ca.yaml"}
	c.with(t, plain, "", "--os-cloud", "devcloud-tls", "image", "profile", "audit").want(t, 1, "certificate verify failed")
	for _, args := range [][]string{{"--insecure"}, {"--os-cacert", string(found[1])}} {
		if got := c.where(t, plain, append(args, "--os-cloud", "devcloud-tls")...).Images[0]; !strings.HasPrefix(got.Endpoint, "https://") {
			t.Errorf("%v: %+v", args, got)
		}
	}
	// The interface leads to TLS, whose certificate the other cloud does not know.
	if got := c.where(t, nil, "--os-cloud", "devcloud-member", "--os-interface", "internal", "--insecure").Images[0]; !strings.HasPrefix(got.Endpoint, "https://") {
		t.Errorf("interface: %+v", got)
	}
}

// script puts a stand-in for the program in place.
func (c *client) script(t *testing.T, lines ...string) []string {
	t.Helper()
	path := filepath.Join(c.work, "stand in")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+strings.Join(lines, "\n")+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"GLANCE_PROFILE_BINARY=" + path, "OS_CLIENT_CONFIG_FILE=" + c.config}
}

// testSecrets: what anybody on the machine sees, and what is logged, holds none.
func testSecrets(t *testing.T, c *client) {
	env := c.script(t, `printf 'argument %s\n' "$@"; env`, "exit 4")
	seen := c.with(t, append(env, "OS_PASSWORD="+c.secrets[0], "OS_CLOUD=devcloud-member"), "", "image", "profile", "audit", "a b", "-f", "json").want(t, 4).out
	var login struct{ Auth struct{ Token string } }
	var arguments []string
	for line := range strings.Lines(seen) {
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, "=")
		switch {
		case strings.HasPrefix(line, "argument "):
			arguments = append(arguments, strings.TrimPrefix(line, "argument "))
		case name == cloud.Handover:
			if err := json.Unmarshal([]byte(value), &login); err != nil {
				t.Fatal(err)
			}
		case strings.HasPrefix(name, "OS_") && name != "OS_CLIENT_CONFIG_FILE":
			t.Errorf("left over: %s", line)
		}
	}
	if login.Auth.Token == "" || !slices.Equal(arguments, []string{"audit", "a b", "-f", "json"}) {
		t.Errorf("arguments %q", arguments)
	}
	if strings.Contains(seen, c.secrets[0]) {
		t.Error("the password is handed over")
	}
	// This token's text begins as all do.
	debug := c.openstack(t, "--debug", "--log-file", "log file", "--os-cloud", "devcloud-member", "image", "profile", "audit", "no image has this name")
	debug.want(t, 1, "RESP: [200]")
	log, err := os.ReadFile(filepath.Join(c.work, "log file"))
	if err != nil || !bytes.Contains(log, []byte("no image has this name")) {
		t.Errorf("--log-file: %v, %s", err, log)
	}
	for _, secret := range append(c.secrets, login.Auth.Token[:8]) {
		if strings.Contains(debug.out+debug.err+string(log), secret) {
			t.Errorf("--debug shows %s", secret)
		}
	}
}

// testInterruption: a signal for the client reaches the program, whose code is
// the client's.
func testInterruption(t *testing.T, c *client) {
	env := c.script(t, `trap 'exit 130' INT`, "echo ready", "while :; do sleep 0.1; done")
	cmd := c.command(t, env, filepath.Join(c.folder, "bin/openstack"), "--os-cloud", "devcloud-member", "image", "profile", "audit")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	if line != "ready\n" {
		t.Fatalf("%q", line)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit %d", code)
	}
}

// testExpiry: a token that ends soon is warned of, and nothing is asked of
// Keystone but what it is for.
func testExpiry(t *testing.T, c *client) {
	for lifetime, wanted := range map[time.Duration]bool{5 * time.Minute: true, time.Hour: false} {
		service, err := sandbox.New(sandbox.Options{TokenLifetime: lifetime})
		if err != nil {
			t.Fatal(err)
		}
		defer service.Close()
		server := httptest.NewServer(service.Handler())
		defer server.Close()
		config := filepath.Join(c.work, "sandbox.yaml")
		if err := os.WriteFile(config, service.CloudsYAML(server.URL), 0o600); err != nil {
			t.Fatal(err)
		}
		r := c.with(t, []string{"OS_CLIENT_CONFIG_FILE=" + config}, "", "--os-cloud", "sandbox-member", "image", "profile", "audit").want(t, 0)
		if warned := regexp.MustCompile(`warning: the token expires in (4m|5m0s)`).MatchString(r.err); warned != wanted {
			t.Errorf("a token for %s: %s", lifetime, r.err)
		}
		logins := 0
		for _, q := range service.Requests() {
			if q.Method == "POST" {
				logins++
			}
		}
		if logins != 1 || slices.ContainsFunc(service.Requests(), func(q sandbox.Request) bool { return q.Method == "GET" && strings.HasSuffix(q.Path, "/auth/tokens") }) {
			t.Errorf("%d logins: %v", logins, service.Requests())
		}
	}
}

// testShell: in the client's own shell one command follows the other.
func testShell(t *testing.T, c *client) {
	r := c.with(t, nil, "image profile show linux-virtio -f value -c name\nimage profile audit no-image-has-this-name\nimage profile show windows-compat -f value -c name\n",
		"--os-cloud", "devcloud-member")
	if !strings.Contains(r.out, "linux-virtio") || !strings.Contains(r.err, "no-image-has-this-name") || !strings.Contains(r.out, "windows-compat") {
		t.Errorf("stdout: %s\nstderr: %s", r.out, r.err)
	}
}
