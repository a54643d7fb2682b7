package glance_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"glance-profile/internal/glance"
	"glance-profile/internal/image"
)

// serve starts a server and returns a client of it whose token is renewed to
// "fresh" when the server answers 401.
func serve(t *testing.T, handler http.HandlerFunc) *glance.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	provider := &gophercloud.ProviderClient{TokenID: "stale"}
	provider.UseTokenLock()
	provider.ReauthFunc = func(context.Context) error { provider.SetToken("fresh"); return nil }
	return glance.New(&gophercloud.ServiceClient{
		ProviderClient: provider, Endpoint: server.URL + "/", ResourceBase: server.URL + "/v2/",
	})
}

func list(t *testing.T, c *glance.Client) ([]image.Image, error) {
	t.Helper()
	var images []image.Image
	for img, err := range c.List(t.Context(), nil) {
		if err != nil {
			return images, err
		}
		images = append(images, img)
	}
	return images, nil
}

// The properties that gophercloud's own decoder loses or fails on.
func TestListKeepsEveryProperty(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("marker") == "" {
			fmt.Fprint(w, `{"first":"/v2/images","images":[{"id":"1","name":null,"metadata":"text","hidden":"h","sizebytes":"9",
				"properties":"p","tags":["b","a"],"size":null,"virtual_size":4,"kernel_id":null,"a/b~c":"odd",
				"os_glance_importing_to_stores":"x","stores":"fast","min_disk":3,"protected":true,"os_hidden":false,
				"created_at":"2026-01-02T03:04:05Z"}],"next":"http://elsewhere.example/v2/images?marker=1"}`)
			return
		}
		fmt.Fprint(w, `{"images":[{"id":"2","name":"","unknown_number":7}]}`)
	})
	images, err := list(t, c)
	if err != nil || len(images) != 2 {
		t.Fatalf("%d images, %v", len(images), err)
	}
	img := images[0]
	for name, want := range map[string]string{"metadata": "text", "hidden": "h", "sizebytes": "9", "properties": "p", "a/b~c": "odd"} {
		if img.Properties[name] != want {
			t.Errorf("property %s = %q, want %q", name, img.Properties[name], want)
		}
	}
	if len(img.Properties) != 5 {
		t.Errorf("server keys among the properties: %v", img.Properties)
	}
	if !img.Unnamed || img.Size != nil || *img.VirtualSize != 4 || !img.Protected || img.MinDisk != 3 || img.CreatedAt.IsZero() {
		t.Errorf("base fields: %+v", img)
	}
	if strings.Join(img.Tags, ",") != "a,b" || strings.Join(img.Nulls, ",") != "kernel_id" || img.Extra["stores"] != "fast" {
		t.Errorf("tags %v, nulls %v, extra %v", img.Tags, img.Nulls, img.Extra)
	}
	if images[1].Unnamed || images[1].Extra["unknown_number"] != 7.0 {
		t.Errorf("second image: %+v", images[1])
	}
}

func TestListRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"truncated":    `{"images":[{"id":"1"}`,
		"not json":     `<html>`,
		"no id":        `{"images":[{"name":"x"}]}`,
		"wrong type":   `{"images":[{"id":"1","min_disk":"3"}]}`,
		"endless page": `{"images":[],"next":"/v2/images?marker=same"}`,
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, body) })
		if images, err := list(t, c); err == nil {
			t.Errorf("%s: no error, images %v", name, images)
		}
	}
}

func TestListBoundsOneImage(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"images":[{"id":"1","x":"`)
		chunk := strings.Repeat("x", 1<<20)
		for range 64 {
			if _, err := io.WriteString(w, chunk); err != nil {
				return
			}
		}
	})
	if _, err := list(t, c); err == nil || !strings.Contains(err.Error(), "32 MiB") {
		t.Errorf("error %v", err)
	}
}

func TestPatchEscapesPaths(t *testing.T) {
	var got []map[string]any
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
			t.Error(err)
		}
		if ct := r.Header.Get("Content-Type"); ct != "application/openstack-images-v2.1-json-patch" {
			t.Errorf("content type %s", ct)
		}
		io.WriteString(w, `{"id":"1"}`)
	})
	_, err := c.Patch(t.Context(), "1", []glance.Operation{
		{Op: "add", Name: "a/b~c", Value: "v"}, {Op: "remove", Name: "x"}, {Op: "replace", Name: "min_disk", Value: int64(3)},
	})
	if err != nil {
		t.Fatal(err)
	}
	text, _ := json.Marshal(got)
	want := `[{"op":"add","path":"/a~1b~0c","value":"v"},{"op":"remove","path":"/x"},{"op":"replace","path":"/min_disk","value":3}]`
	if string(text) != want {
		t.Errorf("patch\n got %s\nwant %s", text, want)
	}
}

func TestErrorsSayWhatGlanceSaid(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{"<html>\n <head>\n  <title>403 Forbidden</title>\n </head>\n <body>\n  <h1>403 Forbidden</h1>\n  You are not authorized to complete publicize_image action.<br /><br />\n\n\n </body>\n</html>",
			"Glance answered 403: You are not authorized to complete publicize_image action."},
		{`{"error":{"code":403,"message":"no","title":"Forbidden"}}`, "Glance answered 403: no"},
		{`{"message":"You &lt;may&gt; not","code":"403 Forbidden"}`, "Glance answered 403: You <may> not"},
		{"", "Glance answered 403: Forbidden"},
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, tt.body)
		})
		_, err := c.Get(t.Context(), "x")
		if err == nil || err.Error() != tt.want || glance.Status(err) != 403 {
			t.Errorf("got %v (%d), want %s", err, glance.Status(err), tt.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "100000000000": time.Minute, "99999": time.Minute, "soon": 0,
		time.Now().Add(time.Hour).UTC().Format(http.TimeFormat): time.Minute,
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusServiceUnavailable)
		})
		_, err := c.Patch(t.Context(), "x", nil)
		var answer *glance.Error
		if !errors.As(err, &answer) || answer.RetryAfter() != want {
			t.Errorf("%q: %v, want %v", header, err, want)
		}
	}
}

func body(text string, opened *int) glance.Body {
	return func() (io.ReadCloser, error) {
		*opened++
		return io.NopCloser(strings.NewReader(text)), nil
	}
}

// A renewed token must not send a drained body: gophercloud would make an
// empty image of it.
func TestUploadIsSentAgainAfterAnExpiredToken(t *testing.T) {
	var received []string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Auth-Token") != "fresh" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		data, _ := io.ReadAll(r.Body)
		received = append(received, fmt.Sprintf("%s %d %s", r.URL.Path, r.ContentLength, data))
		w.WriteHeader(http.StatusNoContent)
	})
	opened := 0
	if err := c.Upload(t.Context(), "id/../x", body("hello", &opened), 5, "fast"); err != nil {
		t.Fatal(err)
	}
	if len(received) != 1 || received[0] != "/v2/images/id/../x/file 5 hello" || opened != 2 {
		t.Errorf("received %q, opened %d times", received, opened)
	}
}

// A gateway makes 502 of a 401 that comes while it is still sending.
func TestUploadBehindAGatewayAfterAnExpiredToken(t *testing.T) {
	uploads := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fresh := r.Header.Get("X-Auth-Token") == "fresh"
		switch {
		case r.Method == http.MethodGet && fresh:
			io.WriteString(w, `{"id":"id"}`)
		case r.Method == http.MethodGet:
			w.WriteHeader(http.StatusUnauthorized)
		case fresh:
			uploads++
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	opened := 0
	if err := c.Upload(t.Context(), "id", body("hello", &opened), 5, ""); err != nil || uploads != 1 || opened != 2 {
		t.Errorf("%v, %d uploads, opened %d times", err, uploads, opened)
	}
}

// With a token that is good, a 502 is what it is.
func TestUploadKeepsABadGateway(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		io.WriteString(w, `{"id":"id"}`)
	})
	opened := 0
	if err := c.Upload(t.Context(), "id", body("hello", &opened), 5, ""); glance.Status(err) != http.StatusBadGateway || opened != 1 {
		t.Errorf("%v, opened %d times", err, opened)
	}
}

func TestUploadKeepsTheRefusal(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		io.WriteString(w, "<html><title>413 x</title><body>There is not enough disk space</body></html>")
	})
	opened := 0
	err := c.Upload(t.Context(), "id", body("hello", &opened), -1, "")
	if glance.Status(err) != 413 || !strings.Contains(err.Error(), "not enough disk space") {
		t.Errorf("error %v", err)
	}
}

func TestQueryIsSentAsGiven(t *testing.T) {
	var got url.Values
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.URL.Query()
		io.WriteString(w, `{"images":[]}`)
	})
	for _, err := range c.List(t.Context(), url.Values{"name": {"a b&c"}}) {
		t.Fatal(err)
	}
	if got.Get("name") != "a b&c" {
		t.Errorf("query %v", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"images":[{"id":"1","name":"x","tags":["a"],"size":1}]}`)
	f.Add(`{"images":[{"id":"1","created_at":null}],"next":"/v2/images?marker=1"}`)
	f.Fuzz(func(t *testing.T, text string) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "" {
				io.WriteString(w, text)
			}
		}))
		defer server.Close()
		c := glance.New(&gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: server.URL + "/", ResourceBase: server.URL + "/v2/"})
		for img, err := range c.List(t.Context(), nil) {
			if err == nil && img.ID == "" {
				t.Error("an image without an id")
			}
		}
	})
}
