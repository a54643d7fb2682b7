// Package oracle asks the code that judges ours: Nova's, Glance's, oslo.utils',
// libvirt's and QEMU's own, in the roots of the devcloud. It is for tests.
package oracle

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// Devcloud returns the folder of the running devcloud. Where there is none, the
// test is left out, and says what that leaves untested; where all that can be
// tested must be, as in CI, it fails.
func Devcloud(t testing.TB, untested string) string {
	t.Helper()
	if dir := os.Getenv("GLANCE_PROFILE_DEVCLOUD"); dir != "" {
		return dir
	}
	if os.Getenv("CI") == "true" || os.Getenv("GLANCE_PROFILE_REQUIRE_ALL") == "1" {
		t.Fatalf("GLANCE_PROFILE_DEVCLOUD is not set, and all tests are demanded: %s", untested)
	}
	t.Skipf("left out: %s (make devcloud-up, and set GLANCE_PROFILE_DEVCLOUD=$PWD/.devcloud)", untested)
	return ""
}

// Osinfo returns the tree of osinfo-db that the built-in table is made from:
// $OSINFO_TREE, or that of the devcloud.
func Osinfo(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("OSINFO_TREE"); dir != "" {
		return dir
	}
	return filepath.Join(Devcloud(t, "the built-in table is not compared with osinfo-db"), "2025.1/root/usr/share/osinfo")
}

// Ask runs a Python script of the project, named from its root, in the root of
// a release of the devcloud, and returns what it prints. env is added to the
// environment.
func Ask(t testing.TB, release, script string, in io.Reader, env ...string) []byte {
	t.Helper()
	root := projectRoot(t)
	cmd := exec.CommandContext(t.Context(), filepath.Join(root, "test/devcloud/exec"), release, "python3", filepath.Join(root, script))
	var complaint bytes.Buffer
	cmd.Stdin, cmd.Stderr, cmd.Env = in, &complaint, append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s in the devcloud %s: %v\n%s", script, release, err, &complaint)
	}
	return out
}

// projectRoot is the folder of the project, wherever in it the test runs.
func projectRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("the test does not run in the project: there is no go.mod above it")
		}
		dir = up
	}
}

// Lines writes cases as lines of JSON, as the scripts read them.
func Lines[Case any](t testing.TB, cases []Case) io.Reader {
	t.Helper()
	var lines bytes.Buffer
	enc := json.NewEncoder(&lines)
	for _, c := range cases {
		if err := enc.Encode(c); err != nil {
			t.Fatal(err)
		}
	}
	return &lines
}

// Decode reads so many answers.
func Decode[Answer any](t testing.TB, dec *json.Decoder, n int) []Answer {
	t.Helper()
	answers := make([]Answer, n)
	for i := range answers {
		if err := dec.Decode(&answers[i]); err != nil {
			t.Fatalf("answer %d of %d: %v", i+1, n, err)
		}
	}
	return answers
}

// Nova puts cases to one of the scripts that ask Nova, and returns its answers.
// nova is the release that has to be there.
func Nova[Answer, Case any](t testing.TB, release, nova, script string, cases []Case) []Answer {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(Ask(t, release, script, Lines(t, cases))))
	var found struct {
		Nova string `json:"nova"`
	}
	if err := dec.Decode(&found); err != nil {
		t.Fatal(err)
	}
	if found.Nova != nova {
		t.Fatalf("the devcloud %s has Nova %s, want %s", release, found.Nova, nova)
	}
	return Decode[Answer](t, dec, len(cases))
}

// Random returns a source of random cases. The test says which seed repeats
// them: GLANCE_PROFILE_SEED.
func Random(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("GLANCE_PROFILE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("GLANCE_PROFILE_SEED: %v", err)
		}
	}
	t.Logf("GLANCE_PROFILE_SEED=%d repeats this", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
