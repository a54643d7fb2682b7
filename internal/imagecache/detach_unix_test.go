//go:build unix

package imagecache

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The detached process has a session of its own, what it was given to read, and
// no other descriptor of this one.
func TestDetach(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks into /proc")
	}
	out := filepath.Join(t.TempDir(), "out")
	inherited, err := os.Create(filepath.Join(t.TempDir(), "inherited"))
	if err != nil {
		t.Fatal(err)
	}
	defer inherited.Close()
	copied, err := syscall.Dup(int(inherited.Fd())) // as a shell hands it on: open across exec
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(copied)
	script := `cat; ps -o sid= -p $$ | grep -qw $$ && echo leads; ls -l /proc/$$/fd`
	if err := Detach("/bin/sh", []string{"-c", "{ " + script + "; } >" + out + ".new; mv " + out + ".new " + out}, []byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	var text []byte
	for range 200 {
		if text, err = os.ReadFile(out); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil || !strings.HasPrefix(string(text), "hello\nleads\n") || strings.Contains(string(text), "inherited") {
		t.Errorf("%s %v", text, err)
	}
}
