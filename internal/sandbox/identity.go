package sandbox

import (
	"cmp"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	region   = "RegionOne"
	domainID = "default"
)

// person is a user of every sandbox, with one role in one project. The admin
// also has that role on the domain and on the system.
type person struct {
	name, password, project string
	roles                   []string // the role given and those that it implies
}

var people = []person{
	{"admin", "sandbox-admin-password", "admin", []string{"admin", "manager", "member", "reader"}},
	{"sandbox-member", "sandbox-member-password", "sandbox", []string{"member", "reader"}},
	{"sandbox-reader", "sandbox-reader-password", "sandbox", []string{"reader"}},
	{"sandbox-other", "sandbox-other-password", "sandbox-other", []string{"member", "reader"}},
}

// appCredential is an application credential of sandbox-member's.
var appCredential = struct{ id, name, secret, user string }{
	id: fixedID("application credential"), name: "sandbox", secret: "sandbox-application-credential-secret", user: "sandbox-member",
}

// projects are all projects, each in the domain Default.
var projects = []string{"admin", "sandbox", "sandbox-other"}

// fixedID returns the same Keystone id (32 hexadecimal digits) for the same
// thing in every sandbox, so that a seed can name its owners.
func fixedID(parts ...string) string {
	space := uuid.NewSHA1(uuid.NameSpaceURL, []byte("glance-profile sandbox"))
	return plainID(uuid.NewSHA1(space, []byte(strings.Join(parts, "/"))))
}

func plainID(id uuid.UUID) string { return strings.ReplaceAll(id.String(), "-", "") }

func projectID(name string) string { return fixedID("project", name) }
func userID(name string) string    { return fixedID("user", name) }

// token is one that was issued, with all that the services ask of it.
type token struct {
	id            string
	who           person
	methods       []string
	auditIDs      []string
	issued        time.Time
	expires       time.Time
	scope         scope
	roles         []string
	appCredential bool
}

// scope is what a token is good for; the zero value is nothing in particular.
type scope struct {
	project string // name
	domain  bool   // the domain Default
	system  bool
}

func (t *token) projectID() string {
	if t.scope.project == "" {
		return ""
	}
	return projectID(t.scope.project)
}

func (t *token) has(role string) bool { return slices.Contains(t.roles, role) }

// identity is the sandbox's Keystone.
type identity struct {
	now      func() time.Time
	lifetime time.Duration

	mu     sync.Mutex
	tokens map[string]*token
}

func newIdentity(o Options) *identity {
	return &identity{now: o.Now, lifetime: o.TokenLifetime, tokens: map[string]*token{}}
}

// maxTokens bounds what is kept; the oldest go first.
const maxTokens = 10_000

// valid returns the token with this id, nil if there is none or it has expired.
func (k *identity) valid(id string) *token {
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.tokens[id]
	if t == nil || !k.now().Before(t.expires) {
		return nil
	}
	return t
}

func (k *identity) revoke(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.tokens, id)
}

func (k *identity) revokeAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.tokens)
}

func (k *identity) keep(t *token) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.tokens) >= maxTokens {
		oldest := t
		for _, old := range k.tokens {
			if old.issued.Before(oldest.issued) {
				oldest = old
			}
		}
		delete(k.tokens, oldest.id)
	}
	k.tokens[t.id] = t
}

// keystoneError is an answer that is no success (keystone/exception.py).
type keystoneError struct {
	status  int
	message string
	more    map[string]any // beside code, message and title
}

func (e *keystoneError) Error() string { return e.message }

func deny(status int, format string, args ...any) error {
	return &keystoneError{status: status, message: fmt.Sprintf(format, args...)}
}

func unauthorized() error {
	return deny(http.StatusUnauthorized, "The request you have made requires authentication.")
}

func missing(attribute, target string) error {
	return deny(http.StatusBadRequest, "Expecting to find %s in %s. The server could not comply with the request"+
		" since it is either malformed or otherwise incorrect. The client is assumed to be in error.", attribute, target)
}

func forbidden(action string) error {
	return deny(http.StatusForbidden, "You are not authorized to perform the requested action: identity:%s.", action)
}

// maxBody bounds a JSON request, in bytes.
const maxBody = 8 << 20

func (k *identity) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Openstack-Request-Id", requestID())
	w.Header().Set("Vary", "X-Auth-Token")
	status, body, err := k.answer(w, r)
	switch known := (*keystoneError)(nil); {
	case err == nil:
	case errors.Is(err, errNoRoute):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, noRoute)
		return
	case errors.As(err, &known):
		if known.status == http.StatusUnauthorized {
			w.Header().Set("Www-Authenticate", challenge(r))
		}
		account := map[string]any{"code": known.status, "message": known.message, "title": http.StatusText(known.status)}
		maps.Copy(account, known.more)
		status, body = known.status, map[string]any{"error": account}
	default:
		status, body = http.StatusInternalServerError, map[string]any{"error": map[string]any{
			"code": http.StatusInternalServerError, "message": err.Error(), "title": http.StatusText(http.StatusInternalServerError),
		}}
	}
	writeJSON(w, r, status, body)
}

// errNoRoute is a path that Keystone does not have, which Flask answers in its
// own way.
var errNoRoute = errors.New("no such path")

const noRoute = "<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n" +
	"<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.</p>\n"

// writeJSON sends body, nothing where it is nil.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, body any) {
	if body == nil {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	// The client may be gone, which is no matter of ours.
	_ = encoder.Encode(body)
}

func requestID() string { return "req-" + uuid.NewString() }

// baseURL is how the client reaches this cloud.
func baseURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}

// challenge is what both services answer to a missing or wrong token.
func challenge(r *http.Request) string { return `Keystone uri="` + identityURL(r) + `/v3"` }

func identityURL(r *http.Request) string { return baseURL(r) + "/identity" }

func (k *identity) answer(w http.ResponseWriter, r *http.Request) (int, any, error) {
	path := strings.Trim(r.URL.Path, "/")
	version := map[string]any{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links": []any{map[string]any{"rel": "self", "href": identityURL(r) + "/v3/"}},
		"media-types": []any{map[string]any{
			"base": "application/json", "type": "application/vnd.openstack.identity-v3+json",
		}},
	}
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case path == "" && get:
		w.Header().Set("Location", identityURL(r)+"/v3/")
		return http.StatusMultipleChoices, map[string]any{"versions": map[string]any{"values": []any{version}}}, nil
	case path == "v3" && get:
		return http.StatusOK, map[string]any{"version": version}, nil
	case path == "v3/auth/tokens" && r.Method == http.MethodPost:
		return k.issue(w, r)
	}
	rest, _ := strings.CutPrefix(path, "v3/")
	first, id, _ := strings.Cut(rest, "/")
	if !slices.Contains([]string{"auth/tokens", "auth/projects", "auth/catalog"}, rest) &&
		first != "projects" && first != "domains" || strings.Contains(id, "/") && first != "auth" {
		return 0, nil, errNoRoute
	}
	if !get && (rest != "auth/tokens" || r.Method != http.MethodDelete) {
		allowed := "OPTIONS, HEAD, GET"
		if rest == "auth/tokens" {
			allowed = "OPTIONS, POST, DELETE, HEAD, GET"
		}
		w.Header().Set("Allow", allowed)
		return http.StatusMethodNotAllowed, map[string]any{"message": "The method is not allowed for the requested URL."}, nil
	}
	caller := k.valid(r.Header.Get("X-Auth-Token"))
	if caller == nil {
		return 0, nil, unauthorized()
	}
	switch {
	case rest == "auth/tokens":
		return k.subject(w, r, caller)
	case rest == "auth/projects":
		return http.StatusOK, collection(r, "projects", []any{project(r, caller.who.project)}), nil
	case rest == "auth/catalog":
		if caller.scope.project == "" {
			return 0, nil, deny(http.StatusForbidden, "You are not authorized to perform the requested action.")
		}
		return http.StatusOK, map[string]any{
			"catalog": catalog(r), "links": map[string]any{"self": identityURL(r) + "/v3/auth/catalog"},
		}, nil
	case first == "projects" && id == "":
		if !caller.has("admin") {
			return 0, nil, forbidden("list_projects")
		}
		var list []any
		for _, name := range projects {
			query := r.URL.Query()
			if query.Has("name") && query.Get("name") != name || query.Has("domain_id") && query.Get("domain_id") != domainID {
				continue
			}
			list = append(list, project(r, name))
		}
		return http.StatusOK, collection(r, "projects", list), nil
	case first == "projects":
		for _, name := range projects {
			if projectID(name) == id && (caller.has("admin") || caller.scope.project == name) {
				return http.StatusOK, map[string]any{"project": project(r, name)}, nil
			}
		}
		if !caller.has("admin") {
			return 0, nil, forbidden("get_project")
		}
		return 0, nil, deny(http.StatusNotFound, "Could not find project: %s.", id)
	case first == "domains" && id == "":
		if !caller.has("admin") {
			return 0, nil, forbidden("list_domains")
		}
		var list []any
		if name := r.URL.Query().Get("name"); name == "" || strings.EqualFold(name, "Default") {
			list = append(list, domain(r))
		}
		return http.StatusOK, collection(r, "domains", list), nil
	case first == "domains" && id == domainID:
		return http.StatusOK, map[string]any{"domain": domain(r)}, nil
	}
	return 0, nil, deny(http.StatusNotFound, "Could not find domain: %s.", id)
}

func collection(r *http.Request, name string, list []any) map[string]any {
	if list == nil {
		list = []any{}
	}
	return map[string]any{name: list, "links": map[string]any{
		"next": nil, "previous": nil, "self": identityURL(r) + r.URL.RequestURI(),
	}}
}

func project(r *http.Request, name string) map[string]any {
	id := projectID(name)
	return map[string]any{
		"id": id, "name": name, "domain_id": domainID, "parent_id": domainID, "description": "",
		"enabled": true, "is_domain": false, "tags": []any{}, "options": map[string]any{},
		"links": map[string]any{"self": identityURL(r) + "/v3/projects/" + id},
	}
}

func domain(r *http.Request) map[string]any {
	return map[string]any{
		"id": domainID, "name": "Default", "description": "The default domain", "enabled": true,
		"tags": []any{}, "options": map[string]any{},
		"links": map[string]any{"self": identityURL(r) + "/v3/domains/" + domainID},
	}
}

// catalog lists both services, with the addresses by which r came.
func catalog(r *http.Request) []any {
	service := func(kind, name, address string) any {
		var endpoints []any
		for _, where := range []string{"public", "internal", "admin"} {
			endpoints = append(endpoints, map[string]any{
				"id": fixedID("endpoint", kind, where), "interface": where,
				"region": region, "region_id": region, "url": address,
			})
		}
		return map[string]any{"endpoints": endpoints, "id": fixedID("service", kind), "name": name, "type": kind}
	}
	return []any{
		service("identity", "keystone", identityURL(r)+"/v3"),
		service("image", "glance", baseURL(r)+"/image"),
	}
}

// subject checks, shows or revokes the token that X-Subject-Token names.
func (k *identity) subject(w http.ResponseWriter, r *http.Request, caller *token) (int, any, error) {
	id := r.Header.Get("X-Subject-Token")
	t := k.valid(id)
	if t == nil {
		return 0, nil, noToken(id)
	}
	if caller.id != t.id && !caller.has("admin") && caller.who.name != t.who.name {
		return 0, nil, forbidden(map[string]string{
			http.MethodGet: "validate_token", http.MethodHead: "check_token", http.MethodDelete: "revoke_token",
		}[r.Method])
	}
	if r.Method == http.MethodDelete {
		k.revoke(id)
		return http.StatusNoContent, nil, nil
	}
	w.Header().Set("X-Subject-Token", id)
	return http.StatusOK, map[string]any{"token": t.render(r)}, nil
}

// noToken is what becomes of a token that is not valid: one that is no token
// at all is told from one that has ended.
func noToken(id string) error {
	if !strings.HasPrefix(id, tokenPrefix) {
		return deny(http.StatusNotFound, "Could not recognize Fernet token")
	}
	return deny(http.StatusNotFound, "Could not find token: %s.", id)
}

// tokenPrefix begins every Fernet token of this century.
const tokenPrefix = "gAAAA"

// authRequest is the body of POST /v3/auth/tokens.
type authRequest struct {
	Identity *struct {
		Methods  *[]string `json:"methods"`
		Password *struct {
			User userRef `json:"user"`
		} `json:"password"`
		Token *struct {
			ID string `json:"id"`
		} `json:"token"`
		AppCredential *struct {
			ID     string  `json:"id"`
			Name   string  `json:"name"`
			Secret string  `json:"secret"`
			User   userRef `json:"user"`
		} `json:"application_credential"`
	} `json:"identity"`
	Scope json.RawMessage `json:"scope"`
}

type userRef struct {
	ID       string  `json:"id"`
	Name     string  `json:"name"`
	Password string  `json:"password"`
	Domain   nameRef `json:"domain"`
}

type nameRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// isDefault reports whether the reference is to the only domain there is.
func (n nameRef) isDefault() bool {
	return n.ID == domainID || n.ID == "" && strings.EqualFold(n.Name, "Default")
}

func (k *identity) issue(w http.ResponseWriter, r *http.Request) (int, any, error) {
	request, err := readAuth(r)
	if err != nil {
		return 0, nil, err
	}
	t, err := k.authenticate(request)
	if err != nil {
		return 0, nil, err
	}
	w.Header().Set("X-Subject-Token", t.id)
	return http.StatusCreated, map[string]any{"token": t.render(r)}, nil
}

func readAuth(r *http.Request) (*authRequest, error) {
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, deny(http.StatusRequestEntityTooLarge, "Request is too large.")
	}
	if kind := r.Header.Get("Content-Type"); kind != "" && len(data) > 0 {
		name, _, err := mime.ParseMediaType(kind)
		if err != nil || name != "application/json" && !strings.HasSuffix(name, "+json") {
			return nil, missing("application/json", "Content-Type header")
		}
	}
	var body struct {
		Auth *authRequest `json:"auth"`
	}
	if err := json.Unmarshal(data, &body); err != nil {
		if _, wrongType := err.(*json.UnmarshalTypeError); wrongType {
			return nil, deny(http.StatusBadRequest, "Invalid input for field 'auth': %v", err)
		}
		return nil, missing("valid JSON", "request body")
	}
	switch {
	case body.Auth == nil:
		return nil, missing("auth", "request body")
	case body.Auth.Identity == nil:
		return nil, deny(http.StatusBadRequest, "'identity' is a required property")
	case body.Auth.Identity.Methods == nil:
		return nil, deny(http.StatusBadRequest, "Invalid input for field 'identity': 'methods' is a required property")
	}
	if p := body.Auth.Identity.Password; p != nil && p.User.ID == "" && p.User.Name == "" {
		return nil, deny(http.StatusBadRequest, "Invalid input for field identity/password/user: id or name must be present.")
	}
	return body.Auth, nil
}

// authenticate finds out who asks, and gives a token for what is asked.
func (k *identity) authenticate(request *authRequest) (*token, error) {
	now := k.now().UTC()
	t := &token{
		id:       tokenPrefix + plainID(uuid.New()) + plainID(uuid.New()),
		methods:  *request.Identity.Methods,
		auditIDs: []string{plainID(uuid.New())[:22]},
		issued:   now,
		expires:  now.Add(k.lifetime),
	}
	var from *token
	if len(t.methods) == 0 {
		return nil, unauthorized()
	}
	for _, method := range t.methods {
		given := request.Identity
		switch {
		case method == "password" && given.Password != nil:
			who, ok := byPassword(given.Password.User)
			if !ok {
				return nil, unauthorized()
			}
			t.who = who
		case method == "token" && given.Token != nil:
			if from = k.valid(given.Token.ID); from == nil {
				return nil, noToken(given.Token.ID)
			}
			t.who, t.expires = from.who, from.expires
			t.auditIDs = append(t.auditIDs, from.auditIDs[len(from.auditIDs)-1])
			t.methods = merge(from.methods, t.methods)
		case method == "application_credential" && given.AppCredential != nil:
			c := given.AppCredential
			if !isAppCredential(c.ID, c.Name, c.User) {
				return nil, deny(http.StatusNotFound, "Could not find Application Credential: %s.", cmp.Or(c.ID, c.Name))
			}
			if !same(c.Secret, appCredential.secret) {
				return nil, unauthorized()
			}
			t.who, t.appCredential = byName(appCredential.user), true
		default:
			return nil, missing(method, "identity")
		}
	}
	if err := t.narrow(request.Scope, from); err != nil {
		return nil, err
	}
	k.keep(t)
	return t, nil
}

func merge(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func byName(name string) person {
	return people[slices.IndexFunc(people, func(p person) bool { return p.name == name })]
}

func byPassword(u userRef) (person, bool) {
	for _, p := range people {
		named := u.ID == userID(p.name) || u.ID == "" && strings.EqualFold(u.Name, p.name) && u.Domain.isDefault()
		if named && same(u.Password, p.password) {
			return p, true
		}
	}
	return person{}, false
}

func isAppCredential(id, name string, user userRef) bool {
	if id != "" {
		return id == appCredential.id
	}
	return name == appCredential.name &&
		(user.ID == userID(appCredential.user) || strings.EqualFold(user.Name, appCredential.user) && user.Domain.isDefault())
}

// narrow sets the scope and with it the roles.
func (t *token) narrow(asked json.RawMessage, from *token) error {
	if t.appCredential || from != nil && from.appCredential {
		// An application credential is bound to its project.
		if len(asked) > 0 {
			return &keystoneError{
				status:  http.StatusUnauthorized,
				message: "Error authenticating with application credential: Application credentials cannot request a scope.",
				more:    map[string]any{"identity": map[string]any{}},
			}
		}
		t.appCredential = true
		t.scope, t.roles = scope{project: t.who.project}, t.who.roles
		return nil
	}
	if len(asked) == 0 || string(asked) == "null" || asked[0] == '"' {
		return nil
	}
	var body struct {
		Project *struct {
			nameRef
			Domain nameRef `json:"domain"`
		} `json:"project"`
		Domain *nameRef `json:"domain"`
		System *struct {
			All bool `json:"all"`
		} `json:"system"`
		Unscoped *struct{} `json:"unscoped"`
	}
	if err := json.Unmarshal(asked, &body); err != nil {
		return deny(http.StatusBadRequest, "Invalid input for field 'scope': %v", err)
	}
	switch {
	case body.Project != nil:
		p := body.Project
		named := p.ID == projectID(t.who.project) ||
			p.ID == "" && strings.EqualFold(p.Name, t.who.project) && p.Domain.isDefault()
		if !named {
			return unauthorized()
		}
		t.scope = scope{project: t.who.project}
	case body.Domain != nil:
		if !body.Domain.isDefault() || t.who.name != "admin" {
			return unauthorized()
		}
		t.scope = scope{domain: true}
	case body.System != nil:
		if t.who.name != "admin" {
			return unauthorized()
		}
		t.scope = scope{system: true}
	default:
		return nil
	}
	t.roles = t.who.roles
	return nil
}

// render writes the token as Keystone does (keystone/common/render_token.py).
func (t *token) render(r *http.Request) map[string]any {
	const layout = "2006-01-02T15:04:05.000000Z"
	inDomain := map[string]any{"id": domainID, "name": "Default"}
	out := map[string]any{
		"methods": t.methods, "audit_ids": t.auditIDs,
		"issued_at": t.issued.Format(layout), "expires_at": t.expires.Format(layout),
		"user": map[string]any{
			"id": userID(t.who.name), "name": t.who.name, "domain": inDomain, "password_expires_at": nil,
		},
	}
	switch {
	case t.scope.project != "":
		out["project"] = map[string]any{"id": t.projectID(), "name": t.scope.project, "domain": inDomain}
		out["is_domain"] = false
	case t.scope.domain:
		out["domain"] = inDomain
	case t.scope.system:
		out["system"] = map[string]any{"all": true}
	default:
		return out
	}
	var roles []any
	for _, name := range t.roles {
		roles = append(roles, map[string]any{"id": fixedID("role", name), "name": name})
	}
	out["roles"] = roles
	if !r.URL.Query().Has("nocatalog") {
		out["catalog"] = catalog(r)
	}
	if t.appCredential {
		out["application_credential"] = map[string]any{
			"id": appCredential.id, "name": appCredential.name, "restricted": true,
		}
	}
	return out
}
