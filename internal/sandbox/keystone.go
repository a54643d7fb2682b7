package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

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
