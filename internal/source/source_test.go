package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func write(t *testing.T, data string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func open(t *testing.T, path string) Source {
	t.Helper()
	src, err := OpenPath(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src
}

func readAll(t *testing.T, src Source) (string, error) {
	t.Helper()
	r, err := src.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	return string(data), err
}

func TestFileIsReadAsOftenAsWanted(t *testing.T) {
	src := open(t, write(t, "0123456789"))
	if n, ok := src.Size(); n != 10 || !ok || !src.Repeatable() {
		t.Errorf("%d, %t, repeatable %t", n, ok, src.Repeatable())
	}
	if head, err := src.Head(t.Context(), 4); string(head) != "0123" || err != nil {
		t.Errorf("head %q, %v", head, err)
	}
	if head, err := src.Head(t.Context(), 100); string(head) != "0123456789" || err != nil {
		t.Errorf("head %q, %v", head, err)
	}
	first, err := src.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(first, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if data, err := readAll(t, src); data != "0123456789" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
	}
	if rest, err := io.ReadAll(first); string(rest) != "56789" || err != nil {
		t.Errorf("the first reading went on with %q, %v", rest, err)
	}
	p := make([]byte, 3)
	if n, err := src.(io.ReaderAt).ReadAt(p, 8); n != 2 || !errors.Is(err, io.EOF) || string(p[:n]) != "89" {
		t.Errorf("%q, %v", p[:n], err)
	}
}

// The file that was looked at is the one that is sent, whatever takes its name.
func TestFileIsNotExchanged(t *testing.T) {
	name := write(t, "the first one")
	src := open(t, name)
	if err := os.Rename(write(t, "an evil one!!"), name); err != nil {
		t.Skip("cannot rename over an open file here")
	}
	if data, err := readAll(t, src); data != "the first one" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

func TestChangeOfFileIsNoticed(t *testing.T) {
	for what, change := range map[string]func(name string) error{
		"grown":   func(name string) error { return os.WriteFile(name, []byte("0123456789 and more"), 0o600) },
		"shrunk":  func(name string) error { return os.Truncate(name, 5) },
		"touched": func(name string) error { return os.Chtimes(name, time.Time{}, time.Now().Add(time.Hour)) },
	} {
		name := write(t, "0123456789")
		src := open(t, name)
		r, err := src.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 2)); err != nil {
			t.Fatal(err)
		}
		if err := change(name); err != nil {
			t.Fatal(err)
		}
		if data, err := io.ReadAll(r); !errors.Is(err, ErrChanged) || len(data) > 8 || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %q, %v", what, data, err)
		}
	}
}

func TestWhatIsNoFile(t *testing.T) {
	if _, err := OpenPath(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("%v", err)
	}
	if _, err := OpenPath(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := OpenPath(os.DevNull); err == nil {
		t.Error("the null device was taken")
	}
}

// A shell's < may have read a part of the file already.
func TestFileBeginsWhereItStands(t *testing.T) {
	f, err := os.Open(write(t, "0123456789"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Seek(4, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	src, err := FromFile(f, "standard input")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if n, _ := src.Size(); n != 6 || src.Name() != "standard input" {
		t.Errorf("%d bytes of %s", n, src.Name())
	}
	if data, err := readAll(t, src); data != "456789" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
}

func TestPipeKeepsItsHead(t *testing.T) {
	src := FromPipe(strings.NewReader("0123456789"), "standard input")
	for _, n := range []int{2, 4, 3} {
		if head, err := src.Head(t.Context(), n); string(head) != "0123456789"[:n] || err != nil {
			t.Errorf("head %q, %v", head, err)
		}
	}
	if _, ok := src.Size(); ok || src.Repeatable() {
		t.Error("a pipe has a size, or is repeatable")
	}
	// An upload that is refused before it has begun loses nothing.
	given, err := src.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := given.Read(make([]byte, 3)); n != 3 || err != nil {
		t.Fatal(n, err)
	}
	if data, err := readAll(t, src); data != "0123456789" || err != nil {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := src.Open(t.Context()); err == nil || err.Error() != "standard input can be read only once, and has been" {
		t.Errorf("%v", err)
	}
	if _, err := src.Head(t.Context(), 1); err == nil {
		t.Error("the head of a used pipe was given")
	}
	if _, err := io.ReadAll(given); err == nil {
		t.Error("an earlier reading went on beside the later one")
	}
}

func TestPipeShorterThanItsHead(t *testing.T) {
	src := FromPipe(strings.NewReader("0123"), "standard input")
	if head, err := src.Head(t.Context(), 100); string(head) != "0123" || err != nil {
		t.Errorf("head %q, %v", head, err)
	}
	for range 2 { // all of it is kept
		if data, err := readAll(t, src); data != "0123" || err != nil {
			t.Errorf("%q, %v", data, err)
		}
	}
}

func TestErrorsNameTheSource(t *testing.T) {
	broken := io.MultiReader(strings.NewReader("abc"), failingReader{})
	src := FromPipe(broken, "standard input")
	if data, err := readAll(t, src); data != "abc" || err == nil || err.Error() != "read standard input: input/output error" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := FromPipe(failingReader{}, "standard input").Head(t.Context(), 5); err == nil || err.Error() != "read standard input: input/output error" {
		t.Errorf("%v", err)
	}
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("input/output error") }

func TestReadingEndsWithItsContext(t *testing.T) {
	for _, src := range []Source{open(t, write(t, "0123456789")), FromPipe(strings.NewReader("0123456789"), "standard input")} {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := src.Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", src.Name(), err)
		}
		if _, err := src.Head(ctx, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: head: %v", src.Name(), err)
		}
	}
}

func TestStdinKind(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file, err := os.Open(write(t, "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	closed, err := os.Open(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, tt := range []struct {
		name string
		file *os.File
		want Kind
	}{
		{"the null device", null, Nothing},
		{"a file", file, Data},
		{"a pipe", r, Data},
		{"a closed one", closed, Nothing},
		{"none", nil, Nothing},
	} {
		if got, err := StdinKind(tt.file); got != tt.want || err != nil {
			t.Errorf("%s: %d, %v", tt.name, got, err)
		}
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	if _, err := StdinKind(dir); err == nil {
		t.Error("a directory was taken")
	}
}

func TestCloseReachesThePipe(t *testing.T) {
	r, w := io.Pipe()
	src := FromPipe(r, "standard input")
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
	if err := FromPipe(bytes.NewReader(nil), "standard input").Close(); err != nil {
		t.Error(err)
	}
}
