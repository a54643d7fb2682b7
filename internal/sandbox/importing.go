package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// importMethods are those that the sandbox offers.
var importMethods = []string{"glance-direct", "web-download", "copy-image"}

const (
	importingTo  = "os_glance_importing_to_stores"
	failedImport = "os_glance_failed_import"
)

// task is one import (glance/domain/__init__.py, Task).
type task struct {
	id, image, owner, user, request string
	status                          string // pending, processing, success, failure
	message                         string
	input                           map[string]any
	created, updated                time.Time
}

// taskLife is how long Glance keeps a task that has ended.
const taskLife = 48 * time.Hour

func (t *task) view() map[string]any {
	micro := func(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000") }
	var result any
	if t.status == "success" {
		result = map[string]any{"image_id": t.image}
	}
	return map[string]any{
		"id": t.id, "type": "api_image_import", "status": t.status, "owner": t.owner, "image_id": t.image,
		"user_id": t.user, "request_id": t.request, "message": t.message, "input": t.input, "result": result,
		"deleted": false, "deleted_at": nil, "expires_at": micro(t.created.Add(taskLife)),
		"created_at": micro(t.created), "updated_at": micro(t.updated),
	}
}

// importRequest is the body of POST /v2/images/{id}/import.
type importRequest struct {
	body    map[string]any
	method  string
	uri     string
	stores  []string
	allMust bool
	toAll   bool
}

func readImport(q *request) (*importRequest, error) {
	raw, err := readJSON(q)
	if err != nil {
		return nil, err
	}
	body, _ := raw.(map[string]any)
	method, ok := body["method"].(map[string]any)
	if !ok {
		return nil, refuse(400, "Import request requires a 'method' field.")
	}
	name, ok := method["name"]
	if !ok {
		return nil, refuse(400, "Import request requires a 'name' field.")
	}
	i := &importRequest{body: body, method: str(name), allMust: true}
	if !slices.Contains(importMethods, i.method) {
		return nil, refuse(400, "Unknown import method name '%s'.", i.method)
	}
	i.uri = "None"
	if uri, ok := method["uri"]; ok {
		i.uri = str(uri)
	}
	for field, into := range map[string]*bool{"all_stores_must_succeed": &i.allMust, "all_stores": &i.toAll} {
		if given, ok := body[field]; ok {
			if *into, ok = given.(bool); !ok {
				return nil, refuse(400, "'%s' must be boolean value only", field)
			}
		}
	}
	return i, nil
}

// chooseStores is where the data shall go (glance/common/utils.py,
// get_stores_from_request).
func (s *imageService) chooseStores(q *request, i *importRequest) error {
	named, hasNamed := i.body["stores"]
	header := q.Header.Values("X-Image-Meta-Store")
	switch {
	case i.toAll && (hasNamed || len(header) > 0):
		return refuse(400, "All_stores parameter can't be used with x-image-meta-store header or stores parameter")
	case i.toAll:
		i.stores = s.storeIDs()
	case hasNamed && len(header) > 0:
		return refuse(400, "Stores parameter and x-image-meta-store header can't be both specified")
	case hasNamed:
		list, _ := named.([]any)
		i.stores = []string{}
		for _, store := range list {
			i.stores = append(i.stores, str(store))
		}
	case len(header) > 0:
		i.stores = header[:1]
	default:
		i.stores = s.storeIDs()[:1]
	}
	for _, store := range i.stores {
		if !slices.Contains(s.storeIDs(), store) {
			return unknownStore(http.StatusConflict, store)
		}
	}
	return nil
}

// startImport begins to bring data into an image's stores, and answers before
// it is there (glance/api/v2/images.py, import_image).
func (s *imageService) startImport(q *request, id string) error {
	i, err := readImport(q)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.find(q, id)
	if err != nil {
		return err
	}
	r := old.clone()
	if err := r.importable(i.method); err != nil {
		return err
	}
	rule := "modify_image"
	if i.method == "copy-image" {
		rule = "copy_image"
	}
	if err := permit(q.caller, rule, r); err != nil {
		return err
	}
	if _, ok := r.properties[importTask]; ok {
		return refuse(409, "Image has active task")
	}
	if err := s.chooseStores(q, i); err != nil {
		return err
	}
	if i.method == "copy-image" {
		if done, err := i.skipPresent(r); done || err != nil {
			if err == nil {
				return q.send(http.StatusAccepted, nil)
			}
			return err
		}
	}
	if i.method == "web-download" && !downloadable(i.uri) {
		return refuse(400, "URI for web-download does not pass filtering: %s", i.uri)
	}
	now := s.second()
	t := &task{
		id: uuid.NewString(), image: id, owner: q.caller.projectID(), user: userID(q.caller.who.name), request: q.id,
		status: "processing", created: now, updated: now,
		input: map[string]any{"image_id": id, "import_req": i.body, "backend": i.stores},
	}
	s.tasks[t.id] = t
	r.properties[importTask] = &t.id
	r.merge(importingTo, i.stores)
	r.merge(failedImport, nil)
	delete(r.properties, stageHost)
	if i.method != "copy-image" {
		if err := r.setStatus(importing); err != nil {
			return err
		}
	}
	r.updated = now
	s.all[id] = r
	s.work.Go(func() { s.runImport(t, i, time.After(s.delay)) })
	return q.send(http.StatusAccepted, nil)
}

// importable refuses an image that is in the wrong state for a method.
func (r *record) importable(method string) error {
	switch {
	case r.status == active && method != "copy-image":
		return refuse(409, "Image with status active cannot be target for import")
	case r.status != active && method == "copy-image":
		return refuse(409, "Only images with status active can be targeted for copying")
	case r.status != queued && method == "web-download":
		return refuse(409, "Image needs to be in 'queued' state to use '%s' method", method)
	case r.status != uploading && method == "glance-direct":
		return refuse(409, "Image needs to be staged before 'glance-direct' method can be used")
	case text(r.containerFormat) == "":
		return refuse(409, "'container_format' needs to be set before import")
	case text(r.diskFormat) == "":
		return refuse(409, "'disk_format' needs to be set before import")
	}
	return nil
}

// skipPresent leaves out the stores that have the data already, and reports
// whether none is left.
func (i *importRequest) skipPresent(r *record) (bool, error) {
	for _, store := range r.stores() {
		if !slices.Contains(i.stores, store) {
			continue
		}
		if !i.toAll {
			return false, refuse(400, "Image is already present at store '%s'", store)
		}
		i.stores = slices.DeleteFunc(i.stores, func(s string) bool { return s == store })
	}
	return len(i.stores) == 0, nil
}

// downloadable lets through what is on this machine: a sandbox has no business
// in the network. Glance's own filter has other defaults, but answers alike.
func downloadable(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") &&
		slices.Contains([]string{"127.0.0.1", "::1", "localhost"}, u.Hostname())
}

// merge adds stores to a list that is kept as a property.
func (r *record) merge(property string, stores []string) {
	set := map[string]bool{}
	for _, store := range append(strings.Split(text(r.properties[property]), ","), stores...) {
		if store != "" {
			set[store] = true
		}
	}
	r.properties[property] = new(strings.Join(slices.Sorted(maps.Keys(set)), ","))
}

// runImport does the work of an import once ready fires.
func (s *imageService) runImport(t *task, i *importRequest, ready <-chan time.Time) {
	select {
	case <-ready:
	case <-s.ctx.Done():
		return
	}
	data, err := s.importData(t, i)
	s.mu.Lock()
	defer s.mu.Unlock()
	t.updated = s.second()
	r := s.all[t.image]
	if r == nil {
		if data != nil {
			data.remove()
		}
		t.status, t.message = "failure", "the image was deleted"
		return
	}
	r = r.clone()
	s.all[t.image] = r
	r.staged = nil
	if err != nil {
		r.merge(failedImport, i.stores)
	} else {
		err = s.distribute(r, i, data)
	}
	r.properties[importingTo] = new("")
	delete(r.properties, importTask)
	r.updated = s.second()
	if err == nil {
		t.status, t.message = "success", fmt.Sprintf("Copied %d MiB", data.size>>20)
		r.status = active
		return
	}
	// What went wrong is in Glance's log only.
	t.status, t.message = "failure", "Task failed due to Internal Error"
	if i.method == "web-download" || errors.Is(err, errNoStore) {
		r.status, r.size, r.virtualSize = queued, nil, nil
	}
	// What was staged and could not be imported stays in status importing.
	if data != nil && data.users == 0 {
		data.remove()
	}
}

// errNoStore is an import that nothing came of, though nothing went wrong.
var errNoStore = errors.New("no store has taken the data")

// distribute puts data into the stores of an import: all of them or none, or as
// many as will take it. The lock must be held.
func (s *imageService) distribute(r *record, i *importRequest, data *blob) error {
	before := len(r.locations)
	for _, store := range i.stores {
		err := s.bring(r, i, data, store)
		if err == nil {
			continue
		}
		r.merge(failedImport, []string{store})
		if i.allMust {
			for _, l := range r.locations[before:] {
				s.drop(l)
			}
			if before == 0 && len(r.locations) > 0 {
				r.checksum, r.hashAlgo, r.hashValue, r.size = nil, nil, nil, nil
			}
			r.locations = r.locations[:before]
			return err
		}
	}
	if len(r.locations) == 0 {
		return errNoStore
	}
	return nil
}

// bring puts data into one store.
func (s *imageService) bring(r *record, i *importRequest, data *blob, store string) error {
	if room := s.room(store); room >= 0 && room < data.size {
		return errFull
	}
	if i.method == "copy-image" {
		s.put(r, store, data)
		return nil
	}
	virtual, err := s.virtualSize(r, data)
	if err != nil {
		return err
	}
	r.virtualSize = virtual
	s.keep(r, data, store)
	return nil
}

// importData gets at the data that an import shall bring.
func (s *imageService) importData(t *task, i *importRequest) (*blob, error) {
	if i.method == "web-download" {
		return s.fetch(s.ctx, i.uri)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.all[t.image]
	switch {
	case r == nil:
		return nil, errors.New("the image was deleted")
	case i.method == "glance-direct":
		return r.staged, nil
	case r.locations[0].data == nil:
		return newBlob(s.dir, io.LimitReader(zeroReader{}, value(r.size)), -1)
	}
	return r.locations[0].data, nil
}

// localClient fetches from this machine only, wherever an answer may send it.
func localClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(q *http.Request, before []*http.Request) error {
			if len(before) >= 10 || !downloadable(q.URL.String()) {
				return fmt.Errorf("redirected to %s", q.URL.Redacted())
			}
			return nil
		},
	}
}

func (s *imageService) fetch(ctx context.Context, address string) (*blob, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := s.web.Do(q)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %s", answer.Status)
	}
	if answer.ContentLength < 0 {
		// Glance takes the length for a number, and falls over.
		return nil, errors.New("the answer does not state its length")
	}
	return newBlob(s.dir, answer.Body, -1)
}

// imageTasks lists the imports of an image.
func (s *imageService) imageTasks(q *request, id string) error {
	if err := noBody(q); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.find(q, id)
	if err != nil || !allowed(q.caller, "get_image", r) {
		return &refusal{status: http.StatusNotFound}
	}
	list := []any{}
	for _, t := range s.tasks {
		if t.image == id && (q.caller.has("admin") || t.owner == q.caller.projectID()) {
			list = append(list, t.view())
		}
	}
	return q.send(http.StatusOK, map[string]any{"tasks": list})
}

func (s *imageService) listStores(q *request) error {
	var list []any
	for i, store := range s.stores {
		view := map[string]any{"id": store.ID}
		if store.Description != "" {
			view["description"] = store.Description
		}
		if i == 0 {
			view["default"] = "true"
		}
		list = append(list, view)
	}
	return q.send(http.StatusOK, map[string]any{"stores": list})
}

func (s *imageService) importMethods(q *request) error {
	return q.send(http.StatusOK, map[string]any{"import-methods": map[string]any{
		"description": "Import methods available.", "type": "array", "value": importMethods,
	}})
}
