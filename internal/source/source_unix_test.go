//go:build unix

package source

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestNamedPipeIsAPipe(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	written := make(chan error)
	go func() { written <- os.WriteFile(name, []byte("through a pipe"), 0o600) }()
	src := open(t, name)
	if _, ok := src.Size(); ok || src.Repeatable() {
		t.Error("a named pipe counts as a file")
	}
	if data, err := readAll(t, src); data != "through a pipe" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

func TestSocketIsRefused(t *testing.T) {
	name := filepath.Join(t.TempDir(), "socket")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: name}); err != nil {
		t.Skip("no sockets with so long a name here")
	}
	if _, err := OpenPath(name); err == nil || !strings.Contains(err.Error(), "is a socket") {
		t.Errorf("%v", err)
	}
}
