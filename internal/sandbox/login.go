package sandbox

import (
	"cmp"
	"crypto/subtle"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

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
