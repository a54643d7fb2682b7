package sandbox

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// imageService is the sandbox's Glance.
type imageService struct {
	identity    *identity
	now         func() time.Time
	pageDefault int
	pageMax     int
	stores      []Store
	delay       time.Duration
	inspect     Inspector
	dir         string
	web         *http.Client

	// Imports go on after their request has been answered.
	ctx    context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup

	mu    sync.Mutex // guards all below and every record
	all   map[string]*record
	ids   map[string]bool // of all images that there are or were
	tasks map[string]*task
	used  map[string]int64 // bytes in each store
}

func newImageService(o Options, k *identity, dir string) *imageService {
	s := &imageService{
		identity: k, now: o.Now, pageDefault: o.PageDefault, pageMax: o.PageMax,
		stores: o.Stores, delay: o.ImportDelay, inspect: o.Inspect, dir: dir, web: localClient(),
		all: map[string]*record{}, ids: map[string]bool{}, tasks: map[string]*task{}, used: map[string]int64{},
	}
	// The life of an import is that of the cloud, not of any request.
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

func (s *imageService) close() error {
	s.cancel()
	s.work.Wait()
	return os.RemoveAll(s.dir)
}

// second is now, as Glance's database keeps it: in whole seconds.
func (s *imageService) second() time.Time { return s.now().UTC().Truncate(time.Second) }

// request is one call of the API, by a caller who has a valid token.
type request struct {
	*http.Request
	w      http.ResponseWriter
	caller *token
	id     string

	// The answer, unless the call has written it itself. It is written when the
	// lock on the images is free again: a client that reads slowly must not
	// hold up the others.
	status int
	body   any
}

// versions are the path segments that Glance takes for its API v2.
var versions = map[string]bool{
	"v2": true, "v2.0": true, "v2.1": true, "v2.2": true, "v2.3": true, "v2.4": true, "v2.5": true, "v2.6": true,
	"v2.7": true, "v2.8": true, "v2.9": true, "v2.10": true, "v2.11": true, "v2.12": true, "v2.13": true,
	"v2.15": true, "v2.17": true,
}

func (s *imageService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	first, rest, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/")
	switch {
	case first == "versions":
		writeJSON(w, r, http.StatusOK, about(r))
		return
	case !versions[first]:
		writeJSON(w, r, http.StatusMultipleChoices, about(r))
		return
	}
	caller := s.identity.valid(r.Header.Get("X-Auth-Token"))
	if caller == nil {
		(&refusal{status: http.StatusUnauthorized, header: http.Header{"Www-Authenticate": {challenge(r)}}}).write(w, r)
		return
	}
	q := &request{Request: r, w: w, caller: caller, id: requestID()}
	w.Header().Set("X-Openstack-Request-Id", q.id)
	switch err, known := s.dispatch(q, strings.Split(rest, "/")), (*refusal)(nil); {
	case errors.As(err, &known):
		known.write(w, r)
	case err != nil:
		(&refusal{status: http.StatusInternalServerError}).write(w, r)
	case q.status != 0:
		writeJSON(w, r, q.status, q.body)
	}
}

// dispatch calls what the path and method name (glance/api/v2/router.py).
func (s *imageService) dispatch(q *request, path []string) error {
	type methods map[string]func() error
	at := func(i int) string {
		if i < len(path) {
			return path[i]
		}
		return ""
	}
	image := at(1)
	shape := strings.Join(path, "/")
	if len(path) > 1 && path[0] == "images" && image != "" {
		shape = strings.Join(append([]string{"images", "*"}, path[2:]...), "/")
		if len(path) == 4 && (path[2] == "tags" || path[2] == "members") && path[3] != "" {
			shape = "images/*/" + path[2] + "/*"
		}
	}
	var routes methods
	switch shape {
	case "images":
		routes = methods{"GET": func() error { return s.index(q) }, "POST": func() error { return s.create(q) }}
	case "images/*":
		routes = methods{
			"GET":    func() error { return s.show(q, image) },
			"PATCH":  func() error { return s.update(q, image) },
			"DELETE": func() error { return s.remove(q, image) },
		}
	case "images/*/file":
		routes = methods{
			"GET": func() error { return s.download(q, image) },
			"PUT": func() error { return s.upload(q, image) },
		}
	case "images/*/stage":
		routes = methods{"PUT": func() error { return s.stage(q, image) }}
	case "images/*/import":
		routes = methods{"POST": func() error { return s.startImport(q, image) }}
	case "images/*/tasks":
		routes = methods{"GET": func() error { return s.imageTasks(q, image) }}
	case "images/*/actions/deactivate":
		routes = methods{"POST": func() error { return s.act(q, image, "deactivate", active, deactivated) }}
	case "images/*/actions/reactivate":
		routes = methods{"POST": func() error { return s.act(q, image, "reactivate", deactivated, active) }}
	case "images/*/tags/*":
		routes = methods{
			"PUT":    func() error { return s.addTag(q, image, path[3]) },
			"DELETE": func() error { return s.removeTag(q, image, path[3]) },
		}
	case "images/*/members":
		routes = methods{
			"GET":  func() error { return s.listMembers(q, image) },
			"POST": func() error { return s.addMember(q, image) },
		}
	case "images/*/members/*":
		routes = methods{
			"GET":    func() error { return s.showMember(q, image, path[3]) },
			"PUT":    func() error { return s.updateMember(q, image, path[3]) },
			"DELETE": func() error { return s.removeMember(q, image, path[3]) },
		}
	case "info/import":
		routes = methods{"GET": func() error { return s.importMethods(q) }}
	case "info/stores":
		routes = methods{"GET": func() error { return s.listStores(q) }}
	case "schemas/image", "schemas/images", "schemas/member", "schemas/members":
		routes = methods{"GET": func() error { return showSchema(q, path[1]) }}
	case "metadefs/namespaces":
		routes = methods{"GET": func() error { return emptyNamespaces(q) }}
	default:
		if !slices.Contains([]string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"}, q.Method) {
			return &refusal{status: http.StatusNotImplemented}
		}
		return &refusal{status: http.StatusNotFound}
	}
	handle, ok := routes[q.Method]
	if !ok {
		var allowed []string
		for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if routes[m] != nil {
				allowed = append(allowed, m)
			}
		}
		return &refusal{status: http.StatusMethodNotAllowed, header: http.Header{"Allow": {strings.Join(allowed, ", ")}}}
	}
	return handle()
}

// readJSON reads the body, which must be an object or a list. Numbers stay as
// they were written.
func readJSON(q *request) (any, error) {
	data, err := io.ReadAll(http.MaxBytesReader(q.w, q.Body, maxBody))
	if err != nil {
		return nil, &refusal{status: http.StatusRequestEntityTooLarge, explanation: "The body of your request was too large for this server."}
	}
	if len(data) == 0 {
		return nil, refuse(400, "Body expected in request.")
	}
	if !utf8.Valid(data) {
		return nil, refuse(400, "Malformed JSON in request body.")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var body any
	if err := decoder.Decode(&body); err != nil || decoder.More() {
		return nil, refuse(400, "Malformed JSON in request body.")
	}
	switch body.(type) {
	case map[string]any, []any:
		return body, nil
	}
	return nil, refuse(400, "Unexpected body type. Expected list/dict.")
}

// noBody refuses a request with a body where Glance wants none.
func noBody(q *request) error {
	if q.ContentLength > 0 || len(q.TransferEncoding) > 0 && q.Method != "GET" && q.Method != "DELETE" {
		return refuse(400, "A body is not expected with this request.")
	}
	return nil
}

// contentType is the type of the body; Glance's web server calls one that is
// not stated plain text.
func contentType(r *http.Request) string {
	return cmp.Or(r.Header.Get("Content-Type"), "text/plain")
}

// send answers with JSON, or with nothing but WebOb's type for text. What body
// points to must not change any more.
func (q *request) send(status int, body any) error {
	if body == nil {
		q.w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	}
	q.status, q.body = status, body
	return nil
}

// find returns the image, or Glance's word for "not there" where the caller may
// not see it (glance/db/utils.py, is_image_visible). The lock must be held.
func (s *imageService) find(q *request, id string) (*record, error) {
	r := s.all[id]
	if r == nil || !visible(q.caller, r) {
		return nil, refuse(404, "No image found with ID %s", id)
	}
	return r, nil
}

func visible(t *token, r *record) bool {
	switch {
	case t.has("admin"), r.owner == nil, r.visibility == "public", r.visibility == "community":
		return true
	case r.ownedBy(t.projectID()):
		return true
	}
	return r.visibility == "shared" && r.member(t.projectID()) != nil
}

// allowed answers whether a rule of Glance's own policy lets the caller through
// (glance/policies/image.py, with enforce_new_defaults). r is nil where there
// is no image yet.
func allowed(t *token, rule string, r *record) bool {
	if t.scope.system || t.scope.domain {
		return false // enforce_scope: the rules are for projects
	}
	if t.has("admin") {
		return true
	}
	own := r == nil || r.ownedBy(t.projectID())
	shared := r != nil && t.scope.project != "" && r.member(t.projectID()) != nil
	open := r != nil && r.visibility != "private"
	switch rule {
	case "publicize_image", "copy_image", "stores_info_detail":
		return false
	case "get_image":
		return t.has("reader") && (own || shared || open)
	case "download_image":
		return t.has("member") && (own || shared || open)
	case "get_images":
		return t.has("reader") && t.scope.project != ""
	case "get_member", "get_members":
		return t.has("reader") && (own || shared)
	case "modify_member":
		return t.has("member") && shared
	}
	return t.has("member") && own && t.scope.project != ""
}

// permit is allowed with Glance's answers: 403, or 404 for what the caller may
// not even see (glance/api/v2/policy.py, ImageAPIPolicy._enforce).
func permit(t *token, rule string, r *record) error {
	switch {
	case allowed(t, rule, r):
		return nil
	case r != nil && (rule == "get_image" || !allowed(t, "get_image", r)):
		return &refusal{status: http.StatusNotFound}
	}
	return refuse(403, "You are not authorized to complete %s action.", rule)
}

// permitVisibility checks the two visibilities that have a rule of their own.
func permitVisibility(t *token, visibility string, r *record) error {
	switch visibility {
	case "public":
		return permit(t, "publicize_image", r)
	case "community":
		return permit(t, "communitize_image", r)
	}
	return nil
}
