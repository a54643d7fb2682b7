// Package glance speaks Glance's image API v2 on gophercloud's ServiceClient,
// with a codec of its own: one JSON record in, one image.Image out, one image
// at a time. It decides nothing and retries nothing but an expired token.
//
// gophercloud's own images.Image is not used: one image with a text property
// named "metadata" makes the decoding of a whole page fail, properties named
// like its struct fields vanish, server keys are mixed with user properties,
// and patch paths are not escaped.
package glance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gophercloud/gophercloud/v2"

	"glance-profile/internal/image"
)

// Client sends requests to one image service. It is safe for concurrent use.
type Client struct {
	service *gophercloud.ServiceClient
}

// New returns a client that sends its requests through service, whose
// ResourceBase ends in "/v2/".
func New(service *gophercloud.ServiceClient) *Client {
	return &Client{service: service}
}

// Record is a new image as it is sent to Glance: base fields with their own
// JSON types and custom properties as text, by name.
type Record map[string]any

// Create makes an image record without data. Errors are those of Status: 403
// for a policy or a reserved name, 409 for an id in use, 413 for a quota.
func (c *Client) Create(ctx context.Context, record Record) (image.Image, error) {
	return c.image(ctx, http.MethodPost, c.url("images"), record, "application/json", http.StatusCreated)
}

// Get reads one image by its id.
func (c *Client) Get(ctx context.Context, id string) (image.Image, error) {
	return c.image(ctx, http.MethodGet, c.url("images", id), nil, "", http.StatusOK)
}

// Operation is one step of a JSON patch: add (which overwrites), replace
// (which needs the member), or remove. Glance knows no test operation.
type Operation struct {
	Op    string // add, replace, remove
	Name  string // property or base field, unescaped
	Value any    // ignored for remove
}

// MarshalJSON writes the operation with its name escaped as RFC 6901 asks.
func (o Operation) MarshalJSON() ([]byte, error) {
	path := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(o.Name)
	if o.Op == "remove" {
		return json.Marshal(map[string]any{"op": o.Op, "path": path})
	}
	return json.Marshal(map[string]any{"op": o.Op, "path": path, "value": o.Value})
}

// Patch applies all operations to an image or none, and returns the image as
// Glance then holds it.
func (c *Client) Patch(ctx context.Context, id string, ops []Operation) (image.Image, error) {
	return c.image(ctx, http.MethodPatch, c.url("images", id), ops,
		"application/openstack-images-v2.1-json-patch", http.StatusOK)
}

// Delete deletes an image, its data included. Glance also deletes the key that
// cinder_encryption_key_id names, if cinder_encryption_key_deletion_policy is
// on_image_deletion.
func (c *Client) Delete(ctx context.Context, id string) error {
	_, err := c.do(ctx, http.MethodDelete, c.url("images", id), nil, http.StatusNoContent)
	return err
}

// Bounds of a listing, beyond which the server is not to be believed.
const (
	maxPageImages = 100_000 // of the 1000 that Glance gives at most unless it is set up for more
	// maxEmptyPages is how many pages without an image may follow each other: a
	// policy of Glance's can empty a page after the next one was settled.
	maxEmptyPages = 100
	maxLinkBytes  = 8 << 10
)

// List yields the images that query selects, page after page, in Glance's
// order. The query's names are those of Glance's API (name, owner, os_hidden,
// visibility, sort …). After an error it ends; the error says how many images
// came before.
func (c *Client) List(ctx context.Context, query url.Values) iter.Seq2[image.Image, error] {
	return func(yield func(image.Image, error) bool) {
		l := lister{client: c, yield: yield, markers: map[string]bool{}, firsts: map[string]bool{}}
		if err := l.run(ctx, query); err != nil {
			after := ""
			if l.count > 0 {
				after = fmt.Sprintf("after %d of them: ", l.count)
			}
			yield(image.Image{}, fmt.Errorf("list images: %s%w", after, err))
		}
	}
}

// lister is a listing while it is gone through.
type lister struct {
	client *Client
	yield  func(image.Image, error) bool
	count  int // images yielded
	empty  int // pages without an image, in a row
	// markers are those that were asked for, firsts the first images of pages: a
	// page that begins as an earlier one did is that page again.
	markers, firsts map[string]bool
}

var errCircle = errors.New("the server's link to the next page leads in a circle")

func (l *lister) run(ctx context.Context, query url.Values) error {
	for {
		next, more, err := l.page(ctx, query)
		if err != nil || !more || next == "" {
			return err
		}
		// Only the query is taken from the server's link: the token goes nowhere
		// but to the endpoint of the catalog.
		if len(next) > maxLinkBytes {
			return fmt.Errorf("the server's link to the next page has %d bytes", len(next))
		}
		link, err := url.Parse(next)
		if err != nil {
			return fmt.Errorf("the server's link to the next page: %w", err)
		}
		query = link.Query()
		marker := query.Get("marker")
		if marker == "" || l.markers[marker] {
			return errCircle
		}
		l.markers[marker] = true
	}
}

// page yields the images of one page. It returns the link to the next one and
// whether more are asked for.
func (l *lister) page(ctx context.Context, query url.Values) (next string, more bool, err error) {
	n := 0
	var refused error
	next, more, err = l.client.page(ctx, query, func(img image.Image) bool {
		switch n++; {
		case n > maxPageImages:
			refused = fmt.Errorf("a page of more than %d images", maxPageImages)
		case n == 1 && l.firsts[img.ID]:
			refused = errCircle
		}
		if refused != nil {
			return false
		}
		if n == 1 {
			l.firsts[img.ID] = true
		}
		l.count++
		return l.yield(img, nil)
	})
	if refused != nil {
		return "", false, refused
	}
	if l.empty++; n > 0 {
		l.empty = 0
	}
	if l.empty > maxEmptyPages {
		return "", false, fmt.Errorf("%d pages without an image follow each other", l.empty)
	}
	return next, more, err
}

func (c *Client) page(ctx context.Context, query url.Values, yield func(image.Image) bool) (string, bool, error) {
	target := c.url("images")
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	resp, err := c.service.Request(ctx, http.MethodGet, target, &gophercloud.RequestOpts{
		OkCodes: []int{http.StatusOK}, KeepResponseBody: true,
	})
	if err != nil {
		return "", false, convert(err)
	}
	defer resp.Body.Close()
	return decodePage(resp.Body, yield)
}

// Store is one of the places where Glance can keep image data.
type Store struct {
	ID          string `json:"id"`
	Description string `json:"description"`
	Default     bool   `json:"-"`
}

// Stores lists the stores of a Glance with several of them. Where Glance is
// not set up so, the error has status 404.
func (c *Client) Stores(ctx context.Context) ([]Store, error) {
	data, err := c.do(ctx, http.MethodGet, c.url("info", "stores"), nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Stores []struct {
			Store
			// Glance sends the text "true", not a boolean.
			Default any `json:"default"`
		} `json:"stores"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("list of stores: %w", err)
	}
	stores := make([]Store, len(answer.Stores))
	for i, s := range answer.Stores {
		stores[i] = s.Store
		stores[i].Default = s.Default == "true" || s.Default == true
	}
	return stores, nil
}

// ImportMethods lists the import methods that Glance has switched on.
func (c *Client) ImportMethods(ctx context.Context) ([]string, error) {
	data, err := c.do(ctx, http.MethodGet, c.url("info", "import"), nil, http.StatusOK)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Methods struct {
			Value []string `json:"value"`
		} `json:"import-methods"`
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, fmt.Errorf("list of import methods: %w", err)
	}
	return answer.Methods.Value, nil
}

// url joins path segments below the service's v2 base, each escaped.
func (c *Client) url(segments ...string) string {
	escaped := make([]string, len(segments))
	for i, s := range segments {
		escaped[i] = url.PathEscape(s)
	}
	return c.service.ServiceURL(escaped...)
}

// image sends body as JSON and decodes the image record of the answer.
func (c *Client) image(ctx context.Context, method, target string, body any, contentType string, want int) (image.Image, error) {
	opts := &gophercloud.RequestOpts{OkCodes: []int{want}}
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return image.Image{}, err
		}
		opts.RawBody = bytes.NewReader(data)
		opts.MoreHeaders = map[string]string{"Content-Type": contentType}
	}
	data, err := c.request(ctx, method, target, opts)
	if err != nil {
		return image.Image{}, err
	}
	return decodeImage(data)
}

func (c *Client) do(ctx context.Context, method, target string, body any, want ...int) ([]byte, error) {
	return c.request(ctx, method, target, &gophercloud.RequestOpts{JSONBody: body, OkCodes: want})
}

// request reads the whole answer, up to maxImageBytes.
func (c *Client) request(ctx context.Context, method, target string, opts *gophercloud.RequestOpts) ([]byte, error) {
	opts.KeepResponseBody = true
	resp, err := c.service.Request(ctx, method, target, opts)
	if err != nil {
		return nil, convert(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxImageBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read Glance's answer: %w", err)
	}
	if len(data) > maxImageBytes {
		return nil, errors.New("Glance's answer is larger than " + strconv.Itoa(maxImageBytes>>20) + " MiB")
	}
	return data, nil
}
