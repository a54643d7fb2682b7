package glance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
)

// ErrNoRanges says that a store sends all of an image's data where a piece was
// asked for.
var ErrNoRanges = errors.New("the store of the image does not answer requests for a piece of its data")

// Ranged is an image's data, read piece by piece (GET /v2/images/{id}/file with
// Range). It may be used by several goroutines.
type Ranged struct {
	c    *Client
	ctx  context.Context // ReadAt cannot take one
	id   string
	size int64
}

// Ranged returns a reader of an image's data, of size bytes.
func (c *Client) Ranged(ctx context.Context, id string, size int64) *Ranged {
	return &Ranged{c: c, ctx: ctx, id: id, size: size}
}

// ReadAt implements io.ReaderAt; each call is one request. Its error wraps
// ErrNoRanges where the store does not answer ranges.
func (r *Ranged) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.size-off)]
	if len(want) == 0 {
		return 0, nil
	}
	resp, err := r.c.service.Request(r.ctx, http.MethodGet, r.c.url("images", r.id, "file"), &gophercloud.RequestOpts{
		OkCodes: []int{http.StatusOK, http.StatusPartialContent}, KeepResponseBody: true,
		MoreHeaders: map[string]string{
			"Accept": "application/octet-stream", "Accept-Encoding": "identity",
			"Range": fmt.Sprintf("bytes=%d-%d", off, off+int64(len(want))-1),
		},
	})
	if err != nil {
		return 0, fmt.Errorf("read image %s: %w", r.id, convert(err))
	}
	// What was not asked for is not read: closing drops the connection.
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		return 0, fmt.Errorf("read image %s: %w", r.id, ErrNoRanges)
	}
	if got := resp.Header.Get("Content-Range"); !strings.HasPrefix(got, fmt.Sprintf("bytes %d-", off)) {
		return 0, fmt.Errorf("read image %s: bytes from %d on were asked for, and the answer holds %q", r.id, off, beginning(got))
	}
	n, err := io.ReadFull(resp.Body, want)
	if err != nil {
		return n, fmt.Errorf("read image %s: %w", r.id, readable(err))
	}
	if len(want) < len(p) {
		err = io.EOF
	}
	return n, err
}
