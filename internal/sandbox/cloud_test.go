package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"glance-profile/internal/sandbox"
)

// cloud is a sandbox with a server in front of it.
type cloud struct {
	*sandbox.Cloud
	t   *testing.T
	url string
}

func start(t *testing.T, o sandbox.Options) *cloud {
	t.Helper()
	c, err := sandbox.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return &cloud{c, t, startServer(t, c)}
}

func startServer(t *testing.T, c *sandbox.Cloud) string {
	server := httptest.NewServer(c.Handler())
	t.Cleanup(server.Close)
	return server.URL
}

// user is one who has logged in.
type user struct {
	c     *cloud
	token string
}

func (c *cloud) login(name string) *user {
	c.t.Helper()
	project, known := map[string]string{"admin": "admin", "other": "sandbox-other"}[name]
	if !known {
		project = "sandbox"
	}
	account := "sandbox-" + name
	if name == "admin" {
		account = name
	}
	body := fmt.Sprintf(`{"auth":{"identity":{"methods":["password"],"password":{"user":
		{"name":%q,"password":"sandbox-%s-password","domain":{"name":"Default"}}}},
		"scope":{"project":{"name":%q,"domain":{"id":"default"}}}}}`, account, name, project)
	answer := (&user{c: c}).do("POST", "/identity/v3/auth/tokens", body)
	if answer.status != http.StatusCreated {
		c.t.Fatalf("log in as %s: %d %s", name, answer.status, answer.body)
	}
	return &user{c, answer.header.Get("X-Subject-Token")}
}

type answer struct {
	status int
	header http.Header
	body   string
}

// json decodes the answer's body.
func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatalf("%d answer is no JSON object: %v\n%s", a.status, err, a.body)
	}
	return body
}

// do sends one request; header are pairs of names and values.
func (u *user) do(method, path, body string, header ...string) answer {
	u.c.t.Helper()
	q, err := http.NewRequest(method, u.c.url+path, strings.NewReader(body))
	if err != nil {
		u.c.t.Fatal(err)
	}
	q.Header.Set("X-Auth-Token", u.token)
	q.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		u.c.t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		u.c.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(data)}
}

func (u *user) want(status int, method, path, body string, header ...string) answer {
	u.c.t.Helper()
	a := u.do(method, path, body, header...)
	if a.status != status {
		u.c.t.Fatalf("%s %s: got %d, want %d\n%s", method, path, a.status, status, a.body)
	}
	return a
}

// create makes an image and returns its id.
func (u *user) create(record string) string {
	u.c.t.Helper()
	id, _ := u.want(201, "POST", "/image/v2/images", record).json(u.c.t)["id"].(string)
	return id
}

const patchType = "application/openstack-images-v2.1-json-patch"

func TestAnImageFromRecordToDeletion(t *testing.T) {
	u := start(t, sandbox.Options{}).login("member")
	id := u.create(`{"name":"one","disk_format":"raw","container_format":"bare","hw_disk_bus":"virtio"}`)
	image := "/image/v2/images/" + id
	u.want(204, "GET", image+"/file", "")
	u.want(204, "PUT", image+"/file", "hello", "Content-Type", "application/octet-stream")
	record := u.want(200, "PATCH", image, `[{"op":"add","path":"/hw_vif~1model","value":"virtio"},
		{"op":"replace","path":"/min_disk","value":3}]`, "Content-Type", patchType).json(t)
	for name, want := range map[string]any{
		"status": "active", "size": 5.0, "checksum": "5d41402abc4b2a76b9719d911017c592", "os_hash_algo": "sha512",
		"hw_disk_bus": "virtio", "hw_vif/model": "virtio", "min_disk": 3.0, "virtual_size": 5.0, "stores": "fast",
	} {
		if record[name] != want {
			t.Errorf("%s is %v, want %v", name, record[name], want)
		}
	}
	if got := u.want(206, "GET", image+"/file", "", "Range", "bytes=1-3").body; got != "ell" {
		t.Errorf("range is %q", got)
	}
	u.want(204, "DELETE", image, "")
	u.want(404, "GET", image, "")
}

func TestPagesCoverAllImagesOnce(t *testing.T) {
	u := start(t, sandbox.Options{}).login("member")
	const n = 7
	for i := range n {
		u.create(fmt.Sprintf(`{"name":"image %d"}`, i))
	}
	seen := map[string]int{}
	for path := "/v2/images?limit=3&sort=name:asc"; path != ""; {
		page := u.want(200, "GET", "/image"+path, "").json(t)
		for _, image := range page["images"].([]any) {
			seen[image.(map[string]any)["name"].(string)]++
		}
		path, _ = page["next"].(string)
	}
	if len(seen) != n {
		t.Errorf("saw %v", seen)
	}
	for name, times := range seen {
		if times != 1 {
			t.Errorf("%s came %d times", name, times)
		}
	}
}

func TestConcurrentPatchesAllSurvive(t *testing.T) {
	u := start(t, sandbox.Options{}).login("member")
	id := u.create(`{}`)
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			a := u.do("PATCH", "/image/v2/images/"+id, fmt.Sprintf(`[{"op":"add","path":"/p%d","value":"x"}]`, i), "Content-Type", patchType)
			if a.status != 200 {
				t.Errorf("patch %d: %d", i, a.status)
			}
		})
	}
	group.Wait()
	record := u.want(200, "GET", "/image/v2/images/"+id, "").json(t)
	for i := range 20 {
		if record[fmt.Sprintf("p%d", i)] != "x" {
			t.Errorf("p%d is lost", i)
		}
	}
}

func TestTokensEnd(t *testing.T) {
	now := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	c := start(t, sandbox.Options{Now: clock, TokenLifetime: time.Minute})
	first, second := c.login("member"), c.login("member")
	first.want(204, "DELETE", "/identity/v3/auth/tokens", "", "X-Subject-Token", first.token)
	first.want(401, "GET", "/image/v2/images", "")
	second.want(200, "GET", "/image/v2/images", "")
	mu.Lock()
	now = now.Add(time.Minute)
	mu.Unlock()
	second.want(401, "GET", "/image/v2/images", "")
	third := c.login("reader")
	c.RevokeTokens()
	third.want(401, "GET", "/image/v2/images", "")
}

func TestRequestsAreNoted(t *testing.T) {
	var log bytes.Buffer
	c := start(t, sandbox.Options{Log: &log})
	u := c.login("reader")
	u.want(403, "POST", "/image/v2/images", `{"name":"x"}`)
	got := c.Requests()
	want := []sandbox.Request{
		{Method: "POST", Path: "/identity/v3/auth/tokens", Status: 201},
		{Method: "POST", Path: "/image/v2/images", Status: 403},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if want := "POST /image/v2/images 403\n"; !strings.HasSuffix(log.String(), want) {
		t.Errorf("log is %q", log.String())
	}
}

func TestSeed(t *testing.T) {
	for name, seed := range map[string]string{
		"listing":           `{"images":[{"id":"11111111-1111-1111-1111-111111111111","name":"a","size":3,"visibility":"public","status":"active","hw_disk_bus":"ide"},{"name":"b"}]}`,
		"list":              `[{"id":"11111111-1111-1111-1111-111111111111","name":"a","size":3,"visibility":"public","hw_disk_bus":"ide"},{"name":"b"}]`,
		"one after another": "{\"id\":\"11111111-1111-1111-1111-111111111111\",\"name\":\"a\",\"size\":3,\"visibility\":\"public\",\"hw_disk_bus\":\"ide\"}\n{\"name\":\"b\"}\n",
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, sandbox.Options{Seed: strings.NewReader(seed)})
			if list := c.login("admin").want(200, "GET", "/image/v2/images", "").json(t)["images"].([]any); len(list) != 2 {
				t.Errorf("there are %d images", len(list))
			}
			u := c.login("member")
			image := "/image/v2/images/11111111-1111-1111-1111-111111111111"
			if got := u.want(200, "GET", image, "").json(t)["hw_disk_bus"]; got != "ide" {
				t.Errorf("hw_disk_bus is %v", got)
			}
			if got := u.want(200, "GET", image+"/file", "").body; got != "\x00\x00\x00" {
				t.Errorf("data is %q", got)
			}
		})
	}
	for name, seed := range map[string]string{
		"image 2: Provided object": `[{"name":"a"},{"min_disk":"3"}]`,
		"image 1: is no JSON":      `[1]`,
		"unexpected EOF":           `{"images":[`,
		"is there twice":           `[{"id":"11111111-1111-1111-1111-111111111111"},{"id":"11111111-1111-1111-1111-111111111111"}]`,
		"created_at: parsing time": `[{"created_at":"yesterday"}]`,
	} {
		if _, err := sandbox.New(sandbox.Options{Seed: strings.NewReader(seed), Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("seed %s: error is %v, want one with %q", seed, err, name)
		}
	}
}

func TestServeStopsInGoodOrder(t *testing.T) {
	c, err := sandbox.New(sandbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- c.Serve(ctx, l) }()
	resp, err := http.Get("http://" + l.Addr().String() + "/identity/v3")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
	if !bytes.Contains(c.CloudsYAML("http://"+l.Addr().String()), []byte("sandbox-appcred")) {
		t.Error("clouds.yaml lacks a cloud")
	}
}
