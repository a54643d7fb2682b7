package cloud

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
)

func TestConnect(t *testing.T) {
	k := newKeystone(t)
	s := mustConnect(t, k.password(), ConnectOptions{UserAgent: "glance-profile/1"})
	if s.ProjectID != "p1" || s.ProjectName != "demo" || s.UserID != "u1" || s.UserName != "ann" || s.IsAdmin() {
		t.Errorf("session is of %+v", s)
	}
	if s.Endpoint != k.URL+"/image" || s.Image.ServiceURL("images") != k.URL+"/image/v2/images" {
		t.Errorf("endpoint %s, images at %s", s.Endpoint, s.Image.ServiceURL("images"))
	}
	if err := list(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	if agent := k.images[0].Header.Get("User-Agent"); !strings.HasPrefix(agent, "glance-profile/1 gophercloud/") {
		t.Errorf("user agent %q", agent)
	}
	for _, want := range []string{`"name":"ann"`, `"password":"right"`, `"scope":{"project":{"domain":{"name":"Default"},"name":"demo"}}`} {
		if !strings.Contains(k.bodies[0], want) {
			t.Errorf("request for a token %s lacks %s", k.bodies[0], want)
		}
	}
}

// TestTokenRequest holds what is sent to Keystone for each kind of login.
func TestTokenRequest(t *testing.T) {
	base := map[string]string{"OS_USERNAME": "ann", "OS_PASSWORD": "right", "OS_USER_DOMAIN_ID": "default"}
	tests := []struct {
		name string
		vars map[string]string
		want string
	}{
		{"project id", map[string]string{"OS_PROJECT_ID": "p1"}, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"id":"default"},"name":"ann","password":"right"}}},"scope":{"project":{"id":"p1"}}}}`},
		{"project id wins over its name", map[string]string{"OS_PROJECT_ID": "p1", "OS_PROJECT_NAME": "demo", "OS_PROJECT_DOMAIN_ID": "d"}, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"id":"default"},"name":"ann","password":"right"}}},"scope":{"project":{"id":"p1"}}}}`},
		{"user id", map[string]string{"OS_USER_ID": "u1", "OS_PROJECT_ID": "p1"}, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"u1","password":"right"}}},"scope":{"project":{"id":"p1"}}}}`},
		{"domain", map[string]string{"OS_DOMAIN_NAME": "Else"}, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"id":"default"},"name":"ann","password":"right"}}},"scope":{"domain":{"name":"Else"}}}}`},
		{"system", map[string]string{"OS_SYSTEM_SCOPE": "all"}, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"id":"default"},"name":"ann","password":"right"}}},"scope":{"system":{"all":true}}}}`},
		{"trust", map[string]string{"OS_TRUST_ID": "t1"}, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"id":"default"},"name":"ann","password":"right"}}},"scope":{"OS-TRUST:trust":{"id":"t1"}}}}`},
		{"application credential", map[string]string{"OS_AUTH_TYPE": "v3applicationcredential", "OS_APPLICATION_CREDENTIAL_ID": "ac1", "OS_APPLICATION_CREDENTIAL_SECRET": "right"}, `{"auth":{"identity":{"application_credential":{"id":"ac1","secret":"right"},"methods":["application_credential"]}}}`},
		{"application credential by name", map[string]string{"OS_AUTH_TYPE": "v3applicationcredential", "OS_APPLICATION_CREDENTIAL_NAME": "ac", "OS_APPLICATION_CREDENTIAL_SECRET": "right"}, `{"auth":{"identity":{"application_credential":{"name":"ac","secret":"right","user":{"domain":{"id":"default"},"name":"ann"}},"methods":["application_credential"]}}}`},
		{"default domain", map[string]string{"OS_USER_DOMAIN_ID": "", "OS_DEFAULT_DOMAIN_ID": "dd", "OS_PROJECT_NAME": "demo"}, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"domain":{"id":"dd"},"name":"ann","password":"right"}}},"scope":{"project":{"domain":{"id":"dd"},"name":"demo"}}}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k := newKeystone(t)
			vars := maps.Clone(base)
			vars["OS_AUTH_URL"] = k.URL + "/identity/v3"
			maps.Copy(vars, test.vars)
			// Variables of this process are not those of the case.
			t.Setenv("OS_PROJECT_ID", "leaked")
			t.Setenv("OS_CLOUD", "leaked")
			mustConnect(t, vars, ConnectOptions{})
			if k.bodies[0] != test.want {
				t.Errorf("sent %s\nwant %s", k.bodies[0], test.want)
			}
		})
	}
}

// TestUnscopedToken: a token without a scope beside it is exchanged for one of
// the default scope, as the openstack client does, not taken as it is.
func TestUnscopedToken(t *testing.T) {
	k := newKeystone(t)
	mustConnect(t, map[string]string{"OS_AUTH_TYPE": "token", "OS_TOKEN": "good", "OS_AUTH_URL": k.URL + "/identity/v3"}, ConnectOptions{})
	if want := `{"auth":{"identity":{"methods":["token"],"token":{"id":"good"}}}}`; k.bodies[0] != want {
		t.Errorf("sent %s\nwant %s", k.bodies[0], want)
	}
}

// TestRenew revokes the token while many requests are under way: one new token
// serves them all.
func TestRenew(t *testing.T) {
	for _, kind := range []string{"password", "application credential"} {
		t.Run(kind, func(t *testing.T) {
			k := newKeystone(t)
			vars := k.password()
			if kind != "password" {
				vars = map[string]string{"OS_AUTH_URL": k.URL + "/identity/v3", "OS_AUTH_TYPE": "v3applicationcredential", "OS_APPLICATION_CREDENTIAL_ID": "ac1", "OS_APPLICATION_CREDENTIAL_SECRET": "right"}
			}
			s := mustConnect(t, vars, ConnectOptions{})
			for round := range 3 {
				k.revoke()
				var wg sync.WaitGroup
				failures := make([]error, 20)
				for i := range failures {
					wg.Go(func() { failures[i] = list(context.Background(), s) })
				}
				wg.Wait()
				if err := errors.Join(failures...); err != nil {
					t.Fatal(err)
				}
				if want := round + 2; k.issued != want {
					t.Fatalf("%d tokens after %d revocations, want %d", k.issued, round+1, want)
				}
			}
		})
	}
}

// TestRenewOutlivesItsRequest cancels the request that renews the token while
// another waits for it.
func TestRenewOutlivesItsRequest(t *testing.T) {
	k := newKeystone(t)
	s := mustConnect(t, k.password(), ConnectOptions{})
	k.revoke()
	asked, answer := make(chan struct{}), make(chan struct{})
	inner := k.Server.Config.Handler
	k.Server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/identity/v3/auth/tokens" {
			close(asked)
			<-answer
		}
		inner.ServeHTTP(w, r)
	})
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error)
	go func() { first <- list(ctx, s) }()
	<-asked
	second := make(chan error)
	go func() { second <- list(context.Background(), s) }()
	cancel()
	close(answer)
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the cancelled request: %v", err)
	}
	if err := <-second; err != nil {
		t.Errorf("the other request: %v", err)
	}
}

func TestTokenIsNotRenewable(t *testing.T) {
	for _, kind := range []string{"token", "v3token", "admin_token"} {
		t.Run(kind, func(t *testing.T) {
			k := newKeystone(t)
			k.set(func() { k.valid["good"] = true })
			vars := map[string]string{"OS_AUTH_TYPE": kind, "OS_TOKEN": "good", "OS_AUTH_URL": k.URL + "/identity/v3", "OS_PROJECT_ID": "p1"}
			if kind == "admin_token" {
				vars = map[string]string{"OS_TOKEN": "good", "OS_ENDPOINT": k.URL + "/image/v2/"}
			}
			s := mustConnect(t, vars, ConnectOptions{})
			if err := list(context.Background(), s); err != nil {
				t.Fatal(err)
			}
			k.revoke()
			err := list(context.Background(), s)
			var failed *gophercloud.ErrUnableToReauthenticate
			if !errors.As(err, &failed) || !errors.Is(failed.ErrReauth, ErrNotRenewable) {
				t.Errorf("after the token's end: %v", err)
			}
		})
	}
}

// TestRedirects: the token goes to no other host, and not in clear.
func TestRedirects(t *testing.T) {
	var stolen atomic.Bool
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { stolen.Store(true) }))
	defer thief.Close()
	_, port, _ := net.SplitHostPort(thief.Listener.Addr().String())

	k := newKeystone(t)
	s := mustConnect(t, k.password(), ConnectOptions{})
	k.set(func() {
		k.image = func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://localhost:"+port+"/v2/images", http.StatusFound)
		}
	})
	err := list(context.Background(), s)
	if err == nil || stolen.Load() {
		t.Fatalf("redirect to another host: %v, reached %v", err, stolen.Load())
	}
	if !strings.Contains(err.Error(), "another host, localhost:"+port) {
		t.Errorf("error %q does not name the host", err)
	}

	k.set(func() {
		k.image = func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/image/v2/images" {
				http.Redirect(w, r, "/image/v2/moved", http.StatusFound)
				return
			}
			body, _ := io.ReadAll(r.Body)
			if r.Method == http.MethodGet {
				body = []byte("{}")
			} else {
				body = []byte(r.Method + " " + string(body))
			}
			w.Write(body)
		}
	})
	if err := list(context.Background(), s); err != nil {
		t.Errorf("redirect on the same host: %v", err)
	}
	// A redirected POST stays one, as for the openstack client.
	resp, err := s.Image.Post(context.Background(), s.Image.ServiceURL("images"), map[string]int{"a": 1}, nil, &gophercloud.RequestOpts{OkCodes: []int{200}, KeepResponseBody: true})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, _ := io.ReadAll(resp.Body); string(answer) != `POST {"a":1}` {
		t.Errorf("a redirected POST arrives as %s", answer)
	}
}

func TestCheckRedirect(t *testing.T) {
	tests := []struct {
		from, to string
		allowed  bool
	}{
		{"https://a.example/x", "https://a.example/y", true},
		{"https://a.example/x", "https://A.example:8443/y", true},
		{"http://a.example/x", "https://a.example/x", true},
		{"https://a.example/x", "http://a.example/x", false},
		{"https://a.example/x", "https://b.example/x", false},
		{"https://a.example/x", "https://a.example.b.example/x", false},
	}
	for _, test := range tests {
		from, _ := http.NewRequest(http.MethodGet, test.from, nil)
		to, _ := http.NewRequest(http.MethodGet, test.to, nil)
		if err := checkRedirect(to, []*http.Request{from}); (err == nil) != test.allowed {
			t.Errorf("%s to %s: %v", test.from, test.to, err)
		}
	}
}

func TestCertificates(t *testing.T) {
	k := newKeystone(t)
	secure := httptest.NewUnstartedServer(k.Server.Config.Handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	write(t, ca, pemOf(secure.Certificate().Raw))
	write(t, filepath.Join(dir, "empty.pem"), "")

	vars := k.password()
	vars["OS_AUTH_URL"] = secure.URL + "/identity"
	tests := []struct {
		name string
		vars map[string]string
		kind Kind
		want string
	}{
		{"system's CAs", nil, KindCertificate, "give the CA that signed it by cacert or --os-cacert"},
		{"right CA", map[string]string{"OS_CACERT": ca}, "", ""},
		{"CA of Python's requests", map[string]string{"REQUESTS_CA_BUNDLE": ca}, "", ""},
		{"missing CA", map[string]string{"OS_CACERT": dir + "/none.pem"}, KindCertificate, dir + "/none.pem: no such file"},
		{"CA without a certificate", map[string]string{"OS_CACERT": dir + "/empty.pem"}, KindCertificate, "empty.pem holds no certificate"},
		{"missing client certificate", map[string]string{"OS_CACERT": ca, "OS_CERT": dir + "/none.pem"}, KindCertificate, "client certificate: open " + dir + "/none.pem"},
		{"client certificate that is none", map[string]string{"OS_CACERT": ca, "OS_CERT": ca, "OS_KEY": ca}, KindCertificate, "client certificate " + ca},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			all := maps.Clone(vars)
			maps.Copy(all, test.vars)
			_, err := connect(t, all, ConnectOptions{})
			checkKind(t, err, test.kind, test.want)
		})
	}
	t.Run("insecure", func(t *testing.T) {
		cfg, err := Load(Options{Insecure: true}, testEnv(vars, dir, dir))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Connect(context.Background(), cfg, ConnectOptions{}); err != nil {
			t.Error(err)
		}
	})
	t.Run("https to an http server", func(t *testing.T) {
		all := k.password()
		all["OS_AUTH_URL"] = strings.Replace(k.URL, "http:", "https:", 1) + "/identity"
		_, err := connect(t, all, ConnectOptions{})
		checkKind(t, err, KindCertificate, "does not speak TLS")
	})
	t.Run("a missing CA does not matter without TLS", func(t *testing.T) {
		all := k.password()
		all["OS_CACERT"] = dir + "/none.pem"
		mustConnect(t, all, ConnectOptions{})
	})
	t.Run("client certificate", func(t *testing.T) {
		asking := httptest.NewUnstartedServer(k.Server.Config.Handler)
		asking.Config.ErrorLog = log.New(io.Discard, "", 0)
		asking.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
		asking.StartTLS()
		defer asking.Close()
		cert, key := selfSigned(t)
		write(t, filepath.Join(dir, "cert.pem"), cert)
		write(t, filepath.Join(dir, "key.pem"), key)
		write(t, filepath.Join(dir, "both.pem"), cert+key)
		for _, files := range []map[string]string{{"OS_CERT": dir + "/cert.pem", "OS_KEY": dir + "/key.pem"}, {"OS_CERT": dir + "/both.pem"}} {
			all := maps.Clone(vars)
			all["OS_AUTH_URL"] = asking.URL + "/identity"
			all["OS_CACERT"] = filepath.Join(dir, "asking.pem")
			write(t, all["OS_CACERT"], pemOf(asking.Certificate().Raw))
			maps.Copy(all, files)
			if _, err := connect(t, all, ConnectOptions{}); err != nil {
				t.Errorf("%v: %v", files, err)
			}
		}
		all := maps.Clone(vars)
		all["OS_AUTH_URL"] = asking.URL + "/identity"
		all["OS_CACERT"] = filepath.Join(dir, "asking.pem")
		_, err := connect(t, all, ConnectOptions{})
		checkKind(t, err, KindCertificate, "certificate required")
	})
}

func checkKind(t *testing.T, err error, kind Kind, want string) {
	t.Helper()
	if kind == "" {
		if err != nil {
			t.Errorf("error %v", err)
		}
		return
	}
	var typed *Error
	if !errors.As(err, &typed) {
		t.Fatalf("error %T %v, want kind %s", err, err, kind)
	}
	if typed.Kind != kind || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q of kind %s, want %q of kind %s in one line", err, typed.Kind, want, kind)
	}
}

func TestConnectErrors(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	tests := []struct {
		name   string
		vars   map[string]string
		change func(*keystone)
		kind   Kind
		want   string
	}{
		{"wrong password", map[string]string{"OS_PASSWORD": "wrong"}, nil, KindCredentials, "Keystone refuses the user, password or scope of ann (401): The request you have made requires authentication"},
		{"unreachable", map[string]string{"OS_AUTH_URL": closed.URL}, nil, KindUnreachable, "Keystone at " + closed.URL + " cannot be reached: dial tcp"},
		{"no such host", map[string]string{"OS_AUTH_URL": "http://none.invalid/v3"}, nil, KindUnreachable, "Keystone at http://none.invalid cannot be reached"},
		{"not Keystone", map[string]string{"OS_AUTH_URL": "/nothing"}, nil, KindServer, "is no identity service (404)"},
		{"not Keystone v3", map[string]string{"OS_AUTH_URL": "/nothing/v3"}, nil, KindServer, "is no identity service (404)"},
		{"version 2", map[string]string{"OS_AUTH_URL": "/identity/v2.0"}, nil, KindConfig, "end it with /v3"},
		{"not JSON", map[string]string{"OS_AUTH_URL": "/image/"}, func(k *keystone) {
			k.valid[""] = true
			k.image = func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") }
		}, KindServer, "log in at"},
		{"broken Keystone", nil, func(k *keystone) { k.refuse = http.StatusNotImplemented }, KindServer, "answered 501: not now. really"},
		{"forbidden", nil, func(k *keystone) { k.refuse = http.StatusForbidden }, KindCredentials, "forbids it (403): not now. really"},
		{"region", map[string]string{"OS_REGION_NAME": "RegionSix"}, nil, KindEndpoint, "the image service is not in region RegionSix; it is in RegionOne, RegionTwo"},
		{"interface", map[string]string{"OS_INTERFACE": "admin"}, nil, KindEndpoint, "has no admin interface; it has public, internal"},
		{"no image service", nil, func(k *keystone) { k.catalog = k.catalog[:1] }, KindEndpoint, "the catalog has no image service; it has identity"},
		{"no catalog", nil, func(k *keystone) { k.catalog = nil }, KindEndpoint, "the token has no service catalog"},
		{"a terminal's control characters", map[string]string{"OS_REGION_NAME": "X"}, func(k *keystone) {
			k.catalog[1]["endpoints"] = []any{map[string]any{"interface": "public", "region": "\x1b[2J\nR", "url": "http://h"}}
		}, KindEndpoint, `it is in \x1b[2J R`},
		{"mad endpoint", nil, func(k *keystone) {
			k.catalog[1]["endpoints"] = []any{map[string]any{"interface": "public", "region": "RegionOne", "url": "file:///etc/passwd"}}
		}, KindEndpoint, `"file:///etc/passwd" is not an http:// or https:// address`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			k := newKeystone(t)
			if test.change != nil {
				test.change(k)
			}
			vars := k.password()
			maps.Copy(vars, test.vars)
			if strings.HasPrefix(vars["OS_AUTH_URL"], "/") {
				vars["OS_AUTH_URL"] = k.URL + vars["OS_AUTH_URL"]
			}
			_, err := connect(t, vars, ConnectOptions{})
			checkKind(t, err, test.kind, test.want)
		})
	}
}

func TestConnectIsCancelled(t *testing.T) {
	k := newKeystone(t)
	dir := t.TempDir()
	cfg, err := Load(Options{}, testEnv(k.password(), dir, dir))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Connect(ctx, cfg, ConnectOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestAskPassword(t *testing.T) {
	k := newKeystone(t)
	vars := k.password()
	delete(vars, "OS_PASSWORD")
	mustConnect(t, vars, ConnectOptions{AskPassword: func(string) (string, error) { return "right", nil }})
	_, err := connect(t, vars, ConnectOptions{})
	checkKind(t, err, KindConfig, "OS_PASSWORD")
}

func TestImageEndpointOverride(t *testing.T) {
	k := newKeystone(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "clouds.yaml"), `
clouds:
  one:
    auth: {auth_url: "`+k.URL+`/identity/v3", username: ann, password: right, user_domain_name: D, project_name: demo, project_domain_name: D}
    image_endpoint_override: http://glance.example/%(project_id)s/v2/
`)
	cfg, err := Load(Options{Cloud: "one"}, testEnv(nil, dir, dir))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Connect(context.Background(), cfg, ConnectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Endpoint != "http://glance.example/p1" || s.Name != "one" {
		t.Errorf("session %q at %s", s.Name, s.Endpoint)
	}
}

func TestSplitEndpoint(t *testing.T) {
	tests := []struct{ in, base, resources string }{
		{"http://h:9292", "http://h:9292", "http://h:9292/v2/"},
		{"http://h:9292/", "http://h:9292", "http://h:9292/v2/"},
		{"http://h/image", "http://h/image", "http://h/image/v2/"},
		{"http://h/image/v2", "http://h/image", "http://h/image/v2/"},
		{"http://h/image/v2/", "http://h/image", "http://h/image/v2/"},
		{"http://h/v2.0", "http://h", "http://h/v2/"},
		{"https://h/v1", "https://h", "https://h/v2/"},
		{"https://h/v2/123", "https://h", "https://h/v2/123/"},
		{"https://h/v2x/image", "https://h/v2x/image", "https://h/v2x/image/v2/"},
		{" https://u:p@h/x?y#z ", "https://h/x", "https://h/x/v2/"},
	}
	for _, test := range tests {
		base, resources, err := splitEndpoint(test.in)
		if err != nil || base != test.base || resources != test.resources {
			t.Errorf("%s: %s, %s, %v; want %s, %s", test.in, base, resources, err, test.base, test.resources)
		}
	}
	for _, bad := range []string{"", "glance", "ftp://h", "http://", "http://h\x00"} {
		if base, _, err := splitEndpoint(bad); err == nil {
			t.Errorf("%q is taken for %s", bad, base)
		}
	}
}

func TestProjectIDByName(t *testing.T) {
	k := newKeystone(t)
	s := mustConnect(t, k.password(), ConnectOptions{})
	const hex = "0123456789abcdef0123456789abcdef"
	tests := []struct{ name, domain, id, failure string }{
		{"demo", "Default", "p1", ""}, // known from the token
		{"demo", "", "p1", ""},
		{"p2", "", "p2", ""},
		{"other", "Else", "p3", ""},
		{"other", "d2", "p3", ""},
		{"other", "", "", "p2 in domain default, p3 in domain d2"},
		{"none", "", "", "there is no project none"},
		{"demo", "None", "", "there is no domain None"},
		{"secret", "", "", "give its id"},
		{hex, "", hex, ""},
	}
	for _, test := range tests {
		id, err := s.ProjectIDByName(context.Background(), test.name, test.domain)
		if id != test.id || (err == nil) != (test.failure == "") || err != nil && !strings.Contains(err.Error(), test.failure) {
			t.Errorf("%s in %q: %q, %v", test.name, test.domain, id, err)
		}
	}
}

func TestDebugShowsNoSecrets(t *testing.T) {
	k := newKeystone(t)
	var logged bytes.Buffer
	type timed struct{ method, url string }
	var times []timed
	s := mustConnect(t, k.password(), ConnectOptions{Debug: &logged, Timing: func(method, url string, d time.Duration) {
		times = append(times, timed{method, url})
	}})
	k.set(func() {
		k.image = func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"name":"a\u001b[31m","direct_url":"swift+https://acc:pw9@store/x","esc":"`+"\x1b[2J"+`"}`)
		}
	})
	body := map[string]any{"method": map[string]string{"uri": "https://bob:pw8@files.example/x"}, "password": "pw7"}
	var answer map[string]any
	if _, err := s.Image.Post(context.Background(), s.Image.ServiceURL("images"), body, &answer, &gophercloud.RequestOpts{OkCodes: []int{200}}); err == nil {
		t.Fatal("a raw control character in JSON passed")
	}
	text := logged.String()
	for _, secret := range []string{"right", "token-1", "pw9", "pw8", "pw7", "\x1b"} {
		if strings.Contains(text, secret) {
			t.Errorf("the log shows %q:\n%s", secret, text)
		}
	}
	for _, want := range []string{
		"REQ: curl -g -i -X POST " + k.URL + "/identity/v3/auth/tokens", "-d '<credentials>'",
		"REQ: curl -g -i -X POST " + k.URL + "/image/v2/images", `X-Auth-Token: {SHA256}`, "RESP: [200]", "https://***@files.example/x", "RESP BODY: {\"name\"",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the log lacks %q:\n%s", want, text)
		}
	}
	if len(times) != 3 || times[2] != (timed{"POST", k.URL + "/image/v2/images"}) {
		t.Errorf("timing %v", times)
	}
}

// TestDebugKeepsBodies: what the log shows is still there for the caller.
func TestDebugKeepsBodies(t *testing.T) {
	long := strings.Repeat("x", 3*maxLoggedBody)
	k := newKeystone(t)
	s := mustConnect(t, k.password(), ConnectOptions{Debug: io.Discard})
	k.set(func() {
		k.image = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `"`+long+`"`)
		}
	})
	var answer string
	if _, err := s.Image.Get(context.Background(), s.Image.ServiceURL("images"), &answer, nil); err != nil || answer != long {
		t.Errorf("%d of %d bytes, %v", len(answer), len(long), err)
	}
}
