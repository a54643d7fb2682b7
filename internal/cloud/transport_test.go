package cloud

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func pemOf(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func selfSigned(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pemOf(der), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: encoded}))
}

// script is a transport that gives prepared answers: a status with an optional
// Retry-After, or an error. It keeps the bodies it was sent.
type script struct {
	answers []any
	bodies  []string
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.Body != nil {
		data, _ := io.ReadAll(req.Body)
		req.Body.Close()
		body = string(data)
	}
	s.bodies = append(s.bodies, body)
	answer := s.answers[0]
	if len(s.answers) > 1 {
		s.answers = s.answers[1:]
	}
	switch a := answer.(type) {
	case error:
		return nil, a
	case *http.Response:
		a.Body = io.NopCloser(strings.NewReader("x"))
		return a, nil
	}
	return &http.Response{StatusCode: answer.(int), Body: io.NopCloser(strings.NewReader("x")), Header: http.Header{}}, nil
}

func TestRepeat(t *testing.T) {
	reset := &netError{syscall.ECONNRESET}
	after := func(value string) *http.Response {
		return &http.Response{StatusCode: 503, Header: http.Header{"Retry-After": {value}}}
	}
	tests := []struct {
		name    string
		method  string
		mode    mode
		answers []any
		tries   int
		status  int // 0 for an error
		pauses  []time.Duration
	}{
		{"fine", "GET", mode{}, []any{200}, 1, 200, nil},
		{"not found", "GET", mode{}, []any{404}, 1, 404, nil},
		{"500 then fine", "GET", mode{}, []any{500, 502, 504, 200}, 4, 200, nil},
		{"busy for long", "HEAD", mode{}, []any{503}, maxTries, 503, nil},
		{"Retry-After", "GET", mode{}, []any{after("7"), 200}, 2, 200, []time.Duration{7 * time.Second}},
		{"Retry-After is cut", "GET", mode{}, []any{after("86400"), 200}, 2, 200, []time.Duration{maxRetryAfter}},
		{"connection lost", "GET", mode{}, []any{reset, 200}, 2, 200, nil},
		{"connection lost while logging in", "GET", mode{failFast: true}, []any{reset, 200}, 1, 0, nil},
		{"no answer for a minute", "GET", mode{}, []any{&netError{os.ErrDeadlineExceeded}, 200}, 1, 0, nil},
		{"connect timed out", "GET", mode{}, []any{&net.OpError{Op: "dial", Err: &netError{os.ErrDeadlineExceeded}}, 200}, 2, 200, nil},
		{"odd error", "GET", mode{}, []any{errors.New("odd"), 200}, 1, 0, nil},
		{"a POST is not repeated", "POST", mode{}, []any{503, 201}, 1, 503, nil},
		{"unless it may be", "POST", mode{writes: true}, []any{503, reset, 201}, 3, 201, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := &script{answers: test.answers}
			var pauses []time.Duration
			r := &repeater{next: s, wait: func(_ context.Context, d time.Duration) error { pauses = append(pauses, d); return nil }}
			var body io.Reader
			if test.method == "POST" {
				body = bytes.NewReader([]byte("body"))
			}
			req, _ := http.NewRequestWithContext(withMode(context.Background(), test.mode), test.method, "http://h/", body)
			resp, err := r.RoundTrip(req)
			switch {
			case (err != nil) != (test.status == 0):
				t.Errorf("error %v", err)
			case err == nil && resp.StatusCode != test.status:
				t.Errorf("status %d, want %d", resp.StatusCode, test.status)
			}
			if len(s.bodies) != test.tries {
				t.Errorf("%d tries, want %d", len(s.bodies), test.tries)
			}
			for i, sent := range s.bodies {
				if test.method == "POST" && sent != "body" {
					t.Errorf("try %d sent %q", i+1, sent)
				}
			}
			for i, want := range test.pauses {
				if pauses[i] != want {
					t.Errorf("pause %d is %s, want %s", i+1, pauses[i], want)
				}
			}
		})
	}
}

type netError struct{ error }

func (e netError) Timeout() bool { return errors.Is(e.error, os.ErrDeadlineExceeded) }
func (netError) Temporary() bool { return true }

func TestRepeatNeedsTheBodyAgain(t *testing.T) {
	s := &script{answers: []any{503}}
	r := &repeater{next: s, wait: func(context.Context, time.Duration) error { return nil }}
	req, _ := http.NewRequestWithContext(RetryWrites(context.Background()), "PUT", "http://h/", io.MultiReader(strings.NewReader("once")))
	if _, err := r.RoundTrip(req); err != nil || len(s.bodies) != 1 {
		t.Errorf("a body that can be read once was sent %d times, %v", len(s.bodies), err)
	}
}

func TestRepeatStopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &script{answers: []any{503}}
	r := &repeater{next: s, wait: func(ctx context.Context, _ time.Duration) error { cancel(); return ctx.Err() }}
	req, _ := http.NewRequestWithContext(ctx, "GET", "http://h/", nil)
	if _, err := r.RoundTrip(req); !errors.Is(err, context.Canceled) || len(s.bodies) != 1 {
		t.Errorf("%d tries, %v", len(s.bodies), err)
	}
}

func TestBackoff(t *testing.T) {
	for try, most := range []time.Duration{1: firstWait, 2: 2 * firstWait, 3: 4 * firstWait, 4: 8 * firstWait, 5: longestWait, 6: longestWait} {
		if try == 0 {
			continue
		}
		for range 100 {
			if d := backoff(try); d > most || d < most*3/4 {
				t.Fatalf("try %d waits %s, want %s less at most a quarter", try, d, most)
			}
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		value string
		want  time.Duration
		ok    bool
	}{
		{"0", 0, true}, {" 12 ", 12 * time.Second, true}, {"99999999999", maxRetryAfter, true},
		{"Fri, 02 Jan 2026 03:04:10 GMT", 5 * time.Second, true}, {"Fri, 02 Jan 2026 03:04:00 GMT", 0, true},
		{"", 0, false}, {"-1", 0, false}, {"soon", 0, false}, {"99999999999999999999", 0, false},
	}
	for _, test := range tests {
		if got, ok := retryAfter(test.value, now); got != test.want || ok != test.ok {
			t.Errorf("%q: %s, %v; want %s, %v", test.value, got, ok, test.want, test.ok)
		}
	}
}

// TestBounds: a server cannot make the program read without end.
func TestBounds(t *testing.T) {
	status := http.StatusBadRequest
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		chunk := make([]byte, 1<<20)
		for range 64 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	client := http.Client{Transport: bounded{http.DefaultTransport, time.Minute}}
	get := func(ctx context.Context) (int, error) {
		req, _ := http.NewRequestWithContext(ctx, "GET", endless.URL, nil)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		return len(data), err
	}
	if n, err := get(context.Background()); n != maxErrorBytes || err != nil {
		t.Errorf("an error's body has %d bytes, %v", n, err)
	}
	status = http.StatusOK
	if n, err := get(withMode(context.Background(), mode{identity: true})); n != maxIdentityBytes || err == nil {
		t.Errorf("Keystone's answer has %d bytes, %v", n, err)
	}
	if n, err := get(context.Background()); n != 64<<20 || err != nil {
		t.Errorf("another answer has %d bytes, %v", n, err)
	}
}

// TestIdleAnswer: an answer that stops in its middle is given up, one that is
// slow is not.
func TestIdleAnswer(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 4 {
			io.WriteString(w, "slow")
			w.(http.Flusher).Flush()
			time.Sleep(30 * time.Millisecond)
		}
		if r.URL.Path == "/stops" {
			<-hold
		}
	}))
	for _, path := range []string{"/slow", "/stops"} {
		client := http.Client{Transport: bounded{http.DefaultTransport, 100 * time.Millisecond}}
		resp, err := client.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(data) != "slowslowslowslow" || errors.Is(err, errIdle) != (path == "/stops") {
			t.Errorf("%s: %q, %v", path, data, err)
		}
	}
}

// TestUploadHasNoHeaderTimeout: Glance answers an upload when its store has all
// of it, which may take long; other requests are given up.
func TestUploadHasNoHeaderTimeout(t *testing.T) {
	n := newNetwork(Config{Verify: true})
	if n.plain.ResponseHeaderTimeout == 0 || n.plainUpload.ResponseHeaderTimeout != 0 {
		t.Errorf("timeouts %s and %s", n.plain.ResponseHeaderTimeout, n.plainUpload.ResponseHeaderTimeout)
	}
	quick, upload, err := n.secure()
	if err != nil || quick.ResponseHeaderTimeout == 0 || upload.ResponseHeaderTimeout != 0 {
		t.Errorf("timeouts with TLS %s and %s, %v", quick.ResponseHeaderTimeout, upload.ResponseHeaderTimeout, err)
	}
	// Which one a request takes shows in its answer being given up.
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		<-release
	}))
	defer server.Close()
	n.plain.ResponseHeaderTimeout = 20 * time.Millisecond
	req, _ := http.NewRequest("PUT", server.URL, strings.NewReader("small"))
	if _, err := n.RoundTrip(req); err == nil {
		t.Error("a small request was not given up")
	}
	done := make(chan error)
	go func() {
		req, _ := http.NewRequest("PUT", server.URL, io.MultiReader(strings.NewReader("stream")))
		resp, err := n.RoundTrip(req)
		if err == nil {
			resp.Body.Close()
		}
		done <- err
	}()
	select {
	case err := <-done:
		t.Errorf("an upload was given up: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(release)
	if err := <-done; err != nil {
		t.Errorf("upload: %v", err)
	}
}
