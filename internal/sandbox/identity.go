package sandbox

import (
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
