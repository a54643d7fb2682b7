package apply

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"glance-profile/internal/image"
	"glance-profile/internal/source"
)

// Data is where the bytes of a new image come from.
type Data struct {
	Source source.Source
	// Begin, if set, is called at the start of each reading. The writers it
	// returns are shown all bytes; end is called when there are no more, and
	// its error breaks the upload off before Glance takes it for complete.
	Begin func() (watch []io.Writer, end func() error)
	// Origin is the image that the data are those of, nil where they come from
	// elsewhere. Data that turn out to be others break the upload off.
	Origin *image.Image
}

func (d *Data) size() int64 {
	if n, ok := d.Source.Size(); ok {
		return n
	}
	return -1
}

// reading follows the data on their way to Glance: it keeps the hashes of the
// last pass, and an error of the input apart from one of the connection.
type reading struct {
	mu  sync.Mutex
	now *pass
}

// pass is one reading from the start. net/http reads in a goroutine of its own
// that may outlive the request, hence the lock.
type pass struct {
	hasher *source.Hasher
	origin *image.Image
	end    func() error
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex
	whole bool
	err   error
}

// begin opens the data anew. What an earlier pass still reads no longer counts.
func (r *reading) begin(ctx context.Context, data *Data) (io.ReadCloser, error) {
	p := &pass{closed: make(chan struct{}), origin: data.Origin}
	r.mu.Lock()
	r.now = p
	r.mu.Unlock()
	stream, err := data.Source.Open(ctx)
	if err != nil {
		p.fail(err)
		return nil, err
	}
	var watch []io.Writer
	if data.Begin != nil {
		watch, p.end = data.Begin()
	}
	p.hasher = source.NewHasher(ctx, stream, watch...)
	return p, nil
}

// result tells whether the last pass reached the end of the data, and the
// input's own error.
func (r *reading) result() (whole bool, err error) {
	p := r.last()
	if p == nil {
		return false, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.whole, p.err
}

func (r *reading) last() *pass {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// await waits until net/http has let go of the last pass: Glance answers as
// soon as it has the last byte, which is before the end of the input is seen.
func (r *reading) await(ctx context.Context) {
	if p := r.last(); p != nil && p.hasher != nil {
		select {
		case <-p.closed:
		case <-ctx.Done():
		}
	}
}

func (p *pass) Read(buf []byte) (int, error) {
	n, err := p.hasher.Read(buf)
	switch {
	case errors.Is(err, io.EOF):
		if wrong := p.judge(); wrong != nil {
			p.fail(wrong)
			return n, wrong
		}
		p.mu.Lock()
		p.whole = true
		p.mu.Unlock()
	case err != nil && !errors.Is(err, context.Canceled):
		p.fail(err)
	}
	return n, err
}

// judge tells, at the end of the data, what keeps them from being an image.
func (p *pass) judge() error {
	if p.end != nil {
		if err := p.end(); err != nil {
			return err
		}
	}
	if p.origin == nil {
		return nil
	}
	read, ok := p.hasher.Sums()
	if !ok {
		return errors.New("the end of the data was not reached")
	}
	if difference, _ := differ(read, *p.origin); difference != "" {
		return fmt.Errorf("what was read is not the data of image %s: %s", p.origin.ID, difference)
	}
	return nil
}

func (p *pass) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *pass) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.hasher.Close()
}

// sums returns the length and hashes of the data, once a pass has reached
// their end.
func (r *reading) sums() (source.Sums, bool) {
	if p := r.last(); p != nil && p.hasher != nil {
		return p.hasher.Sums()
	}
	return source.Sums{}, false
}

// compare holds what Glance says of the data against what was sent. The error
// wraps errCorrupt; the note is set where Glance gives nothing to compare.
func (r *reading) compare(held image.Image) (note string, err error) {
	sent, ok := r.sums()
	if !ok {
		return "", fmt.Errorf("%w: the end of the input was not reached", errCorrupt)
	}
	difference, known := differ(sent, held)
	switch {
	case difference != "":
		return "", fmt.Errorf("%w: %s", errCorrupt, difference)
	case !known:
		return "Glance gave neither a sha512 nor a checksum, so the data are not verified", nil
	}
	return "", nil
}

// differ tells in what data differ from those that Glance holds of an image,
// "" where they do not. known is false where Glance gives no hash that was
// computed here.
func differ(data source.Sums, held image.Image) (difference string, known bool) {
	switch {
	case held.Size != nil && *held.Size != data.Size:
		return fmt.Sprintf("there are %d bytes, and Glance holds %d", data.Size, *held.Size), true
	case held.HashAlgo == "sha512" && held.HashValue != "":
		if held.HashValue != data.SHA512 {
			return fmt.Sprintf("their sha512 is %s, and Glance holds %s", data.SHA512, held.HashValue), true
		}
	case held.Checksum != "":
		if held.Checksum != data.MD5 {
			return fmt.Sprintf("their MD5 is %s, and Glance holds %s", data.MD5, held.Checksum), true
		}
	default:
		return "", false
	}
	return "", true
}
