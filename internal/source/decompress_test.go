package source

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// bzipped is «hello, disk», since no package at hand writes bzip2.
const bzipped = "QlpoOTFBWSZTWZLOAz0AAAIRgEAEBmyIACAAIgMmmhADCusotOH4u5IpwoSElnAZ6A=="

func pack(t testing.TB, kind Compression, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch kind {
	case Gzip:
		w = gzip.NewWriter(&b)
	case XZ:
		w, err = xz.NewWriter(&b)
	case Zstd:
		w, err = zstd.NewWriter(&b)
	case Bzip2:
		packed, err := base64.StdEncoding.DecodeString(bzipped)
		if err != nil || string(data) != "hello, disk" {
			t.Fatal("only one text can be had in bzip2", err)
		}
		return packed
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var kinds = []Compression{Gzip, XZ, Zstd, Bzip2}

// sources gives the same bytes as a file and as a pipe.
func sources(t *testing.T, data []byte) []Source {
	return []Source{open(t, write(t, string(data))), FromPipe(bytes.NewReader(data), "standard input")}
}

func decompress(t *testing.T, src Source, kind Compression) Source {
	t.Helper()
	out, err := Decompress(src, kind)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDecompress(t *testing.T) {
	const text = "hello, disk"
	for _, kind := range kinds {
		once := pack(t, kind, []byte(text))
		for _, src := range sources(t, append(bytes.Clone(once), once...)) { // as parallel compressors write
			out := decompress(t, src, kind)
			if _, ok := out.Size(); ok || out.Name() != src.Name() || out.Repeatable() != src.Repeatable() {
				t.Errorf("%s of %s: size known, or not as repeatable as its source", kind, src.Name())
			}
			if head, err := out.Head(t.Context(), 5); string(head) != "hello" || err != nil {
				t.Errorf("%s of %s: head %q, %v", kind, src.Name(), head, err)
			}
			readings := 1
			if out.Repeatable() {
				readings = 2
			}
			for range readings {
				if data, err := readAll(t, out); data != text+text || err != nil {
					t.Errorf("%s of %s: %q, %v", kind, src.Name(), data, err)
				}
			}
			if !out.Repeatable() {
				if _, err := out.Open(t.Context()); err == nil {
					t.Errorf("%s: the pipe was read twice", kind)
				}
			}
		}
	}
}

func TestDecompressingLargeData(t *testing.T) {
	data := bytes.Repeat(noise(10_000), 150)
	for _, kind := range []Compression{Gzip, XZ, Zstd} {
		for _, src := range sources(t, pack(t, kind, data)) {
			if got, err := readAll(t, decompress(t, src, kind)); err != nil || got != string(data) {
				t.Errorf("%s of %s: %d bytes, %v", kind, src.Name(), len(got), err)
			}
		}
	}
}

func TestDamagedDataAreErrors(t *testing.T) {
	for _, kind := range kinds {
		whole := pack(t, kind, []byte("hello, disk"))
		for name, data := range map[string][]byte{
			"cut":             whole[:len(whole)-3],
			"nothing":         nil,
			"garbage behind":  append(bytes.Clone(whole), "garbage and more garbage"...),
			"something else":  []byte("this was never compressed, not at all"),
			"wrong check sum": damaged(whole, kind),
		} {
			for _, src := range sources(t, data) {
				_, err := readAll(t, decompress(t, src, kind))
				if err == nil || !strings.HasPrefix(err.Error(), "decompress "+src.Name()+": ") && !strings.HasPrefix(err.Error(), "read "+src.Name()+": ") {
					t.Errorf("%s, %s of %s: %v", kind, name, src.Name(), err)
				}
				if name == "cut" && !strings.Contains(err.Error(), "end too early") {
					t.Errorf("%s, %s: %v", kind, name, err)
				}
			}
		}
	}
	if _, err := Decompress(FromPipe(strings.NewReader(""), "x"), "lz4"); err == nil {
		t.Error("lz4 was taken")
	}
}

// damaged changes the check sum of compressed data.
func damaged(whole []byte, kind Compression) []byte {
	data := bytes.Clone(whole)
	at := map[Compression]int{Gzip: len(data) - 8, Zstd: len(data) - 2, XZ: 30, Bzip2: 11}[kind]
	data[at] ^= 0x55
	return data
}

// A decoder that would need gigabytes says so before it takes them.
func TestMemoryOfDecodersIsBounded(t *testing.T) {
	// An xz stream whose block asks for a dictionary of 1.5 GiB.
	packed := pack(t, XZ, []byte("hello"))
	const filter = 12 + 2
	if packed[filter] != 0x21 {
		t.Fatal("the block header is not where this test believes it to be")
	}
	packed[filter+2] = 37
	if _, err := readAll(t, decompress(t, FromPipe(bytes.NewReader(packed), "x"), XZ)); err == nil || !strings.Contains(err.Error(), "1536 MiB") {
		t.Errorf("%v", err)
	}
	// A zstd frame with a window of 1 GiB (RFC 8878, 3.1.1.1).
	packed = []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, (30 - 10) << 3, 0x01, 0x00, 0x00}
	if _, err := readAll(t, decompress(t, FromPipe(bytes.NewReader(packed), "x"), Zstd)); err == nil || !strings.Contains(err.Error(), "128 MiB of memory") {
		t.Errorf("%v", err)
	}
}

func TestXZDictionary(t *testing.T) {
	for size, want := range map[int]int64{4096: 4096, 3 << 20: 3 << 20, 8 << 20: 8 << 20, 64 << 20: 64 << 20} {
		var b bytes.Buffer
		w, err := xz.WriterConfig{DictCap: size}.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(second(w.Write([]byte("x"))), w.Close()); err != nil {
			t.Fatal(err)
		}
		if got := xzDictionary(newBuffered(b.Bytes())); got != want {
			t.Errorf("%d: %d", size, got)
		}
	}
	for _, odd := range []string{"", "\xfd7zXZ\x00", "\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46\x00"} {
		if got := xzDictionary(newBuffered([]byte(odd))); got != 0 {
			t.Errorf("%q: %d", odd, got)
		}
	}
}

func newBuffered(data []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(data)) }

func breakDown(*bufio.Reader) (io.Reader, func(), error) { panic("oh no") }

func second(_ int, err error) error { return err }

func TestDecompressingEndsWithItsContext(t *testing.T) {
	src := decompress(t, open(t, write(t, string(pack(t, Gzip, noise(1<<20))))), Gzip)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := src.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// Close may come while a Read waits for a pipe that nobody writes to.
func TestCloseWhileTheDecoderWaits(t *testing.T) {
	for _, kind := range kinds {
		in, w := io.Pipe()
		src := decompress(t, FromPipe(in, "standard input"), kind)
		r, err := src.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() {
			_, err := r.Read(make([]byte, 10))
			ended <- err
		}()
		packed := pack(t, kind, []byte("hello, disk"))
		if _, err := w.Write(packed[:5]); err != nil { // it has begun, and waits
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if err := <-ended; err == nil {
			t.Errorf("%s: no error", kind)
		}
		if _, err := r.Read(make([]byte, 10)); err == nil {
			t.Errorf("%s: a closed reading goes on", kind)
		}
	}
}

// A decoder that breaks down on hostile data ends the reading, not the program.
func TestBrokenDecoderIsAnError(t *testing.T) {
	d := &decompressed{src: FromPipe(strings.NewReader("x"), "disk.xz"), kind: XZ, decode: breakDown}
	r, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := r.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "decompress disk.xz: the decoder broke down: oh no") {
			t.Errorf("%v", err)
		}
	}
}

func FuzzDecompress(f *testing.F) {
	for _, kind := range kinds {
		f.Add(string(kind), pack(f, kind, []byte("hello, disk")))
	}
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		out, err := Decompress(FromPipe(bytes.NewReader(data), "x"), Compression(kind))
		if err != nil {
			t.Skip()
		}
		r, err := out.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		n, err := io.Copy(io.Discard, io.LimitReader(r, 1<<20))
		if err != nil && strings.Contains(err.Error(), "broke down") {
			t.Errorf("after %d bytes: %v", n, err)
		}
	})
}

func TestDecompressedFileThatChanges(t *testing.T) {
	name := filepath.Join(t.TempDir(), "disk.gz")
	if err := os.WriteFile(name, pack(t, Gzip, noise(1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := decompress(t, open(t, name), Gzip).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 500_000); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); !errors.Is(err, ErrChanged) {
		t.Errorf("%v", err)
	}
}
