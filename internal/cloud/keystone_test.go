package cloud

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// keystone is a small identity service with an image service at /image. It
// keeps what was asked of it.
type keystone struct {
	*httptest.Server
	mu      sync.Mutex
	issued  int             // tokens so far
	valid   map[string]bool // tokens that the image service takes
	bodies  []string        // of requests for a token
	images  []*http.Request // seen by the image service
	refuse  int             // status for requests for a token, 0 to grant them
	catalog []map[string]any
	image   http.HandlerFunc // answers instead of the image service, if set
}

func newKeystone(t *testing.T) *keystone {
	t.Helper()
	k := &keystone{valid: map[string]bool{}}
	k.Server = httptest.NewServer(http.HandlerFunc(k.serve))
	t.Cleanup(k.Close)
	k.catalog = []map[string]any{
		{"type": "identity", "name": "keystone", "endpoints": k.endpoints("/identity")},
		{"type": "image", "name": "glance", "endpoints": k.endpoints("/image")},
	}
	return k
}

// endpoints is the part of the catalog for one service in two regions.
func (k *keystone) endpoints(path string) []map[string]any {
	var list []map[string]any
	for _, region := range []string{"RegionOne", "RegionTwo"} {
		for _, kind := range []string{"public", "internal"} {
			list = append(list, map[string]any{"interface": kind, "region": region, "region_id": region, "url": k.URL + path})
		}
	}
	return list
}

func (k *keystone) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/identity/" && r.Method == http.MethodGet:
		w.WriteHeader(http.StatusMultipleChoices)
		// The link names a host that is not to be asked.
		fmt.Fprint(w, `{"versions": {"values": [{"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": "http://elsewhere.invalid/identity/v3/"}]}]}}`)
	case r.URL.Path == "/identity/v3/auth/tokens":
		k.token(w, r)
	case strings.HasPrefix(r.URL.Path, "/identity/v3/"):
		k.lookUp(w, r)
	case strings.HasPrefix(r.URL.Path, "/image/"):
		k.mu.Lock()
		k.images = append(k.images, r)
		ok, handler := k.valid[r.Header.Get("X-Auth-Token")], k.image
		k.mu.Unlock()
		switch {
		case !ok:
			http.Error(w, `{"error": {"message": "no"}}`, http.StatusUnauthorized)
		case handler != nil:
			handler(w, r)
		default:
			io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, `{"images": []}`)
		}
	default:
		http.NotFound(w, r)
	}
}

// token grants a token to ann with the password "right", to the application
// credential ac1 and to the token "good".
func (k *keystone) token(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	k.bodies = append(k.bodies, string(body))
	granted := r.Method == http.MethodGet && r.Header.Get("X-Auth-Token") == "good" || strings.Contains(string(body), `"right"`) ||
		strings.Contains(string(body), `"id":"good"`)
	switch {
	case k.refuse != 0:
		w.WriteHeader(k.refuse)
		fmt.Fprint(w, `{"error": {"message": "not now.\nreally"}}`)
		return
	case !granted:
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error": {"code": 401, "message": "The request you have made requires authentication."}}`)
		return
	}
	k.issued++
	token := fmt.Sprintf("token-%d", k.issued)
	if r.Method == http.MethodPost {
		w.Header().Set("X-Subject-Token", token)
	} else {
		token = r.Header.Get("X-Subject-Token")
		w.Header().Set("X-Subject-Token", token)
	}
	k.valid[token] = true
	answer, _ := json.Marshal(map[string]any{"token": map[string]any{
		"user":    map[string]any{"id": "u1", "name": "ann", "domain": map[string]any{"id": "default", "name": "Default"}},
		"project": map[string]any{"id": "p1", "name": "demo", "domain": map[string]any{"id": "default", "name": "Default"}},
		"roles":   []any{map[string]any{"id": "r1", "name": "member"}},
		"catalog": k.catalog, "expires_at": "2040-01-01T00:00:00.000000Z", "methods": []string{"password"},
	}})
	if r.Method == http.MethodPost {
		w.WriteHeader(http.StatusCreated)
	}
	w.Write(answer)
}

// lookUp knows the projects demo (p1), other (p2, and p3 in domain d2) and the
// domain Else (d2); the name "secret" is forbidden.
func (k *keystone) lookUp(w http.ResponseWriter, r *http.Request) {
	projects := []map[string]string{{"id": "p1", "name": "demo", "domain_id": "default"}, {"id": "p2", "name": "other", "domain_id": "default"}, {"id": "p3", "name": "other", "domain_id": "d2"}}
	domains := []map[string]string{{"id": "d2", "name": "Else"}}
	path := strings.TrimPrefix(r.URL.Path, "/identity/v3/")
	kind, id, single := strings.Cut(path, "/")
	records := map[string][]map[string]string{"projects": projects, "domains": domains}[kind]
	query := r.URL.Query()
	if id == "secret" || query.Get("name") == "secret" || strings.HasPrefix(id, "0123") || strings.HasPrefix(query.Get("name"), "0123") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if single {
		i := slices.IndexFunc(records, func(p map[string]string) bool { return p["id"] == id })
		if i < 0 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{strings.TrimSuffix(kind, "s"): records[i]})
		return
	}
	found := []map[string]string{}
	for _, p := range records {
		if p["name"] == query.Get("name") && (query.Get("domain_id") == "" || p["domain_id"] == query.Get("domain_id")) {
			found = append(found, p)
		}
	}
	json.NewEncoder(w).Encode(map[string]any{kind: found})
}

// revoke makes all tokens so far worthless.
func (k *keystone) revoke() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.valid)
}

func (k *keystone) set(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}

// password are the variables of a login that succeeds.
func (k *keystone) password() map[string]string {
	return map[string]string{
		"OS_AUTH_URL": k.URL + "/identity", "OS_USERNAME": "ann", "OS_PASSWORD": "right", "OS_USER_DOMAIN_NAME": "Default",
		"OS_PROJECT_NAME": "demo", "OS_PROJECT_DOMAIN_NAME": "Default",
	}
}

// connect loads vars and logs in.
func connect(t *testing.T, vars map[string]string, o ConnectOptions) (*Session, error) {
	t.Helper()
	dir := t.TempDir()
	cfg, err := Load(Options{}, testEnv(vars, dir, dir))
	if err != nil {
		return nil, err
	}
	return Connect(context.Background(), cfg, o)
}

func mustConnect(t *testing.T, vars map[string]string, o ConnectOptions) *Session {
	t.Helper()
	s, err := connect(t, vars, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// list asks for the images.
func list(ctx context.Context, s *Session) error {
	_, err := s.Image.Get(ctx, s.Image.ServiceURL("images"), new(any), nil)
	return err
}
