package completion

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"glance-profile/internal/cloud"
	"glance-profile/internal/imagecache"
)

// ask asks the program as the script for bash does, and returns its answer and
// how long it took until its output was closed by all who had it.
func ask(t *testing.T, env []string, line string) (string, time.Duration) {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.Command(program, "__complete", "bash")
	cmd.Env = env
	cmd.Stdin = strings.NewReader(" \t\n\"'><=;|&(:\x00glance-profile " + line + "\x00\x00")
	cmd.Stderr = &stderr
	begun := time.Now()
	out, err := cmd.Output()
	took := time.Since(begun)
	if err != nil || stderr.Len() > 0 {
		t.Errorf("%s: %v %s", line, err, stderr.String())
	}
	return string(out), took
}

// A cloud that takes connections and never answers is asked once, by a process
// of its own that nobody waits for.
func TestCloudThatNeverAnswers(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var asked atomic.Int32
	go func() {
		for {
			if _, err := listener.Accept(); err != nil {
				return
			}
			asked.Add(1)
		}
	}()
	home := t.TempDir()
	clouds := filepath.Join(home, "clouds.yaml")
	text := fmt.Sprintf("clouds: {c: {auth: {auth_url: 'http://%s/v3', username: u, password: p4ssword, project_name: p, user_domain_id: d, project_domain_id: d}}}", listener.Addr())
	if err := os.WriteFile(clouds, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := []string{"HOME=" + home, "OS_CLIENT_CONFIG_FILE=" + clouds, "PATH=" + os.Getenv("PATH")}
	// A descriptor that the shell has left open: the process must not keep it.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	first := exec.Command("sh", "-c", `printf '%s\0' '' 'glance-profile --os-cloud c apply --os-password p4ssword ' '' | "$0" __complete bash`, program)
	first.Env, first.ExtraFiles = env, []*os.File{w}
	if out, err := first.CombinedOutput(); err != nil || string(out) != "none\n" {
		t.Errorf("%v %q", err, out)
	}
	w.Close()
	ended := make(chan bool)
	go func() { _, _ = r.Read(make([]byte, 1)); close(ended) }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("an inherited descriptor is kept open")
	}
	for range 5 {
		if answer, took := ask(t, env, "--os-cloud c apply --os-password p4ssword "); answer != "none\n" && answer != "" || took > 3*time.Second {
			t.Errorf("%q after %v", answer, took)
		}
	}
	pids := refreshing(t, home)
	if len(pids) != 1 {
		t.Fatalf("%d processes list the images", len(pids))
	}
	defer func() { _ = syscall.Kill(pids[0], syscall.SIGKILL) }()
	if session, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pids[0])); err != nil || strings.Fields(string(session))[5] != strconv.Itoa(pids[0]) {
		t.Errorf("it leads no session: %s", session)
	}
	if arguments, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pids[0])); strings.Contains(string(arguments), "p4ssword") {
		t.Errorf("a password in its arguments: %q", arguments)
	}
	for range 100 {
		if asked.Load() > 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

// refreshing finds the processes that list images for a home.
func refreshing(t *testing.T, home string) []int {
	t.Helper()
	var pids []int
	paths, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range paths {
		arguments, _ := os.ReadFile(path)
		environment, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
		if strings.HasSuffix(string(arguments), "\x00__refresh\x00") && strings.Contains(string(environment), "HOME="+home+"\x00") {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// The answering time is measured and told. That it has a bound is held by a test
// in commands.
func TestAnsweringTime(t *testing.T) {
	home := t.TempDir()
	clouds := filepath.Join(home, "clouds.yaml")
	if err := os.WriteFile(clouds, []byte("clouds: {c: {auth: {auth_url: 'http://127.0.0.1:9/v3', username: u, password: p, project_name: p, user_domain_id: d, project_domain_id: d}}}"), 0o600); err != nil {
		t.Fatal(err)
	}
	variables := map[string]string{"HOME": home, "OS_CLIENT_CONFIG_FILE": clouds, "OS_CLOUD": "c"}
	var env []string
	for name, value := range variables {
		env = append(env, name+"="+value)
	}
	config, err := cloud.Load(cloud.Options{}, cloud.Env{
		LookupEnv: func(name string) (string, bool) { value, ok := variables[name]; return value, ok },
		Environ:   func() []string { return env }, ReadFile: os.ReadFile, HomeDir: home, WorkDir: home,
	})
	if err != nil {
		t.Fatal(err)
	}
	images := make([]imagecache.Image, imagecache.MaxImages)
	for i := range images {
		images[i] = imagecache.Image{ID: fmt.Sprintf("%08x-0000-4000-8000-000000000000", i), Name: fmt.Sprintf("ubuntu 24.04 build %06d", i)}
	}
	if err := imagecache.At(filepath.Join(home, ".cache/glance-profile"), config.Login()).Write(images, time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"", "create --pro", "create --property hw_disk_bus=", "create --osinfo ubuntu", "create --profile ", "audit --fix ", "apply 'ubuntu 24.04 build 0199", "apply "} {
		var times []time.Duration
		answered := 0
		for range 9 {
			answer, took := ask(t, env, line)
			times = append(times, took)
			if strings.Count(answer, "\n") > 1 {
				answered++
			}
		}
		slices.Sort(times)
		t.Logf("%-32q median %v, worst %v, answered %d of 9", line, times[4].Round(time.Millisecond), times[8].Round(time.Millisecond), answered)
	}
}
