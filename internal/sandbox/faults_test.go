package sandbox_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"glance-profile/internal/sandbox"
)

const octets = "application/octet-stream"

func image(id string) string { return "/image/v2/images/" + id }

const rawRecord = `{"disk_format":"raw","container_format":"bare"}`

// zeros is so many zeros.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	clear(p[:n])
	z.left -= n
	return int(n), nil
}

func TestALargeUploadTakesNeitherMemoryNorRoom(t *testing.T) {
	dir := t.TempDir()
	u := start(t, sandbox.Options{Dir: dir}).login("member")
	id := u.create(rawRecord)
	const size = 1 << 28
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	q, err := http.NewRequest("PUT", u.c.url+image(id)+"/file", &zeros{size})
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("X-Auth-Token", u.token)
	q.Header.Set("Content-Type", octets)
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	runtime.ReadMemStats(&after)
	if resp.StatusCode != 204 {
		t.Fatalf("upload: %s", resp.Status)
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("%d bytes were allocated for an upload of %d", grown, size)
	}
	if got := u.want(200, "GET", image(id), "").json(t)["size"]; got != float64(size) {
		t.Errorf("size is %v", got)
	}
	var taken int64
	files, err := filepath.Glob(filepath.Join(dir, "*", "image-*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files of image data: %v, %v", files, err)
	}
	for _, file := range files {
		taken += allocated(t, file)
	}
	if taken > 1<<20 {
		t.Errorf("%d zeros take %d bytes on disk", size, taken)
	}
	if got := u.want(206, "GET", image(id)+"/file", "", "Range", "bytes=268435452-").body; got != "\x00\x00\x00\x00" {
		t.Errorf("the end reads as %q", got)
	}
}

func TestDataComeBackAsTheyWereSent(t *testing.T) {
	u := start(t, sandbox.Options{}).login("member")
	random := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 300_000)
	for i := range data {
		if i/50_000%2 == 0 { // with holes
			data[i] = byte(random.Uint32())
		}
	}
	id := u.create(rawRecord)
	u.want(204, "PUT", image(id)+"/file", string(data), "Content-Type", octets)
	if got := u.want(200, "GET", image(id)+"/file", "").body; got != string(data) {
		t.Error("data differ")
	}
	sum := sha512.Sum512(data)
	if got := u.want(200, "GET", image(id), "").json(t)["os_hash_value"]; got != hex.EncodeToString(sum[:]) {
		t.Errorf("os_hash_value is %v", got)
	}
	for range 50 {
		from := random.IntN(len(data))
		to := from + random.IntN(len(data)-from)
		got := u.want(206, "GET", image(id)+"/file", "", "Range", fmt.Sprintf("bytes=%d-%d", from, to)).body
		if got != string(data[from:to+1]) {
			t.Fatalf("bytes %d to %d differ", from, to)
		}
	}
}

func TestNothingIsLeftOfImagesAndClouds(t *testing.T) {
	dir := t.TempDir()
	c, err := sandbox.New(sandbox.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	server := startServer(t, c)
	u := (&cloud{Cloud: c, t: t, url: server}).login("member")
	kept, gone := u.create(rawRecord), u.create(rawRecord)
	for _, id := range []string{kept, gone} {
		u.want(204, "PUT", image(id)+"/file", "x", "Content-Type", octets)
	}
	u.want(204, "DELETE", image(gone), "")
	if files, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(files) != 1 {
		t.Errorf("after a deletion there are %v", files)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("after the end there are %v", files)
	}
}

func TestABrokenUploadLeavesTheImageQueued(t *testing.T) {
	c := start(t, sandbox.Options{})
	u := c.login("member")
	id := u.create(rawRecord)
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "PUT %s/file HTTP/1.1\r\nHost: x\r\nX-Auth-Token: %s\r\nContent-Type: %s\r\nContent-Length: 1000000\r\n\r\nhello",
		image(id), u.token, octets)
	u.await(id, "status", "saving")
	u.want(409, "PUT", image(id)+"/file", "x", "Content-Type", octets)
	conn.Close()
	u.await(id, "status", "queued")
	u.want(204, "PUT", image(id)+"/file", "hello", "Content-Type", octets)
}

func TestAnImageDeletedWhileItsDataComeIn(t *testing.T) {
	dir := t.TempDir()
	c := start(t, sandbox.Options{Dir: dir})
	u := c.login("member")
	id := u.create(rawRecord)
	body, data := io.Pipe()
	answers := make(chan int)
	go func() {
		q, err := http.NewRequest("PUT", c.url+image(id)+"/file", body)
		if err != nil {
			t.Error(err)
		}
		q.Header.Set("X-Auth-Token", u.token)
		q.Header.Set("Content-Type", octets)
		resp, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Error(err)
			answers <- 0
			return
		}
		resp.Body.Close()
		answers <- resp.StatusCode
	}()
	fmt.Fprint(data, "hello")
	u.await(id, "status", "saving")
	u.want(204, "DELETE", image(id), "")
	data.Close()
	if got := <-answers; got != http.StatusGone {
		t.Errorf("the upload ends with %d", got)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(files) != 0 {
		t.Errorf("left behind: %v", files)
	}
}

func TestAStoreIsFullUntilSomethingGoes(t *testing.T) {
	u := start(t, sandbox.Options{Stores: []sandbox.Store{{ID: "only", Capacity: 10}}}).login("member")
	first, second := u.create(rawRecord), u.create(rawRecord)
	u.want(204, "PUT", image(first)+"/file", "12345678", "Content-Type", octets)
	a := u.want(413, "PUT", image(second)+"/file", "123", "Content-Type", octets)
	if !strings.Contains(a.body, "Image storage media is full") {
		t.Errorf("answer is %s", a.body)
	}
	u.want(204, "DELETE", image(first), "")
	u.want(204, "PUT", image(second)+"/file", "123", "Content-Type", octets)
}

func TestAnImportIsSeenUnderWay(t *testing.T) {
	u := start(t, sandbox.Options{ImportDelay: 50 * time.Millisecond}).login("member")
	id := u.create(rawRecord)
	u.want(204, "PUT", image(id)+"/stage", "hello", "Content-Type", octets)
	u.want(202, "POST", image(id)+"/import", `{"method":{"name":"glance-direct"},"all_stores":true}`)
	u.want(409, "POST", image(id)+"/import", `{"method":{"name":"glance-direct"}}`)
	if got := u.want(200, "GET", image(id), "").json(t)["status"]; got != "importing" {
		t.Errorf("status is %v", got)
	}
	u.await(id, "status", "active")
	if got := u.want(200, "GET", image(id), "").json(t)["stores"]; got != "fast,slow,tiny" {
		t.Errorf("stores are %v", got)
	}
}

func TestDownloadsStayOnThisMachine(t *testing.T) {
	asked := make(chan string, 10)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		switch r.URL.Path {
		case "/here":
			http.Redirect(w, r, "/data", http.StatusFound)
		case "/away":
			// The same server by a name that is not taken for this machine.
			http.Redirect(w, r, "http://127.1:"+r.Host[strings.LastIndex(r.Host, ":")+1:]+"/data", http.StatusFound)
		default:
			fmt.Fprint(w, "data")
		}
	}))
	defer web.Close()
	u := start(t, sandbox.Options{}).login("member")
	for path, want := range map[string]string{"/here": "active", "/away": "queued"} {
		id := u.create(rawRecord)
		u.want(202, "POST", image(id)+"/import", `{"method":{"name":"web-download","uri":"`+web.URL+path+`"}}`)
		u.await(id, "os_glance_import_task", nil)
		if got := u.want(200, "GET", image(id), "").json(t)["status"]; got != want {
			t.Errorf("%s ends %v, not %s", path, got, want)
		}
	}
	close(asked)
	data := 0
	for path := range asked {
		if path == "/data" {
			data++
		}
	}
	if data != 1 {
		t.Errorf("data were fetched %d times", data)
	}
	u.want(400, "POST", image(u.create(rawRecord))+"/import", `{"method":{"name":"web-download","uri":"http://192.0.2.1/"}}`)
}

func TestMiddlewareStandsBetween(t *testing.T) {
	var left atomic.Int32
	left.Store(2)
	c := start(t, sandbox.Options{Middleware: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "PATCH" && left.Add(-1) >= 0 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			next.ServeHTTP(w, r)
		})
	}})
	u := c.login("member")
	id := u.create(`{}`)
	for _, want := range []int{503, 503, 200} {
		u.want(want, "PATCH", image(id), `[{"op":"add","path":"/x","value":"y"}]`, "Content-Type", patchType)
	}
	patches := 0
	for _, q := range c.Requests() {
		if q.Method == "PATCH" {
			patches++
		}
	}
	if patches != 1 {
		t.Errorf("%d patches reached the cloud", patches)
	}
}

// With the race detector, this finds what is not guarded.
func TestManyAtOnce(t *testing.T) {
	c := start(t, sandbox.Options{})
	u, other := c.login("member"), c.login("other")
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 5 {
				id := u.create(`{"disk_format":"raw","container_format":"bare","tags":["t"]}`)
				u.do("PUT", image(id)+"/file", "hello", "Content-Type", octets)
				u.do("PATCH", image(id), `[{"op":"add","path":"/x","value":"y"}]`, "Content-Type", patchType)
				u.do("POST", image(id)+"/members", `{"member":"x"}`)
				u.do("PUT", image(id)+"/tags/z", "")
				u.do("GET", "/image/v2/images?limit=3&tag=z&sort=size:asc", "")
				other.do("GET", "/image/v2/images?visibility=all", "")
				staged := u.create(rawRecord)
				u.do("PUT", image(staged)+"/stage", "hello", "Content-Type", octets)
				u.do("POST", image(staged)+"/import", `{"method":{"name":"glance-direct"}}`)
				if i%2 == 0 {
					u.do("DELETE", image(id), "")
					u.do("DELETE", image(staged), "")
				}
			}
		})
	}
	group.Wait()
	if n := len(c.Requests()); n < 8*5*9 {
		t.Errorf("only %d requests were noted", n)
	}
}

func TestCatalogNamesTheHostThatWasAsked(t *testing.T) {
	u := start(t, sandbox.Options{}).login("member")
	q, err := http.NewRequest("GET", u.c.url+"/identity/v3/auth/catalog", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Host = "cloud.example:1234"
	q.Header.Set("X-Auth-Token", u.token)
	resp, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if !bytes.Contains(body, []byte(`"http://cloud.example:1234/image"`)) {
		t.Errorf("catalog is %s", body)
	}
}

// await waits until a field of an image has a value.
func (u *user) await(id, field string, want any) {
	u.c.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		got := u.want(200, "GET", image(id), "").json(u.c.t)[field]
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			u.c.t.Fatalf("%s of the image stays %v, not %v", field, got, want)
		}
		time.Sleep(time.Millisecond)
	}
}
