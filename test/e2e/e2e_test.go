// Package e2e runs the built program against whole clouds: the sandbox inside
// the program and, where GLANCE_PROFILE_DEVCLOUD names a .devcloud folder, a
// real Keystone and Glance. The scripts in testdata are the same for both, so
// that the sandbox is held to what Glance does.
//
// What a script may use beside testscript's own commands is listed at commands
// in harness_test.go.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// program is the program under test, built once.
var program string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if disk, ok := os.LookupEnv("GLANCE_PROFILE_TEST_DISK"); ok { // one of the README's stand-ins calls us
			if err := makeDisk(disk); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return 1
			}
			return 0
		}
		dir, err := os.MkdirTemp("", "glance-profile-e2e")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		program = filepath.Join(dir, "glance-profile")
		build := exec.Command("go", "build", "-ldflags", "-X main.version=test", "-o", program, "../..")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// TestOffline runs the scripts that need no cloud.
func TestOffline(t *testing.T) {
	run(t, "testdata/offline", target{})
}

func TestSandbox(t *testing.T) {
	run(t, "testdata/cloud", startSandbox(t))
	run(t, "testdata/sandbox", startSandbox(t))
}

// The whole suite runs against the newer release, a smoke set against Zed.
func TestDevcloud(t *testing.T) {
	c := devcloud(t, "2025.1")
	run(t, "testdata/cloud", c)
	run(t, "testdata/devcloud", c)
}

func TestDevcloudZed(t *testing.T) {
	run(t, "testdata/smoke", devcloud(t, "zed"))
}

// run runs all scripts of a folder against a cloud.
func run(t *testing.T, dir string, c target) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts in %s (%v)", dir, err)
	}
	testscript.Run(t, testscript.Params{
		Files: files,
		Setup: func(env *testscript.Env) error {
			path := filepath.Dir(program) + string(os.PathListSeparator) + os.Getenv("PATH")
			// HOME and everything below it are the script's own.
			for _, set := range []string{
				"PATH=" + path, "HOME=" + env.WorkDir, "XDG_CONFIG_HOME=" + env.WorkDir + "/.config",
				"XDG_STATE_HOME=" + env.WorkDir + "/.state", "OS_CLIENT_CONFIG_FILE=" + c.config,
			} {
				name, value, _ := strings.Cut(set, "=")
				env.Setenv(name, value)
			}
			for role, name := range c.names {
				env.Setenv(role, name)
			}
			return c.prepare(env)
		},
		Cmds:                commands(c),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}
