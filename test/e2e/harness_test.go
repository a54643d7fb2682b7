package e2e

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"glance-profile/internal/cloud"
	glanceapi "glance-profile/internal/glance"
	"glance-profile/internal/image"
	"glance-profile/test/oracle"
)

// target is one cloud under test.
type target struct {
	config string            // its clouds.yaml
	names  map[string]string // ADMIN, MEMBER, READER, OTHER, APPCRED → cloud names
	admin  *glanceapi.Client // reads records back raw
	root   string            // devcloud: path of test/devcloud, "" for the sandbox
	label  string
	// endpoint is the image service's address, without /v2.
	endpoint string
}

// commands are what scripts may use beside testscript's own:
//
//	qcow2 FILE GIB           make an empty qcow2 image
//	raw NAME                 print the record as Glance holds it, one member a line, to stdout
//	holds NAME FILE          the record's members are those in FILE (k=v lines; "!k" is absent),
//	                         and it has no custom property that FILE does not name
//	alike NAME NAME          the records are equal but for id and name
//	exits CODE PROGRAM ARG.. run it and compare its exit code
//	count NAME N             there are N images of that name (hidden ones included)
//	serve FILE               serve FILE's folder by HTTP; $SERVED is its address
//	paste FILE               run FILE's lines where the standard client is (devcloud only)
//	openstack ARG...         the standard client (devcloud only)
func commands(c target) map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"qcow2": func(ts *testscript.TestScript, neg bool, args []string) {
			usage(ts, neg, args, 2, "qcow2 FILE GIB")
			gib, err := strconv.ParseUint(args[1], 10, 32)
			ts.Check(err)
			ts.Check(os.WriteFile(ts.MkAbs(args[0]), emptyQcow2(gib<<30), 0o600))
		},
		"raw": func(ts *testscript.TestScript, neg bool, args []string) {
			usage(ts, neg, args, 1, "raw NAME")
			for _, line := range members(only(ts, c, args[0])) {
				fmt.Fprintln(ts.Stdout(), line)
			}
		},
		"holds": func(ts *testscript.TestScript, neg bool, args []string) {
			usage(ts, neg, args, 2, "holds NAME FILE")
			compare(ts, only(ts, c, args[0]), ts.ReadFile(args[1]))
		},
		"alike": func(ts *testscript.TestScript, neg bool, args []string) {
			usage(ts, neg, args, 2, "alike NAME NAME")
			a, b := only(ts, c, args[0]), only(ts, c, args[1])
			b.ID, b.Name = a.ID, a.Name
			for _, img := range []image.Image{a, b} {
				maps.DeleteFunc(img.Properties, func(name, _ string) bool { return strings.HasPrefix(name, "owner_specified.openstack.") })
			}
			if ours, theirs := members(a), members(b); !slices.Equal(ours, theirs) {
				ts.Fatalf("%s\n  %s\n%s\n  %s", args[0], strings.Join(ours, "\n  "), args[1], strings.Join(theirs, "\n  "))
			}
		},
		"exits": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) < 2 {
				ts.Fatalf("usage: exits CODE PROGRAM ARG...")
			}
			code := 0
			var exit *exec.ExitError
			if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
				code = exit.ExitCode()
			} else {
				ts.Check(err)
			}
			if strconv.Itoa(code) != args[0] {
				ts.Fatalf("exit %d, want %s", code, args[0])
			}
		},
		"count": func(ts *testscript.TestScript, neg bool, args []string) {
			usage(ts, neg, args, 2, "count NAME N")
			if got := strconv.Itoa(len(named(ts, c, args[0]))); got != args[1] {
				ts.Fatalf("%s images named %s, want %s", got, args[0], args[1])
			}
		},
		"paste": func(ts *testscript.TestScript, neg bool, args []string) {
			usage(ts, neg, args, 1, "paste FILE")
			ts.Check(ts.Exec(filepath.Join(c.root, "exec"), "2025.1", "sh", "-e", ts.MkAbs(args[0])))
		},
		"serve": func(ts *testscript.TestScript, neg bool, args []string) {
			usage(ts, neg, args, 1, "serve FILE")
			server := httptest.NewServer(http.FileServer(http.Dir(filepath.Dir(ts.MkAbs(args[0])))))
			ts.Defer(server.Close)
			ts.Setenv("SERVED", server.URL)
		},
		"openstack": func(ts *testscript.TestScript, neg bool, args []string) {
			if c.root == "" {
				ts.Fatalf("openstack: only on the devcloud")
			}
			// The standard client lives in the devcloud's root of the newer release.
			err := ts.Exec(filepath.Join(c.root, "exec"), append([]string{"2025.1", "openstack"}, args...)...)
			if neg == (err == nil) {
				ts.Fatalf("openstack %s: %v", strings.Join(args, " "), err)
			}
		},
	}
}

func usage(ts *testscript.TestScript, neg bool, args []string, n int, text string) {
	if neg || len(args) != n {
		ts.Fatalf("usage: %s", text)
	}
}

// named returns all images of a name, hidden ones included.
func named(ts *testscript.TestScript, c target, name string) []image.Image {
	var found []image.Image
	for _, hidden := range []string{"false", "true"} {
		for img, err := range c.admin.List(context.Background(), url.Values{"name": {name}, "os_hidden": {hidden}, "visibility": {"all"}}) {
			ts.Check(err)
			found = append(found, img)
		}
	}
	return found
}

func only(ts *testscript.TestScript, c target, name string) image.Image {
	found := named(ts, c, name)
	if len(found) != 1 {
		ts.Fatalf("%d images named %s, want one", len(found), name)
	}
	return found[0]
}

// members writes an image's fields and properties as sorted k=v lines.
func members(img image.Image) []string {
	fields := map[string]string{}
	for _, name := range []string{"name", "visibility", "owner", "container_format", "disk_format", "protected", "os_hidden", "min_disk", "min_ram", "tags"} {
		fields[name] = fmt.Sprint(img.Value(name))
	}
	fields["id"], fields["status"] = img.ID, img.Status
	fields["checksum"] = img.Checksum
	fields["os_hash_algo"], fields["os_hash_value"] = img.HashAlgo, img.HashValue
	if img.Size != nil {
		fields["size"] = strconv.FormatInt(*img.Size, 10)
	}
	if img.VirtualSize != nil {
		fields["virtual_size"] = strconv.FormatInt(*img.VirtualSize, 10)
	}
	maps.Copy(fields, img.Properties)
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		lines = append(lines, name+"="+fields[name])
	}
	return lines
}

func compare(ts *testscript.TestScript, img image.Image, want string) {
	held := map[string]string{}
	for _, line := range members(img) {
		name, value, _ := strings.Cut(line, "=")
		held[name] = value
	}
	mentioned := map[string]bool{}
	for line := range strings.Lines(want) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if name, absent := strings.CutPrefix(line, "!"); absent {
			if value, ok := held[name]; ok {
				ts.Fatalf("%s: %s=%s, want it absent", img.Name, name, value)
			}
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		mentioned[name] = true
		if got, ok := held[name]; !ok || got != value {
			ts.Fatalf("%s: %s=%q, want %q", img.Name, name, got, value)
		}
	}
	for name, value := range img.Properties {
		// The standard client's own marks are neither made nor found fault with.
		if !mentioned[name] && !strings.HasPrefix(name, "owner_specified.openstack.") {
			ts.Fatalf("%s: has the property %s=%q, which was not asked for", img.Name, name, value)
		}
	}
}

// prepare gives a script a name prefix of its own, as $P, and deletes what
// images of that prefix are left at its end.
func (c target) prepare(env *testscript.Env) error {
	prefix := fmt.Sprintf("e2e-%08x", rand.Uint32())
	env.Setenv("P", prefix)
	env.Setenv("SUFFIX", fmt.Sprintf("%012x", rand.Uint64N(1<<48)))
	if c.admin == nil {
		return nil
	}
	env.Defer(func() {
		ctx := context.Background()
		for _, hidden := range []string{"false", "true"} {
			for img, err := range c.admin.List(ctx, url.Values{"os_hidden": {hidden}, "visibility": {"all"}}) {
				if err != nil {
					return
				}
				if !strings.Contains(img.Name, prefix) {
					continue
				}
				if img.Protected {
					_, _ = c.admin.Patch(ctx, img.ID, []glanceapi.Operation{{Op: "replace", Name: "protected", Value: false}})
				}
				_ = c.admin.Delete(ctx, img.ID)
			}
		}
	})
	return nil
}

// startSandbox starts the binary's own sandbox and returns once it says that
// it is ready.
func startSandbox(t *testing.T) target {
	t.Helper()
	config := filepath.Join(t.TempDir(), "clouds.yaml")
	cmd := exec.Command(program, "sandbox", "--clouds-file", config)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stderr)
	ready := false
	for !ready && lines.Scan() {
		ready = strings.Contains(lines.Text(), "ready")
	}
	if !ready {
		t.Fatal("the sandbox did not start")
	}
	go func() {
		for lines.Scan() {
		}
	}()
	return newTarget(t, "sandbox", config, "")
}

// devcloud returns the real cloud of a release, or skips where there is none
// and none is demanded.
func devcloud(t *testing.T, release string) target {
	t.Helper()
	dir := oracle.Devcloud(t, "end to end on the real Keystone and Glance")
	root, err := filepath.Abs("../devcloud")
	if err != nil {
		t.Fatal(err)
	}
	return newTarget(t, "devcloud", filepath.Join(dir, release, "clouds.yaml"), root)
}

func newTarget(t *testing.T, prefix, config, root string) target {
	t.Helper()
	c := target{config: config, root: root, label: prefix, names: map[string]string{}}
	for _, role := range []string{"admin", "member", "reader", "other", "appcred", "tls"} {
		c.names[strings.ToUpper(role)] = prefix + "-" + role
	}
	client, endpoint, err := connect(config, prefix+"-admin")
	if err != nil {
		t.Fatalf("log in to %s: %v", prefix, err)
	}
	c.admin, c.endpoint = client, endpoint
	stores, err := client.Stores(context.Background())
	if err != nil || len(stores) < 2 {
		t.Fatalf("stores of %s: %v, %v", prefix, stores, err)
	}
	c.names["STORE1"], c.names["STORE2"] = stores[0].ID, stores[1].ID
	c.names["OTHER_PROJECT"] = prefix + "-other"
	return c
}

func connect(config, name string) (*glanceapi.Client, string, error) {
	env := cloud.OSEnv()
	env.LookupEnv = func(key string) (string, bool) {
		if key == "OS_CLIENT_CONFIG_FILE" {
			return config, true
		}
		return "", false
	}
	env.Environ = func() []string { return []string{"OS_CLIENT_CONFIG_FILE=" + config} }
	loaded, err := cloud.Load(cloud.Options{Cloud: name}, env)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s, err := cloud.Connect(ctx, loaded, cloud.ConnectOptions{UserAgent: "glance-profile-e2e"})
	if err != nil {
		return nil, "", err
	}
	return glanceapi.New(s.Image), s.Endpoint, nil
}

// emptyQcow2 returns a valid qcow2 version 3 image of a virtual size without
// any data: header, refcount table, one refcount block, L1 table.
func emptyQcow2(virtual uint64) []byte {
	const cluster = 1 << 16
	l1 := (virtual + (cluster/8)*cluster - 1) / ((cluster / 8) * cluster)
	img := make([]byte, 4*cluster)
	be := binary.BigEndian
	copy(img, "QFI\xfb")
	be.PutUint32(img[4:], 3)
	be.PutUint32(img[20:], 16)
	be.PutUint64(img[24:], virtual)
	be.PutUint32(img[36:], uint32(l1))
	be.PutUint64(img[40:], 3*cluster) // L1 table
	be.PutUint64(img[48:], 1*cluster) // refcount table
	be.PutUint32(img[56:], 1)
	be.PutUint32(img[96:], 4) // 16-bit refcounts
	be.PutUint32(img[100:], 104)
	be.PutUint64(img[cluster:], 2*cluster)
	for i := range 4 {
		be.PutUint16(img[2*cluster+2*i:], 1)
	}
	return img
}
