package glance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
)

// Body opens the bytes of an image for one attempt at sending them. A request
// that has to be repeated opens it again; a body that can be read only once
// returns an error the second time.
type Body func() (io.ReadCloser, error)

// Upload sends image data in one stream (PUT /v2/images/{id}/file). size is in
// bytes, -1 where it is unknown; store is empty for Glance's default.
//
// A token that has expired is renewed once and the data sent again from the
// start. The request asks Glance to say that it will take the data before any
// is sent ("Expect: 100-continue"), so that a refusal costs nothing and a pipe
// survives an expired token.
func (c *Client) Upload(ctx context.Context, id string, body Body, size int64, store string) error {
	var headers map[string]string
	if store != "" {
		headers = map[string]string{"X-Image-Meta-Store": store}
	}
	return c.send(ctx, id, c.url("images", id, "file"), body, size, headers)
}

// Stage sends image data to the staging area (PUT /v2/images/{id}/stage), from
// where Import brings it into a store.
func (c *Client) Stage(ctx context.Context, id string, body Body, size int64) error {
	return c.send(ctx, id, c.url("images", id, "stage"), body, size, nil)
}

// Download opens the data of an image (GET /v2/images/{id}/file), from the byte
// at offset on. The reader is to be closed; it may end early where the
// connection breaks, which the caller has to notice by counting. A store that
// cannot begin in the middle makes any offset but 0 an error.
func (c *Client) Download(ctx context.Context, id string, offset int64) (io.ReadCloser, error) {
	opts := &gophercloud.RequestOpts{
		OkCodes: []int{http.StatusOK}, KeepResponseBody: true,
		// Not compressed on the way: what arrives is counted and hashed.
		MoreHeaders: map[string]string{"Accept": "application/octet-stream", "Accept-Encoding": "identity"},
	}
	if offset > 0 {
		opts.OkCodes = []int{http.StatusPartialContent}
		opts.MoreHeaders["Range"] = fmt.Sprintf("bytes=%d-", offset)
	}
	resp, err := c.service.Request(ctx, http.MethodGet, c.url("images", id, "file"), opts)
	if err != nil {
		return nil, convert(err)
	}
	if start := fmt.Sprintf("bytes %d-", offset); offset > 0 && !strings.HasPrefix(resp.Header.Get("Content-Range"), start) {
		resp.Body.Close()
		return nil, fmt.Errorf("bytes from %d on were asked for, and the answer holds %q", offset, resp.Header.Get("Content-Range"))
	}
	return resp.Body, nil
}

// send is the one request that does not go through gophercloud: it offers no
// way to state a body's length, and after a renewed token it would send the
// drained body again, which makes an empty image.
func (c *Client) send(ctx context.Context, id, target string, open Body, size int64, headers map[string]string) error {
	for renewed := false; ; renewed = true {
		token := c.service.Token()
		status, header, answer, err := c.sendOnce(ctx, target, token, open, size, headers)
		switch {
		case err != nil:
			return err
		case status == http.StatusNoContent:
			return nil
		case status == http.StatusBadGateway && !renewed && c.service.ReauthFunc != nil:
			// A gateway that is still sending when Glance answers 401 and hangs
			// up makes 502 of it. A small request tells: it renews the token if
			// that was the cause.
			_, _ = c.do(ctx, http.MethodGet, c.url("images", id), nil, http.StatusOK)
			if c.service.Token() == token {
				return answerError(status, header, answer)
			}
			continue
		case status != http.StatusUnauthorized || renewed || c.service.ReauthFunc == nil:
			return answerError(status, header, answer)
		}
		if err := c.service.Reauthenticate(ctx, token); err != nil {
			return convert(&gophercloud.ErrUnableToReauthenticate{
				ErrOriginal: answerError(status, header, answer), ErrReauth: err,
			})
		}
	}
}

func (c *Client) sendOnce(ctx context.Context, target, token string, open Body, size int64, headers map[string]string) (int, http.Header, []byte, error) {
	body, err := open()
	if err != nil {
		return 0, nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, target, body)
	if err != nil {
		body.Close()
		return 0, nil, nil, err
	}
	req.ContentLength = size // -1 is net/http's word for unknown, too
	if size == 0 {
		req.Body = http.NoBody // net/http takes 0 with a body for unknown
		body.Close()
	}
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("User-Agent", c.service.UserAgent.Join())
	req.Header.Set("Content-Type", "application/octet-stream")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Expect", "100-continue")
	resp, err := c.service.HTTPClient.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes))
	return resp.StatusCode, resp.Header, answer, err
}

// maxAnswerBytes bounds what is read of the answer to an upload.
const maxAnswerBytes = 64 << 10

// ImportMethod names a way for Glance to get at image data.
type ImportMethod string

// The import methods of Glance (glance/async_/flows/api_image_import.py).
const (
	ImportDirect   ImportMethod = "glance-direct" // from the staging area
	ImportDownload ImportMethod = "web-download"  // from an address
)

// Import asks Glance to bring an image's data into its stores (the default one
// where none is named). It returns when Glance has taken the task, not when
// the image is there. uri is for ImportDownload alone.
func (c *Client) Import(ctx context.Context, id string, method ImportMethod, uri string, stores []string) error {
	how := map[string]any{"name": string(method)}
	switch {
	case method == ImportDownload:
		how["uri"] = uri
	case uri != "":
		return errors.New("an address goes with the import method web-download only")
	}
	request := map[string]any{"method": how}
	if len(stores) > 0 {
		request["stores"] = stores
		request["all_stores_must_succeed"] = true
	}
	_, err := c.do(ctx, http.MethodPost, c.url("images", id, "import"), request, http.StatusAccepted)
	return err
}

// Task is one asynchronous job of Glance's on an image, such as an import.
type Task struct {
	ID      string `json:"id"`
	Status  string `json:"status"` // pending, processing, success, failure
	Message string `json:"message"`
}

// Tasks lists the tasks of an image, the newest first as Glance keeps them
// (GET /v2/images/{id}/tasks, since Wallaby).
func (c *Client) Tasks(ctx context.Context, id string) ([]Task, error) {
	data, err := c.do(ctx, http.MethodGet, c.url("images", id, "tasks"), nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Tasks []Task `json:"tasks"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("list of tasks: %w", err)
	}
	return answer.Tasks, nil
}
