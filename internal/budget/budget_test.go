package budget

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// below counts what is read of it.
type below struct {
	data  []byte
	reads int
	bytes int64
	err   error
}

func (b *below) ReadAt(p []byte, off int64) (int, error) {
	b.reads++
	if b.err != nil {
		return 0, b.err
	}
	n, err := bytes.NewReader(b.data).ReadAt(p, off)
	b.bytes += int64(n)
	return n, err
}

func noise(n int) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return data
}

func TestReaderReturnsWhatIsThere(t *testing.T) {
	data := noise(5*BlockSize + 12_345)
	for _, cache := range []int64{1, 2 * BlockSize, 0} {
		b := New(t.Context(), &below{data: data}, int64(len(data)), Limits{Cache: cache})
		rng := rand.New(rand.NewPCG(3, 4))
		for range 500 {
			off, p := rng.IntN(len(data)+10), make([]byte, rng.IntN(3*BlockSize))
			n, err := b.ReadAt(p, int64(off))
			left := max(len(data)-off, 0)
			if n != min(len(p), left) || (err == io.EOF) != (len(p) > left) || !bytes.Equal(p[:n], data[min(off, len(data)):][:n]) {
				t.Fatal(off, len(p), n, err)
			}
		}
	}
}

func TestStats(t *testing.T) {
	data := noise(40 * BlockSize)
	r := &below{data: data}
	b := New(t.Context(), r, int64(len(data)), Limits{Cache: 4 * BlockSize})
	read := func(off, n int64) {
		t.Helper()
		if _, err := b.ReadAt(make([]byte, n), off); err != nil {
			t.Fatal(err)
		}
	}
	read(10, 100)
	read(BlockSize-50, 100)         // one more block
	read(0, 2*BlockSize)            // none
	read(30*BlockSize, 5*BlockSize) // four at once, and one; the others have to go
	read(0, 1)                      // again
	if got, want := b.Stats(), (Stats{5, 100 + 100 + 7*BlockSize + 1, 5, 8 * BlockSize, 7 * BlockSize}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if r.reads != 5 || r.bytes != 8*BlockSize {
		t.Error(r.reads, r.bytes)
	}
}

func TestLimits(t *testing.T) {
	data := noise(40 * BlockSize)
	p := make([]byte, 1)
	b := New(t.Context(), &below{data: data}, int64(len(data)), Limits{Bytes: 3 * BlockSize, Reads: 100})
	for i := range int64(3) {
		if _, err := b.ReadAt(p, 2*i*BlockSize); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.ReadAt(p, 20*BlockSize); !errors.Is(err, ErrSpent) {
		t.Error(err)
	}
	if _, err := b.ReadAt(p, 0); err != nil {
		t.Error(err) // what is kept may still be read
	}
	for range 95 {
		b.ReadAt(p, 0)
	}
	if _, err := b.ReadAt(p, 0); !errors.Is(err, ErrSpent) {
		t.Error(err)
	}
	if s := b.Stats(); s.Fetched != 3*BlockSize || s.Distinct != s.Fetched {
		t.Errorf("%+v", s)
	}
}

func TestDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	b := New(ctx, &below{data: noise(100)}, 100, Limits{})
	<-ctx.Done()
	if _, err := b.ReadAt(make([]byte, 1), 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestErrorsBelow(t *testing.T) {
	broken := errors.New("broken")
	r := &below{data: noise(100), err: broken}
	b := New(t.Context(), r, 100, Limits{})
	if _, err := b.ReadAt(make([]byte, 1), 0); !errors.Is(err, broken) {
		t.Error(err)
	}
	r.err = nil
	if _, err := b.ReadAt(make([]byte, 1), 0); err != nil {
		t.Error(err) // an error is not kept
	}
	if _, err := b.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("read before the start")
	}
	if n, err := b.ReadAt(make([]byte, 1), 1<<63-1); n != 0 || err != io.EOF {
		t.Error(n, err)
	}
	short := New(t.Context(), &below{data: noise(100)}, 200, Limits{})
	if _, err := short.ReadAt(make([]byte, 1), 0); err != io.ErrUnexpectedEOF {
		t.Error(err)
	}
}

func TestParallel(t *testing.T) {
	data := noise(20 * BlockSize)
	b := New(t.Context(), &below{data: data}, int64(len(data)), Limits{Cache: 3 * BlockSize})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			p := make([]byte, 1000)
			for off := i * 100; off+len(p) < len(data); off += 50_001 {
				if _, err := b.ReadAt(p, int64(off)); err != nil || !bytes.Equal(p, data[off:off+len(p)]) {
					t.Error(off, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestCache(t *testing.T) {
	c := NewCache[string](2)
	c.Put(1, "a")
	c.Put(2, "b")
	c.Put(1, "A")
	c.Put(3, "c") // 2 was not used for the longest time
	if _, ok := c.Get(2); ok || c.Has(2) {
		t.Error("2 is still there")
	}
	if v, ok := c.Get(1); v != "A" || !ok {
		t.Error(v, ok)
	}
}
