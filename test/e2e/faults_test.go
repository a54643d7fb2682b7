package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"glance-profile/internal/image"
)

// programRun is one run of the program.
type programRun struct {
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

// start starts the program as cloud name of target c, with a state folder of
// its own.
func start(t *testing.T, c target, name string, args ...string) *programRun {
	t.Helper()
	home := t.TempDir()
	r := &programRun{cmd: exec.Command(program, args...)}
	r.cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_STATE_HOME=" + filepath.Join(home, "state"),
		"OS_CLIENT_CONFIG_FILE=" + c.config, "OS_CLOUD=" + c.names[name],
	}
	r.cmd.Stdout, r.cmd.Stderr = &r.stdout, &r.stderr
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	return r
}

// wait returns the exit code.
func (r *programRun) wait(t *testing.T) int {
	t.Helper()
	err := r.cmd.Wait()
	if err != nil && r.cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return r.cmd.ProcessState.ExitCode()
}

// ok waits for a run that has to succeed.
func ok(t *testing.T, r *programRun) {
	t.Helper()
	if code := r.wait(t); code != 0 {
		t.Fatalf("%v: exit %d, stderr %s", r.cmd.Args[1:], code, r.stderr.String())
	}
}

// fails waits for a run that has to end with an exit code and say something.
func fails(t *testing.T, r *programRun, code int, says string) {
	t.Helper()
	got := r.wait(t)
	if got != code || !regexp.MustCompile("(?m)"+says).MatchString(r.stderr.String()) {
		t.Errorf("%v: exit %d, want %d and %q, stderr %s", r.cmd.Args[1:], got, code, says, r.stderr.String())
	}
}

// record returns the only image of that name.
func record(t *testing.T, c target, name string) image.Image {
	t.Helper()
	var found []image.Image
	for img, err := range c.admin.List(t.Context(), url.Values{"name": {name}, "visibility": {"all"}}) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, img)
	}
	if len(found) != 1 {
		t.Fatalf("%d images named %s, want one", len(found), name)
	}
	return found[0]
}

// sparse makes a file of that size without blocks.
func sparse(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.raw")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString("boot code"); err != nil {
		t.Fatal(err)
	}
	if err := file.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return path
}

// statusOf returns the status of the only image of that name, "" where there is
// none.
func statusOf(t *testing.T, c target, name string) string {
	t.Helper()
	for img, err := range c.admin.List(context.Background(), url.Values{"name": {name}, "visibility": {"all"}}) {
		if err != nil {
			return "" // a Glance that was killed is not back yet
		}
		return img.Status
	}
	return ""
}

// until waits for a condition, and fails when it does not come about.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func uniqueName(t *testing.T, c target, what string) string {
	name := fmt.Sprintf("e2e-%s-%d", what, time.Now().UnixNano())
	t.Cleanup(func() {
		for img, err := range c.admin.List(context.Background(), url.Values{"name": {name}, "visibility": {"all"}}) {
			if err == nil {
				_ = c.admin.Delete(context.Background(), img.ID)
			}
		}
	})
	return name
}

// Ctrl-C in mid-upload: the half-made image is deleted, one line says which.
func TestInterruptedUpload(t *testing.T) {
	c := devcloud(t, "2025.1")
	name := uniqueName(t, c, "sigint")
	r := start(t, c, "MEMBER", "create", name, "--osinfo", "debian12", "--file", sparse(t, 8<<30))
	until(t, "the upload has begun", func() bool { return statusOf(t, c, name) == "saving" })
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	code := r.wait(t)
	lines := strings.Split(strings.TrimSpace(r.stderr.String()), "\n")
	if code != 130 || !regexp.MustCompile(`^glance-profile: error: .*the half-made image [0-9a-f-]{36} \(`+name+`\) was deleted$`).MatchString(lines[len(lines)-1]) {
		t.Errorf("exit %d, stderr %s", code, r.stderr.String())
	}
	if status := statusOf(t, c, name); status != "" {
		t.Errorf("an image is left behind: %s", status)
	}
}

// Glance dies in mid-upload and comes back: the upload begins again and ends.
func TestGlanceKilledInMidUpload(t *testing.T) {
	c := devcloud(t, "2025.1")
	name := uniqueName(t, c, "kill")
	r := start(t, c, "MEMBER", "create", name, "--osinfo", "debian12", "--file", sparse(t, 1<<30), "-f", "value", "-c", "status")
	until(t, "the upload has begun", func() bool { return statusOf(t, c, name) == "saving" })
	for _, what := range []string{"kill", "start"} {
		if out, err := exec.Command(filepath.Join(c.root, "ctl"), "2025.1", "glance", what).CombinedOutput(); err != nil {
			t.Fatalf("%s glance: %v\n%s", what, err, out)
		}
	}
	code := r.wait(t)
	if code != 0 || r.stdout.String() != "active\n" {
		t.Errorf("exit %d, stdout %q, stderr %s", code, r.stdout.String(), r.stderr.String())
	}
	if !strings.Contains(r.stderr.String(), "starting again") && !strings.Contains(r.stderr.String(), "trying again") {
		t.Errorf("nothing was said of the break: %s", r.stderr.String())
	}
	count := 0
	for _, err := range c.admin.List(t.Context(), url.Values{"name": {name}, "visibility": {"all"}}) {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	if count != 1 {
		t.Errorf("%d images of that name, want one", count)
	}
}

// Data that change on their way are found by their hash, and no image stays.
func TestCorruptedUpload(t *testing.T) {
	c := devcloud(t, "2025.1")
	name := uniqueName(t, c, "hash")
	endpoint := proxy(t, c, func(req *http.Request) {
		if req.Method == http.MethodPut {
			req.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(strings.NewReader("X"), skipFirst(req.Body)), req.Body}
		}
	})
	r := start(t, override(t, c, "MEMBER", endpoint), "PROXIED", "create", name, "--osinfo", "debian12", "--file", sparse(t, 1<<20))
	code := r.wait(t)
	if code != 1 || !strings.Contains(r.stderr.String(), "sha512") || !strings.Contains(r.stderr.String(), "was deleted") {
		t.Errorf("exit %d, stderr %s", code, r.stderr.String())
	}
	if status := statusOf(t, c, name); status != "" {
		t.Errorf("an image is left behind: %s", status)
	}
}

func skipFirst(r io.Reader) io.Reader {
	_, _ = io.CopyN(io.Discard, r, 1)
	return r
}

// A token revoked between login and upload is renewed, and the data are sent
// whole.
func TestRevokedToken(t *testing.T) {
	c := devcloud(t, "2025.1")
	name := uniqueName(t, c, "revoked")
	revoked := false
	keystone := ""
	endpoint := proxy(t, c, func(req *http.Request) {
		if req.Method == http.MethodPut && !revoked {
			revoked = true
			token := req.Header.Get("X-Auth-Token")
			del, err := http.NewRequest(http.MethodDelete, keystone+"/auth/tokens", nil)
			if err != nil {
				t.Error(err)
				return
			}
			del.Header.Set("X-Auth-Token", token)
			del.Header.Set("X-Subject-Token", token)
			if resp, err := http.DefaultClient.Do(del); err != nil || resp.StatusCode != http.StatusNoContent {
				t.Errorf("revoke the token: %v %v", resp, err)
			}
		}
	})
	proxied := override(t, c, "MEMBER", endpoint)
	text, err := os.ReadFile(proxied.config)
	if err != nil {
		t.Fatal(err)
	}
	keystone = regexp.MustCompile(`http://[0-9.:]+/v3`).FindString(string(text))
	r := start(t, proxied, "PROXIED", "create", name, "--osinfo", "debian12", "--file", sparse(t, 5<<20), "-f", "value", "-c", "status", "-c", "size")
	if code := r.wait(t); code != 0 || r.stdout.String() != "5242880\nactive\n" || !revoked {
		t.Errorf("exit %d, revoked %v, stdout %q, stderr %s", code, revoked, r.stdout.String(), r.stderr.String())
	}
}

// proxy stands before the real Glance and shows each request to see.
func proxy(t *testing.T, c target, see func(*http.Request)) string {
	t.Helper()
	return through(t, c, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		see(req)
		next.ServeHTTP(w, req)
	})
}

// through stands before the real Glance, which is next, and returns its address.
func through(t *testing.T, c target, serve func(w http.ResponseWriter, req *http.Request, next http.Handler)) string {
	t.Helper()
	glance, err := url.Parse(c.endpoint)
	if err != nil {
		t.Fatal(err)
	}
	real := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(glance) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { serve(w, req, real) }))
	t.Cleanup(server.Close)
	return server.URL
}

// override returns a target with one cloud, PROXIED, which is that of a role
// with another image endpoint.
func override(t *testing.T, c target, role, endpoint string) target {
	t.Helper()
	text, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "  "+c.names[role]+":\n")
	if !ok {
		t.Fatalf("no cloud %s in %s", c.names[role], c.config)
	}
	entry, _, _ := strings.Cut(rest, "\n  "+c.label+"-")
	path := filepath.Join(t.TempDir(), "clouds.yaml")
	yaml := "clouds:\n  proxied:\n" + entry + "\n    image_endpoint_override: " + endpoint + "\n"
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	return target{config: path, names: map[string]string{"PROXIED": "proxied"}}
}

// A large upload takes constant memory.
func TestMemoryOfALargeUpload(t *testing.T) {
	c := devcloud(t, "2025.1")
	name := uniqueName(t, c, "large")
	r := start(t, c, "MEMBER", "create", name, "--osinfo", "debian12", "--file", sparse(t, 4<<30), "-f", "json")
	// Not ru_maxrss: through vfork it begins with the memory of this test.
	peak, stop, done := 0, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			peak = max(peak, highWater(r.cmd.Process.Pid))
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	code := r.wait(t)
	close(stop)
	<-done
	if code != 0 {
		t.Fatalf("exit %d: %s", code, r.stderr.String())
	}
	var img struct{ Size int64 }
	if err := json.Unmarshal(r.stdout.Bytes(), &img); err != nil || img.Size != 4<<30 {
		t.Errorf("size %d, %v", img.Size, err)
	}
	t.Logf("peak resident memory %.1f MiB", float64(peak)/1024)
	if peak == 0 || peak >= 40<<10 {
		t.Errorf("peak resident memory %d KiB, which is 40 MiB or more", peak)
	}
}

// highWater returns the peak resident memory of a process in KiB, 0 once it has
// ended.
func highWater(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int
	_, _ = fmt.Sscan(rest, &kib)
	return kib
}

// Where Glance converts what is imported, that is reported, and nothing is
// compared or deleted.
func TestConversion(t *testing.T) {
	c := devcloud(t, "2025.1")
	name := uniqueName(t, c, "convert")
	path := filepath.Join(t.TempDir(), "disk.qcow2")
	if err := os.WriteFile(path, emptyQcow2(1<<30), 0o600); err != nil {
		t.Fatal(err)
	}
	c.names["CONVERT"] = "devcloud-convert"
	r := start(t, c, "CONVERT", "create", name, "--osinfo", "debian12", "--file", path, "--import", "-f", "value", "-c", "status", "-c", "disk_format")
	code := r.wait(t)
	if code != 0 || r.stdout.String() != "raw\nactive\n" || !strings.Contains(r.stderr.String(), "converted the image from qcow2 to raw") {
		t.Errorf("exit %d, stdout %q, stderr %s", code, r.stdout.String(), r.stderr.String())
	}
}
