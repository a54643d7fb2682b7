package source

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func noise(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{}).Read(data)
	return data
}

func TestHasherGivesWhatItReads(t *testing.T) {
	for _, size := range []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 3 * chunkSize, 20*chunkSize + 7} {
		data := noise(size)
		md5sum, sha := md5.Sum(data), sha512.Sum512(data)
		want := Sums{int64(size), hex.EncodeToString(md5sum[:]), hex.EncodeToString(sha[:])}
		for name, r := range map[string]io.Reader{
			"whole":            bytes.NewReader(data),
			"in halves":        iotest.HalfReader(bytes.NewReader(data)),
			"end with data":    iotest.DataErrReader(bytes.NewReader(data)),
			"with empty reads": emptyReads{bytes.NewReader(data), new(bool)},
		} {
			var watched bytes.Buffer
			h := NewHasher(t.Context(), io.NopCloser(r), &watched)
			if _, ok := h.Sums(); ok {
				t.Error("sums before anything was read")
			}
			got, err := io.ReadAll(h)
			if err != nil || !bytes.Equal(got, data) || !bytes.Equal(watched.Bytes(), data) {
				t.Errorf("%d bytes %s: got %d, watched %d, %v", size, name, len(got), watched.Len(), err)
			}
			if sums, ok := h.Sums(); !ok || sums != want {
				t.Errorf("%d bytes %s: %+v, %t", size, name, sums, ok)
			}
			if n, err := h.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
				t.Errorf("behind the end: %d, %v", n, err)
			}
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// emptyReads gives nothing every other time, which io.Reader allows.
type emptyReads struct {
	io.Reader
	now *bool
}

func (e emptyReads) Read(p []byte) (int, error) {
	if *e.now = !*e.now; *e.now {
		return 0, nil
	}
	return e.Reader.Read(p)
}

// An upload of known length takes that many bytes and no more; the sums are
// there nevertheless.
func TestSumsWithoutReadingTheEnd(t *testing.T) {
	for _, size := range []int{5, 4 * chunkSize} {
		h := NewHasher(t.Context(), io.NopCloser(bytes.NewReader(noise(size))))
		if _, err := io.ReadFull(h, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if sums, ok := h.Sums(); !ok || sums.Size != int64(size) {
			t.Errorf("%+v, %t", sums, ok)
		}
	}
}

// Data that end with an error must not complete an upload.
func TestErrorWithholdsTheLastBytes(t *testing.T) {
	broken := errors.New("the file changed")
	for _, size := range []int{10, 2 * chunkSize, 2*chunkSize + 10} {
		h := NewHasher(t.Context(), io.NopCloser(io.MultiReader(bytes.NewReader(noise(size)), iotest.ErrReader(broken))))
		got, err := io.ReadAll(h)
		if !errors.Is(err, broken) || len(got) >= size {
			t.Errorf("%d of %d bytes, %v", len(got), size, err)
		}
		if _, ok := h.Sums(); ok {
			t.Error("sums of broken data")
		}
	}
}

func TestHasherEndsWithItsContext(t *testing.T) {
	r, w := io.Pipe() // nobody writes
	defer w.Close()
	ctx, cancel := context.WithCancel(t.Context())
	h := NewHasher(ctx, r)
	ended := make(chan error)
	go func() {
		_, err := h.Read(make([]byte, 10))
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := h.Read(make([]byte, 10)); !errors.Is(err, context.Canceled) {
		t.Errorf("afterwards: %v", err)
	}
}

// Closing ends a reading that stands still because nobody takes its data, and
// closes what it reads.
func TestCloseEndsTheReading(t *testing.T) {
	in := &endless{closed: make(chan struct{})}
	h := NewHasher(t.Context(), in)
	if _, err := h.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := h.Close(); err != nil {
			t.Fatal(err)
		}
	}
	<-in.closed
	timeout := time.After(10 * time.Second)
	for range chunks + 2 { // what was read ahead
		select {
		case _, open := <-h.ready:
			if !open {
				return
			}
		case <-timeout:
			t.Fatal("the reading goes on")
		}
	}
	t.Error("more was read ahead than there is room for")
}

type endless struct{ closed chan struct{} }

func (e *endless) Read(p []byte) (int, error) { return len(p), nil }
func (e *endless) Close() error               { close(e.closed); return nil }

// Nothing is lost of a pipe when a reading is opened and never begun.
func TestHasherBeginsWithTheFirstRead(t *testing.T) {
	in := strings.NewReader("0123456789")
	h := NewHasher(t.Context(), io.NopCloser(in))
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if in.Len() != 10 {
		t.Errorf("%d bytes were taken", 10-in.Len())
	}
}

func BenchmarkHasher(b *testing.B) {
	const size = 256 << 20
	buf := make([]byte, 32<<10)
	b.SetBytes(size)
	for b.Loop() {
		h := NewHasher(b.Context(), io.NopCloser(io.LimitReader(zeros{}, size)))
		for {
			if _, err := h.Read(buf); err != nil {
				break
			}
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
