package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Remote is data at the other end of a connection, of a length that is known
// beforehand. A connection that breaks is taken up where it broke.
type Remote struct {
	// Label is what messages call the data.
	Label string
	// Length is the number of bytes.
	Length int64
	// Fetch opens the data from the byte at offset on.
	Fetch func(ctx context.Context, offset int64) (io.ReadCloser, error)
	// Wait pauses before a connection is taken up again.
	Wait func(ctx context.Context, d time.Duration) error
}

// resumes is how often a reading is taken up again without a byte in between.
const resumes = 5

// Name, Size, Repeatable and Close are those of Source.
func (s *Remote) Name() string        { return s.Label }
func (s *Remote) Size() (int64, bool) { return s.Length, true }
func (s *Remote) Repeatable() bool    { return true }
func (s *Remote) Close() error        { return nil }

// Head returns the first n bytes.
func (s *Remote) Head(ctx context.Context, n int) ([]byte, error) { return head(ctx, s, n) }

// Open begins reading at the start. The reader gives Length bytes, or an error.
func (s *Remote) Open(ctx context.Context) (io.ReadCloser, error) {
	r := &remoteReader{ctx: ctx, of: s}
	body, err := s.Fetch(ctx, 0)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.Label, err)
	}
	r.body = body
	return r, nil
}

// remoteReader is one reading of a Remote.
type remoteReader struct {
	ctx   context.Context
	of    *Remote
	body  io.ReadCloser
	pos   int64
	tries int // since the last byte
}

func (r *remoteReader) Read(p []byte) (int, error) {
	for {
		n, err := r.body.Read(p)
		if n > 0 {
			r.pos += int64(n)
			r.tries = 0
			if r.pos > r.of.Length {
				return 0, fmt.Errorf("read %s: it is longer than the %d bytes that it should have", r.of.Label, r.of.Length)
			}
			return n, nil // what err says comes again with the next call
		}
		switch {
		case err == nil:
			return 0, nil
		case errors.Is(err, io.EOF) && r.pos == r.of.Length:
			return 0, io.EOF
		case r.ctx.Err() != nil:
			return 0, r.ctx.Err()
		}
		if err := r.resume(err); err != nil {
			return 0, fmt.Errorf("read %s: %w", r.of.Label, err)
		}
	}
}

// resume opens the rest of the data after the connection broke with cause.
func (r *remoteReader) resume(cause error) error {
	if errors.Is(cause, io.EOF) {
		cause = io.ErrUnexpectedEOF
	}
	for ; r.tries < resumes; r.tries++ {
		if err := r.of.Wait(r.ctx, time.Second<<r.tries); err != nil {
			return err
		}
		body, err := r.of.Fetch(r.ctx, r.pos)
		if err == nil {
			r.tries++
			r.body.Close()
			r.body = body
			return nil
		}
		cause = err
	}
	return fmt.Errorf("it broke off after %d of %d bytes: %w", r.pos, r.of.Length, cause)
}

func (r *remoteReader) Close() error { return r.body.Close() }
