package cloud

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxLoggedBody bounds the bodies that the debug log shows.
const maxLoggedBody = 16 << 10

// observer writes the debug log and reports times. The log looks like the
// openstack client's (keystoneauth1/session.py): a curl line for the request,
// then the answer. Tokens appear as hashes; what goes to and comes from
// Keystone, and image data, not at all.
type observer struct {
	next   http.RoundTripper
	debug  io.Writer
	timing func(method, url string, d time.Duration)
	mu     sync.Mutex // keeps entries whole and calls of timing apart
}

func (o *observer) RoundTrip(req *http.Request) (*http.Response, error) {
	if o.debug != nil {
		o.write(describeRequest(req))
	}
	start := time.Now()
	resp, err := o.next.RoundTrip(req)
	elapsed := time.Since(start)
	if o.timing != nil {
		o.mu.Lock()
		o.timing(req.Method, cleanURL(req.URL.String()), elapsed)
		o.mu.Unlock()
	}
	if o.debug == nil {
		return resp, err
	}
	if err != nil {
		o.write(fmt.Sprintf("RESP: %s %s failed after %.3fs: %v\n", req.Method, cleanURL(req.URL.String()), elapsed.Seconds(), err))
		return nil, err
	}
	o.write(describeAnswer(req, resp, elapsed))
	return resp, nil
}

func (o *observer) write(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	io.WriteString(o.debug, escapeControls(text))
}

func describeRequest(req *http.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "REQ: curl -g -i -X %s %s", req.Method, cleanURL(req.URL.String()))
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		for _, value := range req.Header[name] {
			fmt.Fprintf(&b, ` -H "%s: %s"`, name, cleanHeader(name, value))
		}
	}
	switch {
	case req.Body == nil || req.Body == http.NoBody:
	case modeOf(req.Context()).identity:
		b.WriteString(" -d '<credentials>'")
	case req.GetBody != nil && strings.Contains(req.Header.Get("Content-Type"), "json"):
		if body, err := req.GetBody(); err == nil {
			data, _ := io.ReadAll(io.LimitReader(body, maxLoggedBody))
			body.Close()
			fmt.Fprintf(&b, " -d '%s'", cleanText(data))
		}
	case req.ContentLength >= 0:
		fmt.Fprintf(&b, " -d '<%d bytes>'", req.ContentLength)
	default:
		b.WriteString(" -d '<a stream>'")
	}
	b.WriteByte('\n')
	return b.String()
}

func describeAnswer(req *http.Request, resp *http.Response, elapsed time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "RESP: [%d]", resp.StatusCode)
	for _, name := range slices.Sorted(maps.Keys(resp.Header)) {
		for _, value := range resp.Header[name] {
			fmt.Fprintf(&b, " %s: %s", name, cleanHeader(name, value))
		}
	}
	fmt.Fprintf(&b, " (%.3fs)\n", elapsed.Seconds())
	switch {
	case modeOf(req.Context()).identity:
		b.WriteString("RESP BODY: omitted, it comes from Keystone\n")
	case !strings.Contains(resp.Header.Get("Content-Type"), "json") && resp.StatusCode < 400:
		// Image data, or nothing.
	default:
		// What is shown is put back in front of the rest.
		head, err := io.ReadAll(io.LimitReader(resp.Body, maxLoggedBody))
		rest := io.Reader(resp.Body)
		if err != nil {
			rest = failing{err}
		}
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(head), rest), resp.Body}
		if len(head) > 0 {
			fmt.Fprintf(&b, "RESP BODY: %s\n", cleanText(head))
		}
	}
	return b.String()
}

// failing is a reader that has only an error to give.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// secretHeaders are shown as a hash, as keystoneauth does (_SECRET_HEADERS).
var secretHeaders = []string{"Authorization", "X-Auth-Token", "X-Subject-Token", "X-Service-Token", "Set-Cookie", "Cookie"}

func cleanHeader(name, value string) string {
	if slices.Contains(secretHeaders, http.CanonicalHeaderKey(name)) {
		sum := sha256.Sum256([]byte(value))
		return "{SHA256}" + hex.EncodeToString(sum[:])
	}
	return cleanURL(value)
}

// userInfo is the name and password in an address, such as web-download and
// Glance's locations can have.
var userInfo = regexp.MustCompile(`(://)[^/@\s"'<>]+@`)

func cleanURL(text string) string { return userInfo.ReplaceAllString(text, "$1***@") }

// secretMembers are JSON members whose values are never shown.
var secretMembers = regexp.MustCompile(`("(?i:[a-z_]*(?:password|secret|token|credential)[a-z_]*)"\s*:\s*)"(?:[^"\\]|\\.)*"?`)

func cleanText(data []byte) string {
	text := secretMembers.ReplaceAllString(cleanURL(strings.TrimSpace(string(data))), `$1"***"`)
	if len(data) == maxLoggedBody {
		text += "…"
	}
	return text
}

// escapeControls makes what a server sends safe for a terminal.
func escapeControls(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n' || r == '\t' || strconv.IsPrint(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRune(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
	}
	return b.String()
}
