// Package sandbox is an OpenStack cloud inside the process: Keystone's identity
// API v3 and Glance's image API v2, as far as a client that handles images
// meets them. It serves for rehearsing runbooks without a cloud, as the engine
// of the end-to-end tests, and for putting faults between a client and its
// cloud.
//
// It behaves as Glance 30 and Keystone 27 (OpenStack 2025.1) do with several
// file stores and MariaDB, down to status codes and error texts; test/parity holds it
// against recorded answers of the real services. One thing is better here than
// there: changes to one image are applied one after another, where Glance may
// lose one of two PATCH requests that meet.
//
// Nothing outlives the process. Records are in memory, image data is in a
// temporary folder that Close removes. The passwords are fixed and public, so
// it must listen on a loopback address only, which is for the caller to see to.
package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options are the settings of a sandbox. The zero value is a cloud without
// images, with Glance's own limits.
type Options struct {
	// Seed holds images to begin with: an answer of GET /v2/images, a JSON
	// list of images, or JSON images one after another. Images in status
	// active have no data: see Cloud.
	Seed io.Reader
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log receives one line per request; nil is silence.
	Log io.Writer
	// TokenLifetime is how long a token lives; 0 is Keystone's hour.
	TokenLifetime time.Duration
	// PageDefault and PageMax are Glance's limit_param_default and
	// api_limit_max; 0 is 25 and 1,000.
	PageDefault, PageMax int
	// Stores are the places for image data, the default first; none is fast,
	// slow and tiny, of which the last has room for 8 MiB.
	Stores []Store
	// ImportDelay is how long an import stays in status importing at least.
	ImportDelay time.Duration
	// Inspect tells the format of image data; nil is the sandbox's own, which
	// looks at the marks of the usual formats only.
	Inspect Inspector
	// Middleware stands before the whole cloud, as the network does: it may
	// delay, refuse or break off any request. Nil is none.
	Middleware func(http.Handler) http.Handler
	// Dir is where the temporary folder for image data is made; empty is the
	// system's.
	Dir string
}

// Store is one place for image data.
type Store struct {
	ID          string
	Description string
	// Capacity is how many bytes it can hold; 0 is no bound.
	Capacity int64
}

// Request is one request that the cloud has answered.
type Request struct {
	Method string
	Path   string // as sent, with its query
	Status int
}

// maxRequests bounds the list of requests that is kept.
const maxRequests = 100_000

// Cloud is one sandbox. It is safe for concurrent use. An image that came from
// a seed as active but without data answers a read of its data with zeros.
type Cloud struct {
	identity *identity
	images   *imageService
	handler  http.Handler

	mu       sync.Mutex
	requests []Request
	log      io.Writer
}

// New makes a cloud. An error tells which image of the seed cannot be taken
// and why, or that no temporary folder can be made. Close ends it.
func New(o Options) (*Cloud, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = time.Hour
	}
	if o.PageDefault == 0 {
		o.PageDefault = 25
	}
	if o.PageMax == 0 {
		o.PageMax = 1000
	}
	if len(o.Stores) == 0 {
		o.Stores = []Store{
			{ID: "fast", Description: "the default store"}, {ID: "slow", Description: "a second store"},
			{ID: "tiny", Description: "a store of 8 MiB: real answers of a full store", Capacity: 8 << 20},
		}
	}
	if o.Inspect == nil {
		o.Inspect = inspect
	}
	dir, err := os.MkdirTemp(o.Dir, "glance-profile-sandbox-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for image data: %w", err)
	}
	c := &Cloud{log: o.Log}
	c.identity = newIdentity(o)
	c.images = newImageService(o, c.identity, dir)
	if o.Seed != nil {
		if err := c.images.seed(o.Seed); err != nil {
			return nil, errors.Join(fmt.Errorf("read the images to begin with: %w", err), c.Close())
		}
	}
	c.handler = c.record(http.HandlerFunc(c.route))
	if o.Middleware != nil {
		c.handler = o.Middleware(c.handler)
	}
	return c, nil
}

// route looks at the first segment only. A path goes on as it was sent:
// http.ServeMux would clean it, which Glance does not.
func (c *Cloud) route(w http.ResponseWriter, r *http.Request) {
	switch first, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); first {
	case "identity":
		http.StripPrefix("/identity", c.identity).ServeHTTP(w, r)
	case "image":
		http.StripPrefix("/image", c.images).ServeHTTP(w, r)
	default:
		http.Error(w, "this is a sandbox cloud: Keystone is at /identity, Glance at /image", http.StatusNotFound)
	}
}

// Handler serves the cloud: Keystone under /identity, Glance under /image. The
// addresses in the service catalog are those of the host that a request names.
func (c *Cloud) Handler() http.Handler { return c.handler }

// Serve answers requests on l until ctx is done, and then lets those under way
// end, for five seconds at most. It returns nil when stopped so. It closes l
// but not the cloud.
func (c *Cloud) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: c.handler, ReadHeaderTimeout: 30 * time.Second}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		err := server.Shutdown(limit)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close()
		}
		stopped <- err
	})
	err := server.Serve(l)
	if stop() || !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the sandbox on %s: %w", l.Addr(), err)
	}
	return <-stopped
}

// Close ends the imports that are under way and removes all image data.
func (c *Cloud) Close() error {
	return c.images.close()
}

// Requests returns the requests answered so far, the oldest first, at most the
// last 100,000.
func (c *Cloud) Requests() []Request {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.requests)
}

// RevokeTokens makes all tokens invalid that were issued so far, as a change of
// a password or a new key set in Keystone would.
func (c *Cloud) RevokeTokens() { c.identity.revokeAll() }

// record notes each request and its answer.
func (c *Cloud) record(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := &statusWriter{ResponseWriter: w}
		defer func() {
			c.note(Request{Method: r.Method, Path: r.URL.RequestURI(), Status: status.code})
		}()
		next.ServeHTTP(status, r)
	})
}

func (c *Cloud) note(q Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.requests) >= maxRequests {
		c.requests = slices.Delete(c.requests, 0, maxRequests/2)
	}
	c.requests = append(c.requests, q)
	if c.log != nil {
		// A log that cannot be written to must not stop the cloud.
		_, _ = fmt.Fprintf(c.log, "%s %s %d\n", q.Method, q.Path, q.Status)
	}
}

// statusWriter remembers the status of an answer; 0 is none sent.
type statusWriter struct {
	http.ResponseWriter
	code int
}

func (w *statusWriter) WriteHeader(code int) {
	if w.code == 0 && code >= 200 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// CloudsYAML returns a clouds.yaml for the cloud at baseURL, such as
// "http://127.0.0.1:9292", with the clouds sandbox-admin, sandbox-member and
// sandbox-reader (one project, but for the admin's own), sandbox-other
// (a member of another project) and sandbox-appcred (an application credential
// of sandbox-member's). The credentials are the same in every sandbox.
func (c *Cloud) CloudsYAML(baseURL string) []byte {
	var b bytes.Buffer
	fmt.Fprint(&b, "# A sandbox inside glance-profile. These passwords protect nothing.\nclouds:\n")
	for _, who := range people {
		fmt.Fprintf(&b, `  %s:
    auth:
      auth_url: %s/identity/v3
      username: %s
      password: %s
      project_name: %s
      user_domain_name: Default
      project_domain_name: Default
    region_name: %s
    identity_api_version: 3
`, "sandbox-"+strings.TrimPrefix(who.name, "sandbox-"), baseURL, who.name, who.password, who.project, region)
	}
	fmt.Fprintf(&b, `  sandbox-appcred:
    auth_type: v3applicationcredential
    auth:
      auth_url: %s/identity/v3
      application_credential_id: %s
      application_credential_secret: %s
    region_name: %s
    identity_api_version: 3
`, baseURL, appCredential.id, appCredential.secret, region)
	return b.Bytes()
}
