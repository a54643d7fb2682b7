package apply

import (
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync"

	"glance-profile/internal/image"
)

// reading watches data on their way to Glance: it hashes them, counts them,
// and keeps an error of the input apart from one of the connection. net/http
// reads in a goroutine of its own that may outlive the request, hence the lock
// and the generations.
type reading struct {
	mu     sync.Mutex
	now    *pass
	size   int64 // bytes of the whole data, once one pass has reached the end
	sha512 []byte
	md5    []byte
}

// pass is one reading from the start.
type pass struct {
	of     *reading
	source io.ReadCloser
	sha512 hash.Hash
	md5    hash.Hash
	count  int64
	whole  bool
	err    error
	closed chan struct{}
	once   sync.Once
}

// begin opens the data anew. What an earlier pass still reads no longer counts.
func (r *reading) begin(data *Data) (io.ReadCloser, error) {
	p := &pass{of: r, sha512: sha512.New(), md5: md5.New(), closed: make(chan struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = p
	p.source, p.err = data.Open()
	return p, p.err
}

// await waits until net/http has let go of the last pass: Glance answers as
// soon as it has the last byte, which is before the end of the input is seen.
func (r *reading) await(ctx context.Context) {
	r.mu.Lock()
	p := r.now
	r.mu.Unlock()
	if p == nil || p.source == nil {
		return
	}
	select {
	case <-p.closed:
	case <-ctx.Done():
	}
}

// result tells whether the last pass reached the end of the data, and the
// input's own error.
func (r *reading) result() (whole bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil {
		return false, nil
	}
	return r.now.whole, r.now.err
}

func (p *pass) Read(buf []byte) (int, error) {
	n, err := p.source.Read(buf)
	// MD5 on a second core halves the time that hashing adds to the transfer.
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.md5.Write(buf[:n])
	}()
	p.sha512.Write(buf[:n])
	<-done
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.count += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		p.whole = true
		p.of.size, p.of.sha512, p.of.md5 = p.count, p.sha512.Sum(nil), p.md5.Sum(nil)
	case err != nil:
		p.err = err
	}
	return n, err
}

func (p *pass) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.source.Close()
}

// compare holds what Glance says of the data against what was sent. The error
// wraps errCorrupt; the note is set where Glance gives nothing to compare.
func (r *reading) compare(held image.Image) (note string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	sha, sum := hex.EncodeToString(r.sha512), hex.EncodeToString(r.md5)
	if held.Size != nil && *held.Size != r.size {
		return "", fmt.Errorf("%w: %d bytes were sent, Glance holds %d", errCorrupt, r.size, *held.Size)
	}
	switch {
	case held.HashAlgo == "sha512" && held.HashValue != "":
		if held.HashValue != sha {
			return "", fmt.Errorf("%w: sha512 %s was sent, Glance holds %s", errCorrupt, sha, held.HashValue)
		}
	case held.Checksum != "":
		if held.Checksum != sum {
			return "", fmt.Errorf("%w: MD5 %s was sent, Glance holds %s", errCorrupt, sum, held.Checksum)
		}
	default:
		return "Glance gave neither a sha512 nor a checksum, so the data are not verified", nil
	}
	return "", nil
}
