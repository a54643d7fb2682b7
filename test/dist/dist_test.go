// Package dist holds the packages and archives of a release to what is promised of them: that the same
// commit gives the same bytes, that they install, work and go away again, and that lintian agrees.
package dist

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"glance-profile/test/oracle"
)

const (
	version = "v1.2.3"
	epoch   = "1700000000"
)

// soak is where everything is built; else only what this machine can run.
var soak = os.Getenv("GLANCE_PROFILE_SOAK") != ""

// build runs packaging/dist of a tree into a folder.
func build(tree, out string, env ...string) error {
	args := []string{out}
	if !soak {
		args = append(args, "linux/"+runtime.GOARCH)
	}
	cmd := exec.Command(filepath.Join(tree, "packaging/dist"), args...)
	cmd.Env = append(os.Environ(), "VERSION="+version, "SOURCE_DATE_EPOCH="+epoch)
	cmd.Env = append(cmd.Env, env...)
	if said, err := cmd.CombinedOutput(); err != nil {
		return &failed{err, said}
	}
	return nil
}

type failed struct {
	err  error
	said []byte
}

func (f *failed) Error() string { return f.err.Error() + "\n" + string(f.said) }

var (
	folder string
	built  = sync.OnceValue(func() error { return build("../..", folder) })
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dist")
	if err != nil {
		panic(err)
	}
	folder = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// packages returns the folder with what was built, once for all tests.
func packages(t *testing.T) string {
	t.Helper()
	if err := built(); err != nil {
		t.Fatal(err)
	}
	return folder
}

// named returns the one file that a pattern fits, without its folder.
func named(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q, %v", pattern, found, err)
	}
	return filepath.Base(found[0])
}

// run returns what a command prints, and fails the test where it fails.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// inRoot runs one of the scripts in a root that forgets it, in the folder of the packages.
func inRoot(t *testing.T, root, script string, args ...string) {
	t.Helper()
	t.Log(run(t, ".", "./root", append([]string{"--folder", packages(t), root, "/devcloud-lib/" + script, version}, args...)...))
}

// needsRoots leaves a test out where no roots can be made.
func needsRoots(t *testing.T, untested string) {
	t.Helper()
	_, err := os.Stat("/etc/debian_version")
	if err == nil && (os.Getuid() == 0 || exec.Command("sudo", "-n", "true").Run() == nil) {
		return
	}
	if os.Getenv("CI") == "true" || os.Getenv("GLANCE_PROFILE_REQUIRE_ALL") == "1" {
		t.Fatalf("clean roots need Debian and root or sudo, and all tests are demanded: %s", untested)
	}
	t.Skipf("left out: %s (needs Debian and root or sudo)", untested)
}

func sums(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		found[entry.Name()] = hex.EncodeToString(sum[:])
	}
	return found
}

func TestEverythingIsThere(t *testing.T) {
	dir := packages(t)
	want := []string{"SHA256SUMS"}
	if _, err := os.Stat("../../openstackclient"); err == nil {
		want = append(want, "python3-glance-profile-openstackclient_1.2.3-1_all.deb")
	}
	names := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}
	for _, arch := range []string{"amd64", "arm64"} {
		if !soak && arch != runtime.GOARCH {
			continue
		}
		want = append(want, "glance-profile_1.2.3-1_"+arch+".deb", "glance-profile-1.2.3-1."+names[arch]+".rpm",
			"glance-profile-1.2.3-linux-"+arch+".tar.gz")
		if soak {
			want = append(want, "glance-profile-1.2.3-darwin-"+arch+".tar.gz", "glance-profile-1.2.3-windows-"+arch+".zip")
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(sums(t, dir))); !slices.Equal(got, want) {
		t.Errorf("built  %q\nwanted %q", got, want)
	}
	checked := run(t, dir, "sha256sum", "--check", "--strict", "SHA256SUMS")
	if n := strings.Count(checked, ": OK\n"); n != len(want)-1 {
		t.Errorf("SHA256SUMS has %d files of %d:\n%s", n, len(want)-1, checked)
	}
}

// Another folder, time zone, umask and language; and, where there is time for it, nothing compiled before.
func TestSameBytesAgain(t *testing.T) {
	first := packages(t)
	tree := filepath.Join(t.TempDir(), "another folder")
	if err := os.Mkdir(tree, 0o700); err != nil {
		t.Fatal(err)
	}
	run(t, "../..", "bash", "-euo", "pipefail", "-c",
		`umask 077; git ls-files -coz --exclude-standard | tar -c --null --no-recursion --verbatim-files-from -T - | tar -x -m --no-same-permissions -C "$1"`,
		"bash", tree)
	env := []string{"TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "GOFLAGS=-buildvcs=auto"}
	if soak {
		env = append(env, "GOCACHE="+t.TempDir())
	}
	second := t.TempDir()
	if err := build(tree, second, env...); err != nil {
		t.Fatal(err)
	}
	was, is := sums(t, first), sums(t, second)
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if was[name] != is[name] {
			t.Errorf("%s is %s once, and %q again", name, was[name], is[name])
		}
	}
	if len(was) != len(is) {
		t.Errorf("%d files, and %d again", len(was), len(is))
	}
}

func TestArchiveRunsWhereItIsUnpacked(t *testing.T) {
	dir, into := packages(t), t.TempDir()
	archive := named(t, dir, "*-linux-"+runtime.GOARCH+".tar.gz")
	run(t, into, "tar", "-xzf", filepath.Join(dir, archive), "--strip-components=1")
	if said := run(t, into, "bin/glance-profile", "--version"); !strings.Contains(said, version) {
		t.Errorf("--version says %q, want %s", said, version)
	}
	for _, file := range []string{"LICENSE", "README.md", "THIRD-PARTY-NOTICES"} {
		if _, err := os.Stat(filepath.Join(into, "share/doc/glance-profile", file)); err != nil {
			t.Error(err)
		}
	}
}

// Whoever hands the program on owes its readers the licences of what is linked into it.
func TestNoticesNameEveryModule(t *testing.T) {
	dir, into := packages(t), t.TempDir()
	run(t, into, "tar", "-xzf", filepath.Join(dir, named(t, dir, "*-linux-"+runtime.GOARCH+".tar.gz")), "--strip-components=1")
	notices, err := os.ReadFile(filepath.Join(into, "share/doc/glance-profile/THIRD-PARTY-NOTICES"))
	if err != nil {
		t.Fatal(err)
	}
	linked := 0
	for line := range strings.Lines(run(t, into, "go", "version", "-m", "bin/glance-profile")) {
		if module, found := strings.CutPrefix(strings.TrimSpace(line), "dep\t"); found {
			linked++
			fields := strings.Fields(module)
			if !bytes.Contains(notices, []byte("\n==== "+fields[0]+" "+fields[1]+"\n")) {
				t.Errorf("nothing is said of %s", module)
			}
		}
	}
	if linked == 0 {
		t.Error("the binary names no modules")
	}
}

func TestPackageInstallsWorksAndGoes(t *testing.T) {
	needsRoots(t, "the package is not installed in a clean Debian")
	inRoot(t, "clean", "deb.sh", named(t, packages(t), "glance-profile_*_"+runtime.GOARCH+".deb"))
}

func TestLintianAndRPMAgree(t *testing.T) {
	needsRoots(t, "lintian and rpm do not see the packages")
	inRoot(t, "tools", "lint.sh")
}

func TestPluginInstallsWorksAndGoes(t *testing.T) {
	if _, err := os.Stat("../../openstackclient"); err != nil {
		t.Skip("the tree has no plugin")
	}
	devcloud := oracle.Devcloud(t, "the plugin's package is not installed beside a real openstack client")
	dir := packages(t)
	for _, release := range []string{"zed", "2025.1"} {
		t.Run(release, func(t *testing.T) {
			inRoot(t, filepath.Join(devcloud, release, "root"), "plugin.sh",
				named(t, dir, "glance-profile_*_"+runtime.GOARCH+".deb"), named(t, dir, "python3-*_all.deb"))
		})
	}
}

// A completion script or page that make install forgets must not go missing unnoticed.
func TestWhatIsNotInstalledIsNoticed(t *testing.T) {
	tree := t.TempDir()
	run(t, "../..", "bash", "-euo", "pipefail", "-c",
		`git ls-files -coz --exclude-standard | tar -c --null --no-recursion --verbatim-files-from -T - | tar -x -C "$1"`, "bash", tree)
	if err := os.MkdirAll(filepath.Join(tree, "completion"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree, "completion/glance-profile.nushell"), []byte("nobody installs this\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := build(tree, t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "leaves out completion/glance-profile.nushell") {
		t.Errorf("built with a completion script that nothing installs: %v", err)
	}
}

// Debian's own judge, on all that git describe can say.
func TestVersionsAreInOrder(t *testing.T) {
	described := []string{"unreleased", "0000abc", "v0.9.0", "v1.2.0-rc1", "v1.2.0-rc1-7-g0123abc", "v1.2.0-rc2", "v1.2.0",
		"v1.2.0-dirty", "v1.2.1", "v1.2.1-9-gffffff0", "v1.2.1-10-g0000000", "v1.2.1-10-g0000000-dirty", "v1.3.0", "v1.10.0"}
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip("left out: versions are not put to dpkg (needs Debian)")
	}
	t.Setenv("SOURCE_DATE_EPOCH", epoch)
	before := ""
	for _, one := range described {
		as := strings.TrimSpace(run(t, "../..", "packaging/version", one))
		if before != "" {
			run(t, ".", "dpkg", "--compare-versions", before, "lt", as)
		}
		before = as
	}
	for one, want := range map[string]string{"v1.2.0-rc1-7-g0123abc": "1.2.0rc1+7.g0123abc", "0000abc-dirty": "0.dev20231114+g0000abc.dirty", "unreleased": "0.dev20231114"} {
		if got := strings.TrimSpace(run(t, "../..", "packaging/version", "--python", one)); got != want {
			t.Errorf("%s is %s for Python, want %s", one, got, want)
		}
	}
	if out, err := exec.Command("../../packaging/version", "what's this").CombinedOutput(); err == nil {
		t.Errorf("took no version for one: %s", out)
	}
}
