package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// then answers the first page well, with a link to a second one, which is left
// to a test.
func then(second http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("marker") == "" {
			pages(listing("p1", img(1, nil)))(w, r)
			return
		}
		second(w, r)
	}
}

// text answers with a text.
func text(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
}

// status answers with a refusal.
func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = io.WriteString(w, `{"message": "no \u001b[2J more"}`)
	}
}

// endless answers with a beginning and then with a piece again and again, as
// long as anybody reads.
func endless(beginning, piece string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.WriteString(w, beginning); err != nil {
			return
		}
		pieces := strings.Repeat(piece, 1+(64<<10)/len(piece))
		for {
			if _, err := io.WriteString(w, pieces); err != nil {
				return
			}
		}
	}
}

// torn ends the connection behind a part of the body that it has announced.
func torn(body string, reset bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(rw, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", 2*len(body), body)
		_ = rw.Flush()
		if tcp, isTCP := conn.(*net.TCPConn); isTCP && reset {
			_ = tcp.SetLinger(0)
		}
	}
}

// bomb answers with an image that is small on its way and large when unpacked.
func bomb(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "gzip")
	z := gzip.NewWriter(w)
	if _, err := io.WriteString(z, `{"images":[{"id":"1","name":"`); err != nil {
		return
	}
	block := strings.Repeat("a", 1<<20)
	for range 1 << 12 {
		if _, err := io.WriteString(z, block); err != nil {
			return
		}
	}
}

// Whatever happens behind the first page, audit ends soon and in little memory,
// with one line that says why, and with what it judged before.
func TestAuditBrokenListing(t *testing.T) {
	second := img(2, nil)
	for i, tt := range []struct {
		name   string
		answer http.HandlerFunc // of all pages but the first
		says   string
	}{
		{"a page that leads to itself", text(listing("p1", second)), "circle"},
		{"a page that leads to the first one", text(`{"images":[` + second + `],"next":"/v2/images?limit=1000"}`), "circle"},
		{"the same page behind ever new markers", func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Query().Get("marker"), "p"))
			text(listing(fmt.Sprint("p", n+1), second, img(3, nil)))(w, r)
		}, "circle"},
		{"a few pages in turn behind ever new markers", func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Query().Get("marker"), "p"))
			text(listing(fmt.Sprint("p", n+1), img(2+n%5, nil)))(w, r)
		}, "circle"},
		{"10,000 pages without an image", func(w http.ResponseWriter, r *http.Request) {
			n, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Query().Get("marker"), "p"))
			if n == 10_000 {
				text(listing("", second))(w, r)
				return
			}
			text(listing(fmt.Sprint("p", n+1)))(w, r)
		}, "after 1 of them: .* pages without an image"},
		{"a link that is a number", text(`{"images":[],"next":7}`), "link to the next page: a text"},
		{"a link that is none", text(`{"images":[],"next":"http://[\u001b[2J"}`), "link to the next page"},
		{"a link of a megabyte", text(listing(strings.Repeat("x", 1<<20))), "link to the next page has"},
		{"a page that ends early", text(listing("", second)[:100]), "after 1 of them: the answer breaks off"},
		{"no page at all", text(""), "after 1 of them: the answer breaks off"},
		{"a length in the middle of an image", torn(listing("", second)[:100], false), "after 1 of them: the answer breaks off"},
		{"a connection that is reset", torn(listing("", second)[:100], true), "after 1 of them: .*(reset|breaks off)"},
		{"a web page", text("<!DOCTYPE html><html><body>\x1b[2JSign in</body></html>"), "not JSON"},
		{"an empty object", text("{}"), "no list of images"},
		{"another object", text(`{"versions":[]}`), "no list of images"},
		{"a list", text(`[` + second + `]`), "no list of images"},
		{"an object of images", text(`{"images":{"a":1}}`), "no list of images"},
		{"a null of images", text(`{"images":null}`), "no list of images"},
		{"a gzip bomb", bomb, "larger than 32 MiB"},
		{"no gzip", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			text(listing("", second))(w, r)
		}, "gzip: invalid header"},
		{"a token that is no longer good", status(401), "the token|Glance answered 401|logs in with a token"},
		{"a refusal", status(403), `Glance answered 403: no \\x1b\[2J more`},
		{"too many requests", status(429, "Retry-After", "0"), "Glance answered 429"},
		{"a service that is away", status(503, "Retry-After", "0"), "Glance answered 503"},
		{"a marker that is gone", status(404), "Glance answered 404"},
		{"a redirect in a circle", status(302, "Location", "/v2/images?marker=p1"), "10 redirects"},
		{"an endless text", endless(`{"images":[{"id":"`, "a"), "larger than 32 MiB"},
		{"endless blanks", endless(`{"images":[`, " \n"), "larger than 32 MiB"},
		{"endless members", endless(`{"images":[]`, `,"a":1`), "beside the images of a page is larger than 1 MiB"},
		{"endless nesting", endless(`{"images":[`, `[{"a":`), "not JSON|larger than"},
		{"endless numbers", endless(`{"images":[{"size":`, `1`), "larger than 32 MiB"},
		{"the same image without end", endless(`{"images":[`+img(2, nil), `,{"id":"`+id(2)+`"}`), "more than 100000 images"},
		{"an endless refusal", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			endless("<html>", "<p>no ")(w, r)
		}, "Glance answered 403"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := alone(t, then(tt.answer))
			for _, format := range []string{auditFormats[i%len(auditFormats)], auditFormats[(i+5)%len(auditFormats)]} {
				a := runAudit(t, c, "--os-cloud", "lab", "-f", format)
				a.fails(t, 1, "^list images: .*("+tt.says+")")
				parse(t, format, a.stdout)
				if format != "prometheus" && !strings.Contains(a.stdout, "image-1") {
					t.Errorf("%s: what was judged before is lost: %s", format, abridged(a.stdout))
				}
				if a.peak > 192<<10 {
					t.Errorf("%s: %d MiB", format, a.peak>>10)
				}
			}
		})
	}
}

// In every format a listing that breaks off leaves a well-formed report of what
// was judged, and those that can say so say that it is not whole.
func TestAuditBrokenListingInAllFormats(t *testing.T) {
	c := alone(t, then(torn(listing("", img(2, nil))[:100], false)))
	incomplete := map[string]string{
		"table": "not all judged in lab: ", "sarif": `"executionSuccessful": ?false`, "junit": "all images are judged", "github": "::error::not all judged in lab: ",
		"prometheus": `cloud_up{cloud="lab",region=""} 0`, "html": "not all judged in lab: ",
	}
	for _, format := range auditFormats {
		t.Run(format, func(t *testing.T) {
			a := runAudit(t, c, "--os-cloud", "lab", "-f", format)
			a.fails(t, 1, "breaks off")
			parse(t, format, a.stdout)
			if want := incomplete[format]; want != "" {
				matches(t, a.stdout, want)
			}
		})
	}
}

// The token goes to no host but that of the catalog.
func TestAuditTokenStaysAtHome(t *testing.T) {
	var asked atomic.Int32
	elsewhere := server(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		pages(listing("", img(7, nil)))(w, r)
	})
	linked := strings.Replace(listing("p1", img(1, nil)), `"next":"`, `"next":"`+elsewhere, 1)
	a := runAudit(t, alone(t, pages(linked, listing("", img(2, nil)))), "--os-cloud", "lab", "-f", "json")
	if a.code != 3 || !strings.Contains(a.stdout, "image-2") {
		t.Errorf("exit %d: %s%s", a.code, abridged(a.stdout), a.stderr)
	}
	// Two of httptest's servers have the same host; a name makes the other one.
	other := strings.Replace(elsewhere, "127.0.0.1", "localhost", 1)
	runAudit(t, alone(t, then(status(302, "Location", other+"/v2/images"))), "--os-cloud", "lab", "-f", "json").fails(t, 1, "refused the redirect")
	if asked.Load() > 0 {
		t.Error("another host was asked")
	}
}

// A refusal that passes is waited for.
func TestAuditWaitsForALimit(t *testing.T) {
	for _, code := range []int{429, 503} {
		var tries atomic.Int32
		c := alone(t, then(func(w http.ResponseWriter, r *http.Request) {
			if tries.Add(1) < 3 {
				status(code, "Retry-After", "0")(w, r)
				return
			}
			text(listing("", img(2, nil)))(w, r)
		}))
		if a := runAudit(t, c, "--os-cloud", "lab", "-f", "json"); a.code != 3 || !strings.Contains(a.stdout, "image-2") {
			t.Errorf("exit %d: %s%s", a.code, abridged(a.stdout), a.stderr)
		}
	}
}

// An image that stands on two pages is judged once.
func TestAuditImageOnTwoPages(t *testing.T) {
	c := alone(t, pages(listing("p1", img(1, nil), img(2, nil)), listing("", img(3, nil), img(2, nil))))
	a := runAudit(t, c, "--os-cloud", "lab", "-f", "csv", "-c", "image_id", "-c", "rule")
	lines := strings.Split(a.stdout, "\n")
	seen := map[string]bool{}
	for _, line := range lines[:len(lines)-1] {
		if seen[line] {
			t.Errorf("twice: %s", line)
		}
		seen[line] = true
	}
	if !strings.Contains(a.stdout, id(3)) {
		t.Errorf("exit %d: %s%s", a.code, a.stdout, a.stderr)
	}
}
