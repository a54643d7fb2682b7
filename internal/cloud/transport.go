package cloud

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
)

// Times of the transport.
const (
	dialTimeout   = 10 * time.Second
	tlsTimeout    = 10 * time.Second
	headerTimeout = 60 * time.Second // not for uploads: Glance answers when its store has all
	idleTimeout   = 60 * time.Second // between two pieces of an answer
	// continueTimeout is how long an upload waits for "100 Continue" before it
	// sends its data unasked: keystonemiddleware may have to ask Keystone first.
	continueTimeout = 3 * time.Second
)

// Bounds of what is read of answers.
const (
	maxErrorBytes    = 64 << 10
	maxIdentityBytes = 16 << 20 // a token with its catalog
	smallBody        = 1 << 20  // a request up to here is no upload
)

type modeKey struct{}

// mode is what a request's context says about it.
type mode struct {
	identity bool // to Keystone: bodies are secret
	writes   bool // repeat whatever the method
	failFast bool // do not repeat when there is no connection
}

func withMode(ctx context.Context, m mode) context.Context {
	return context.WithValue(ctx, modeKey{}, m)
}

func modeOf(ctx context.Context) mode {
	m, _ := ctx.Value(modeKey{}).(mode)
	return m
}

// RetryWrites marks the requests made with the returned context as safe to be
// repeated although they are no GET or HEAD: the same request twice does what
// it does once. A request with a body is repeated only if it has GetBody, as
// those from bytes have.
func RetryWrites(ctx context.Context) context.Context {
	m := modeOf(ctx)
	m.writes = true
	return withMode(ctx, m)
}

// newProvider makes a client without a token for one cloud.
func newProvider(cfg Config, o ConnectOptions) *gophercloud.ProviderClient {
	provider := new(gophercloud.ProviderClient)
	provider.UseTokenLock()
	if o.UserAgent != "" {
		provider.UserAgent.Prepend(o.UserAgent)
	}
	var send http.RoundTripper = bounded{newNetwork(cfg), idleTimeout}
	if o.Debug != nil || o.Timing != nil {
		send = &observer{next: send, debug: o.Debug, timing: o.Timing}
	}
	provider.HTTPClient = http.Client{
		Transport:     &repeater{next: send, wait: sleep},
		CheckRedirect: checkRedirect,
	}
	return provider
}

// checkRedirect follows a redirect only to the same host, and never from https
// to http: the token goes along, for net/http does not know it for one.
func checkRedirect(req *http.Request, via []*http.Request) error {
	from := via[0].URL
	switch {
	case len(via) >= 10:
		return errors.New("more than 10 redirects")
	case from.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("refused the redirect from %s to %s://%s, which is not encrypted", from.Host, req.URL.Scheme, req.URL.Host)
	case !strings.EqualFold(from.Hostname(), req.URL.Hostname()):
		return fmt.Errorf("refused the redirect from %s to another host, %s, which would get the token", from.Host, req.URL.Host)
	}
	return nil
}

// network sends requests over one of four connection pools: with and without
// TLS, with and without a limit for the wait after a request.
type network struct {
	plain, plainUpload *http.Transport
	secure             func() (quick, upload *http.Transport, err error)
}

func newNetwork(cfg Config) *network {
	dialer := &net.Dialer{Timeout: dialTimeout}
	pools := func(config *tls.Config) (*http.Transport, *http.Transport) {
		quick := &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dialer.DialContext,
			TLSClientConfig:       config,
			TLSHandshakeTimeout:   tlsTimeout,
			ExpectContinueTimeout: continueTimeout,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       90 * time.Second,
		}
		upload := quick.Clone()
		quick.ResponseHeaderTimeout = headerTimeout
		return quick, upload
	}
	n := &network{}
	n.plain, n.plainUpload = pools(nil)
	var once sync.Once
	var quick, upload *http.Transport
	var failure error
	n.secure = func() (*http.Transport, *http.Transport, error) {
		// As the client does, certificates are read when TLS is spoken: a
		// cacert that is missing does not matter to an http:// cloud.
		once.Do(func() {
			var config *tls.Config
			if config, failure = cfg.tls(); failure == nil {
				quick, upload = pools(config)
			}
		})
		return quick, upload, failure
	}
	return n
}

func (n *network) RoundTrip(req *http.Request) (*http.Response, error) {
	quick, upload := n.plain, n.plainUpload
	if req.URL.Scheme == "https" {
		var err error
		if quick, upload, err = n.secure(); err != nil {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, err
		}
	}
	// A body with a length of 0 or less is one of unknown length.
	if req.Body != nil && req.Body != http.NoBody && (req.ContentLength <= 0 || req.ContentLength > smallBody) {
		return upload.RoundTrip(req)
	}
	return quick.RoundTrip(req)
}

// tls builds the TLS settings from the configured files.
func (c Config) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: !c.Verify}
	if c.Verify && c.CACert != "" {
		data, err := c.env.ReadFile(c.CACert)
		if err != nil {
			return nil, failf(KindCertificate, "%sCA certificates: %w", c.label(), err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, failf(KindCertificate, "%sCA certificates: %s holds no certificate in PEM form", c.label(), c.CACert)
		}
	}
	if c.Cert == "" {
		return config, nil
	}
	key := c.Key
	if key == "" {
		key = c.Cert
	}
	certPEM, err := c.env.ReadFile(c.Cert)
	if err != nil {
		return nil, failf(KindCertificate, "%sclient certificate: %w", c.label(), err)
	}
	keyPEM, err := c.env.ReadFile(key)
	if err != nil {
		return nil, failf(KindCertificate, "%sclient key: %w", c.label(), err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, failf(KindCertificate, "%sclient certificate %s with key %s: %w", c.label(), c.Cert, key, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// bounded keeps the bodies of answers that others read whole within bounds:
// errors, and all that Keystone sends. No answer may stop for longer than idle
// in its middle. It also makes a redirect of a POST keep its method and body, as
// it does for the openstack client.
type bounded struct {
	next http.RoundTripper
	idle time.Duration
}

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(req.Context())
	resp, err := b.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	resp.Request = req
	resp.Body = newIdleBody(ctx, cancel, resp.Body, b.idle)
	switch {
	case resp.StatusCode >= 400:
		resp.Body = &limitedBody{resp.Body, maxErrorBytes, true}
	case modeOf(req.Context()).identity:
		resp.Body = &limitedBody{resp.Body, maxIdentityBytes, false}
	}
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		switch resp.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound:
			resp.StatusCode = http.StatusPermanentRedirect
		}
	}
	return resp, nil
}

// errIdle is why an answer that stops in its middle is given up.
var errIdle = errors.New("the server stopped in the middle of its answer")

// idleBody fails where a read takes longer than idle.
type idleBody struct {
	io.ReadCloser
	idle  time.Duration
	timer *time.Timer
	why   func() error // the request was given up, nil while it is not
	end   context.CancelCauseFunc
}

func newIdleBody(ctx context.Context, cancel context.CancelCauseFunc, body io.ReadCloser, idle time.Duration) *idleBody {
	timer := time.AfterFunc(idle, func() { cancel(errIdle) })
	timer.Stop()
	return &idleBody{ReadCloser: body, idle: idle, timer: timer, why: func() error { return context.Cause(ctx) }, end: cancel}
}

func (b *idleBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.idle)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	if err != nil && errors.Is(b.why(), errIdle) {
		err = errIdle
	}
	return n, err
}

func (b *idleBody) Close() error {
	err := b.ReadCloser.Close()
	b.end(nil)
	return err
}

// limitedBody ends, or fails, after left bytes.
type limitedBody struct {
	io.ReadCloser
	left  int64
	quiet bool // end instead of failing
}

func (l *limitedBody) Read(p []byte) (int, error) {
	if l.left <= 0 {
		if l.quiet {
			return 0, io.EOF
		}
		return 0, errors.New("the server's answer is larger than it can be")
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.ReadCloser.Read(p)
	l.left -= int64(n)
	return n, err
}

// Limits of repeating.
const (
	maxTries      = 5
	firstWait     = 500 * time.Millisecond
	longestWait   = 8 * time.Second
	maxRetryAfter = 60 * time.Second
)

// repeater sends a request again after 429, 500, 502, 503, 504 or a broken
// connection, if it is a GET or HEAD or RetryWrites allows it.
type repeater struct {
	next http.RoundTripper
	wait func(ctx context.Context, d time.Duration) error
}

func (r *repeater) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, how := req.Context(), modeOf(req.Context())
	again := req.Method == http.MethodGet || req.Method == http.MethodHead || how.writes
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		again = false
	}
	for try := 1; ; try++ {
		resp, err := r.next.RoundTrip(req)
		if !again || try == maxTries || ctx.Err() != nil {
			return resp, err
		}
		pause := backoff(try)
		switch {
		case err != nil:
			if how.failFast || !transient(err) {
				return nil, err
			}
		case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable:
			if after, ok := retryAfter(resp.Header.Get("Retry-After"), time.Now()); ok {
				pause = after
			}
		case resp.StatusCode == http.StatusInternalServerError || resp.StatusCode == http.StatusBadGateway || resp.StatusCode == http.StatusGatewayTimeout:
		default:
			return resp, nil
		}
		// The body is taken before the answer is given up: without one there
		// is no second try.
		next := req.Clone(ctx)
		if req.GetBody != nil {
			body, bodyErr := req.GetBody()
			if bodyErr != nil {
				return resp, err
			}
			next.Body = body
		}
		if resp != nil {
			io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBytes)) // so that the connection can be used again
			resp.Body.Close()
		}
		if err := r.wait(ctx, pause); err != nil {
			if next.Body != nil {
				next.Body.Close()
			}
			return nil, err
		}
		req = next
	}
}

// backoff doubles from firstWait to longestWait, less a random part so that
// many clients do not come back at once.
func backoff(try int) time.Duration {
	d := min(firstWait<<(try-1), longestWait)
	return d - time.Duration(rand.Int64N(int64(d/4)))
}

// retryAfter reads the header of that name: seconds or a date. A longer wait
// than maxRetryAfter is cut down to it.
func retryAfter(value string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, int64(maxRetryAfter/time.Second))) * time.Second, true
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(date.Sub(now), 0), maxRetryAfter), true
	}
	return 0, false
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// transient reports a failure that may not happen again: not a certificate, a
// name that does not exist, or an address that makes no sense.
func transient(err error) bool {
	if certificateProblem(err) {
		return false
	}
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return false
	}
	var operation *net.OpError
	var network net.Error
	if errors.As(err, &network) && network.Timeout() && !errors.As(err, &operation) {
		return false // no answer within headerTimeout: it was waited for long enough
	}
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// certificateProblem reports an error of TLS: ours, the server's certificate,
// or its refusal of our own.
func certificateProblem(err error) bool {
	var ours *Error
	var verification *tls.CertificateVerificationError
	var alert *net.OpError // crypto/tls wraps the other side's alert so
	return errors.As(err, &ours) && ours.Kind == KindCertificate ||
		errors.As(err, &verification) || errors.Is(err, http.ErrSchemeMismatch) ||
		errors.As(err, &alert) && alert.Op == "remote error"
}

// explain turns an error from logging in into one line that says what to do.
func (c Config) explain(err error) error {
	var done *Error
	if err == nil || errors.As(err, &done) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) && !errors.As(err, new(net.Error)) {
		return err
	}
	var code gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &code) {
		return c.explainAnswer(code)
	}
	host := c.AuthURL
	cause := err
	var request *url.Error
	if errors.As(err, &request) {
		cause = request.Err
		if u, parseErr := url.Parse(request.URL); parseErr == nil {
			host = u.Scheme + "://" + u.Host
		}
	}
	var verification *tls.CertificateVerificationError
	switch {
	case errors.As(err, &verification):
		hint := "give the CA that signed it by cacert or --os-cacert"
		if c.CACert != "" {
			hint = "it was checked against " + c.CACert
		}
		return failf(KindCertificate, "%s%s: its certificate is not trusted (%v): %s", c.label(), host, verification.Err, hint)
	case errors.Is(err, http.ErrSchemeMismatch):
		return failf(KindCertificate, "%s%s: the server does not speak TLS there: is it http:// instead?", c.label(), host)
	case certificateProblem(err):
		return failf(KindCertificate, "%s%s: %w", c.label(), host, cause)
	}
	var network net.Error
	if errors.Is(err, io.EOF) {
		return failf(KindUnreachable, "%sKeystone at %s closed the connection: is %s the right scheme there?", c.label(), host, strings.SplitAfter(host, "://")[0])
	}
	if errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) {
		return failf(KindUnreachable, "%sKeystone at %s cannot be reached: %w", c.label(), host, cause)
	}
	return failf(KindServer, "%slog in at %s: %w", c.label(), host, cause)
}

// explainAnswer says what a refusal of Keystone's means.
func (c Config) explainAnswer(code gophercloud.ErrUnexpectedResponseCode) error {
	message := keystoneMessage(code.Body)
	if message != "" {
		message = ": " + message
	}
	switch code.Actual {
	case http.StatusUnauthorized:
		what := "the token"
		switch {
		case c.auth["application_credential_secret"] != "":
			what = "the application credential"
		case c.auth["username"] != "":
			what = "the user, password or scope of " + c.auth["username"]
		case c.auth["user_id"] != "":
			what = "the user, password or scope of " + c.auth["user_id"]
		}
		return failf(KindCredentials, "%sKeystone refuses %s (401)%s", c.label(), what, message)
	case http.StatusForbidden:
		return failf(KindCredentials, "%sKeystone forbids it (403)%s", c.label(), message)
	case http.StatusNotFound:
		if c.auth["token"] != "" && strings.Contains(strings.ToLower(message), "token") {
			return failf(KindCredentials, "%sKeystone does not know the token (404)%s", c.label(), message)
		}
		return failf(KindServer, "%s%s is no identity service (404): check auth_url", c.label(), c.AuthURL)
	}
	return failf(KindServer, "%sKeystone at %s answered %d%s", c.label(), c.AuthURL, code.Actual, message)
}
