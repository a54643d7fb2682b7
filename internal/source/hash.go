package source

import (
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"sync"
)

// Sums are what Glance tells of data that it holds: their length, checksum and
// os_hash_value. Hashes are in hexadecimal.
type Sums struct {
	Size   int64
	MD5    string
	SHA512 string
}

// The bytes read ahead of the network. Reading, two hashes and sending then go
// on at the same time, on as many cores as there are; more would only take
// memory.
const (
	chunkSize = 256 << 10
	chunks    = 6
)

// Hasher is a reading that is hashed on its way. Reading and hashing run ahead
// of the one who calls Read, within a constant amount of memory; they begin
// with the first Read, so that nothing is lost of a pipe when it never comes.
type Hasher struct {
	ctx    context.Context
	cancel context.CancelFunc
	r      io.ReadCloser
	watch  []io.Writer

	start sync.Once
	close sync.Once
	ready chan *chunk
	free  chan *chunk

	now  *chunk
	rest []byte
	err  error

	mu   sync.Mutex
	sums *Sums
}

// chunk is one buffer that several readers use at once.
type chunk struct {
	buf  []byte
	n    int
	err  error // that the input ended with, behind the n bytes
	used sync.WaitGroup
}

// NewHasher hashes what it reads of r, which it takes over, and shows the same
// bytes to each of watch (whose errors are ignored), in order.
func NewHasher(ctx context.Context, r io.ReadCloser, watch ...io.Writer) *Hasher {
	ctx, cancel := context.WithCancel(ctx)
	return &Hasher{ctx: ctx, cancel: cancel, r: r, watch: watch}
}

// begin starts the reading and hashing.
func (h *Hasher) begin() {
	h.ready = make(chan *chunk, chunks)
	h.free = make(chan *chunk, chunks)
	for range chunks {
		h.free <- &chunk{buf: make([]byte, chunkSize)}
	}
	go h.readAhead()
}

// readAhead reads, hashes and hands on until the input or the context ends.
func (h *Hasher) readAhead() {
	defer close(h.ready)
	toMD5, toSHA := make(chan *chunk, chunks), make(chan *chunk, chunks)
	sumMD5, sumSHA := md5.New(), sha512.New()
	var hashing sync.WaitGroup
	hashing.Go(func() { consume(sumMD5, toMD5) })
	hashing.Go(func() { consume(sumSHA, toSHA) })
	var size int64
	var held *chunk // handed on once it is known whether it is the last one
	var end error
	for end == nil {
		var c *chunk
		select {
		case c = <-h.free:
		case <-h.ctx.Done():
			end = context.Cause(h.ctx)
			continue
		}
		c.used.Wait() // until both hashes have done with what was in it
		c.n, end = readFull(h.ctx, h.r, c.buf)
		size += int64(c.n)
		c.used.Add(2)
		toMD5 <- c
		toSHA <- c
		for _, w := range h.watch {
			_, _ = w.Write(c.buf[:c.n])
		}
		if held != nil && (c.n > 0 || end == nil) {
			h.ready <- held
			held = nil
		}
		if held == nil {
			held = c
		}
	}
	close(toMD5)
	close(toSHA)
	hashing.Wait()
	if held == nil {
		held = &chunk{}
	}
	if held.err = end; errors.Is(end, io.EOF) {
		h.setSums(size, sumMD5, sumSHA)
	} else {
		held.n = 0 // see Read
	}
	h.ready <- held
}

// readFull fills p as far as the input goes. Unlike io.ReadFull it reports the
// error together with the bytes before it, and sees the end as soon as a full
// buffer allows.
func readFull(ctx context.Context, r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		if err = ctx.Err(); err != nil {
			return n, err
		}
		var k int
		k, err = r.Read(p[n:])
		n += k
	}
	return n, err
}

func consume(sum hash.Hash, from <-chan *chunk) {
	for c := range from {
		sum.Write(c.buf[:c.n])
		c.used.Done()
	}
}

func (h *Hasher) setSums(size int64, sumMD5, sumSHA hash.Hash) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sums = &Sums{size, hex.EncodeToString(sumMD5.Sum(nil)), hex.EncodeToString(sumSHA.Sum(nil))}
}

// Read gives the bytes on. It returns as soon as the context ends, even where
// the input is a pipe that nobody writes to. Where the input ends with an error,
// the last bytes before it are withheld: an upload of known length must not
// become complete by data that are no good.
func (h *Hasher) Read(p []byte) (int, error) {
	h.start.Do(h.begin)
	for len(h.rest) == 0 {
		if h.err != nil {
			return 0, h.err
		}
		if h.now != nil {
			h.free <- h.now
			h.now = nil
		}
		select {
		case c, ok := <-h.ready:
			if !ok {
				h.err = context.Cause(h.ctx)
				return 0, h.err
			}
			h.now, h.rest, h.err = c, c.buf[:c.n], c.err
		case <-h.ctx.Done():
			h.err = context.Cause(h.ctx)
			return 0, h.err
		}
	}
	n := copy(p, h.rest)
	h.rest = h.rest[n:]
	return n, nil
}

// Sums returns the length and hashes of the data, and false as long as their
// end has not been seen. It is seen before Read gives out the last bytes, so
// that who takes a known number of them need not read on.
func (h *Hasher) Sums() (Sums, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sums == nil {
		return Sums{}, false
	}
	return *h.sums, true
}

// Close ends the reading, at once even where the input blocks.
func (h *Hasher) Close() error {
	var err error
	h.close.Do(func() {
		h.cancel()
		err = h.r.Close()
	})
	return err
}
