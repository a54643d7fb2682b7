package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

const (
	maxProperties = 128
	maxTags       = 128
	maxMembers    = 128
	maxNameChars  = 255
	reservedSpace = "os_glance"
	stageHost     = "os_glance_stage_host"
	importTask    = "os_glance_import_task"
)

// ownStores are Glance's working places, which it names among the stores.
var ownStores = []string{"os_glance_staging_store", "os_glance_tasks_store"}

// The names that only Glance itself may set (glance/api/v2/images.py,
// RequestDeserializer; glance/domain/__init__.py, ImageFactory).
var (
	disallowed     = []string{"direct_url", "self", "file", "schema", "stores"}
	readOnlyPatch  = []string{"created_at", "updated_at", "status", "checksum", "size", "virtual_size", "direct_url", "self", "file", "schema", "id", "os_hash_algo", "os_hash_value"}
	readOnlyCreate = []string{"created_at", "updated_at", "status", "checksum", "size", "virtual_size"}
	reserved       = []string{"location", "deleted", "deleted_at"}
)

func readOnly(name string) error { return refuse(403, "Attribute '%s' is read-only.", name) }

func isReserved(name string) bool {
	return slices.Contains(reserved, name) || strings.HasPrefix(name, reservedSpace)
}

func (s *imageService) show(q *request, id string) error {
	if err := noBody(q); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.find(q, id)
	if err != nil {
		return err
	}
	if err := permit(q.caller, "get_image", r); err != nil {
		return err
	}
	return q.send(http.StatusOK, r.view(q.caller))
}

func (s *imageService) create(q *request) error {
	body, err := readJSON(q)
	if err != nil {
		return err
	}
	image, isObject := body.(map[string]any)
	if !isObject {
		return &refusal{status: http.StatusInternalServerError}
	}
	if err := checkNew(image); err != nil {
		return err
	}
	now := s.second()
	r := &record{status: queued, visibility: "shared", created: now, updated: now, properties: map[string]*string{}}
	owner, stated := image["owner"]
	if !stated {
		owner = q.caller.projectID()
	}
	r.id = uuid.NewString()
	if id, ok := image["id"].(string); ok {
		r.id = id
	}
	r.set("owner", owner)
	visibility, _ := image["visibility"].(string)
	if err := permitNew(q.caller, r, visibility); err != nil {
		return err
	}
	for _, name := range readOnlyCreate {
		if _, ok := image[name]; ok {
			return readOnly(name)
		}
	}
	if _, ok := image["locations"]; ok {
		return refuse(403, "Attribute 'locations' is reserved.")
	}
	for _, name := range slices.Sorted(maps.Keys(image)) {
		if name == "id" || name == "owner" {
			continue
		}
		if err := r.set(name, image[name]); err != nil {
			return err
		}
	}
	if len(r.properties) > maxProperties {
		return tooManyProperties(len(r.properties))
	}
	if err := r.storable(nil); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// The record of a deleted image stays in Glance's database.
	if s.ids[r.id] {
		return refuse(409, "Image ID %s already exists!", r.id)
	}
	s.all[r.id], s.ids[r.id] = r, true
	q.w.Header().Set("Location", baseURL(q.Request)+"/image/v2/images/"+r.id)
	q.w.Header().Set("Openstack-Image-Import-Methods", strings.Join(importMethods, ","))
	q.w.Header().Set("Openstack-Image-Store-Ids", strings.Join(append(s.storeIDs(), ownStores...), ","))
	return q.send(http.StatusCreated, r.view(q.caller))
}

// checkNew is what Glance finds wrong before it asks who wants it.
func checkNew(image map[string]any) error {
	for _, name := range disallowed {
		if _, ok := image[name]; ok {
			return readOnly(name)
		}
	}
	if err := validate(image); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(image)) {
		if isBase(name) {
			continue
		}
		if utf8.RuneCountInString(name) > maxNameChars {
			return refuse(400, "Custom property should not be greater than 255 characters.")
		}
		if isReserved(name) {
			return &refusal{status: 403, detail: fmt.Sprintf("Attribute '%s' is reserved.", name)}
		}
	}
	return nil
}

func permitNew(t *token, r *record, visibility string) error {
	if !allowed(t, "add_image", r) {
		if text(r.owner) != t.projectID() {
			owner := "None"
			if r.owner != nil {
				owner = *r.owner
			}
			return &refusal{status: 403, detail: fmt.Sprintf("You are not permitted to create images owned by '%s'", owner)}
		}
		return refuse(403, "You are not authorized to complete add_image action.")
	}
	if visibility == "public" && !allowed(t, "publicize_image", r) {
		return refuse(403, "You are not authorized to complete publicize_image action.")
	}
	return nil
}

func tooManyProperties(n int) error {
	return refuse(413, "The limit has been exceeded on the number of allowed image properties. Attempted: %d, Maximum: %d", n, maxProperties)
}

// set puts a validated value into the record.
func (r *record) set(name string, value any) error {
	optional := func(into **string) {
		*into = nil
		if s, ok := value.(string); ok {
			*into = &s
		}
	}
	whole := func(into *int64) error {
		n, _ := integer(value.(json.Number))
		if n < 0 {
			return refuse(400, "Invalid value '%d' for parameter '%s': Cannot be a negative value", n, name)
		}
		*into = n
		return nil
	}
	var custom *string
	switch name {
	case "name":
		optional(&r.name)
	case "owner":
		optional(&r.owner)
		if text(r.owner) == "" {
			r.owner = nil
		}
	case "disk_format", "container_format":
		if r.status != queued && r.status != importing {
			return refuse(403, "Attribute %s can be only replaced for a queued image.", name)
		}
		if name == "disk_format" {
			optional(&r.diskFormat)
		} else {
			optional(&r.containerFormat)
		}
	case "visibility":
		r.visibility = value.(string)
	case "protected":
		r.protected = value.(bool)
	case "os_hidden":
		r.hidden = value.(bool)
	case "min_disk":
		return whole(&r.minDisk)
	case "min_ram":
		return whole(&r.minRAM)
	case "tags":
		var tags []string
		for _, tag := range value.([]any) {
			tags = append(tags, tag.(string))
		}
		slices.Sort(tags)
		tags = slices.Compact(tags)
		if len(tags) > maxTags {
			return tooManyTags(len(tags))
		}
		r.tags = tags
	default:
		optional(&custom)
		r.properties[name] = custom
	}
	return nil
}

func tooManyTags(n int) error {
	return refuse(413, "The limit has been exceeded on the number of allowed image tags. Attempted: %d, Maximum: %d", n, maxTags)
}

// storable checks what Glance's database would refuse of a record that shall
// take the place of old, which is nil for a new one (glance/db/sqlalchemy/api.py,
// _validate_db_int, _set_properties_for_image, _image_tag_delete;
// glance/common/utils.py, no_4byte_params).
func (r *record) storable(old *record) error {
	for _, f := range []struct {
		name  string
		value int64
	}{{"min_disk", r.minDisk}, {"min_ram", r.minRAM}} {
		if f.value > math.MaxInt32 {
			return refuse(400, "'%s' value out of range, must not exceed %d.", f.name, math.MaxInt32)
		}
	}
	fields := map[string]*string{"name": r.name, "owner": r.owner}
	maps.Copy(fields, r.properties)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if beyondBasicPlane(name) {
			return refuse(400, "Property names can't contain 4 byte unicode.")
		}
		if beyondBasicPlane(text(fields[name])) {
			return refuse(400, "%s can't contain 4 byte unicode characters.", pythonTitle(name))
		}
	}
	if slices.ContainsFunc(r.tags, beyondBasicPlane) {
		return refuse(400, "Param values can't contain 4 byte unicode.")
	}
	// A property keeps its row when it is removed, and rows are unique by
	// MariaDB's idea of equal names.
	for _, name := range slices.Sorted(maps.Keys(r.properties)) {
		if slices.Contains(r.named, name) {
			continue
		}
		if slices.ContainsFunc(r.named, func(other string) bool { return equal(other, name) }) {
			return &refusal{status: http.StatusInternalServerError}
		}
		r.named = append(r.named, name)
	}
	if old == nil {
		return nil
	}
	// Tags are not unique, but one that is removed must be found only once.
	for _, tag := range old.tags {
		gone := !slices.Contains(r.tags, tag)
		if gone && slices.ContainsFunc(old.tags, func(other string) bool { return other != tag && equal(other, tag) }) {
			return &refusal{status: http.StatusInternalServerError}
		}
	}
	return nil
}

func beyondBasicPlane(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool { return c > 0xffff })
}

// pythonTitle writes the first letter of each word large, as str.title does.
func pythonTitle(s string) string {
	inWord := false
	return strings.Map(func(c rune) rune {
		first := unicode.IsLetter(c) && !inWord
		inWord = unicode.IsLetter(c)
		if first {
			return unicode.ToTitle(c)
		}
		return unicode.ToLower(c)
	}, s)
}

// change is one step of a JSON patch that has passed the checks that need no
// image.
type change struct {
	op    string
	name  string
	value any
}

const (
	patchDraft4  = "application/openstack-images-v2.0-json-patch"
	patchDraft10 = "application/openstack-images-v2.1-json-patch"
)

func (s *imageService) update(q *request, id string) error {
	kind, _, _ := mime.ParseMediaType(contentType(q.Request))
	if kind != patchDraft4 && kind != patchDraft10 {
		return &refusal{status: http.StatusUnsupportedMediaType,
			header: http.Header{"Accept-Patch": {patchDraft4 + ", " + patchDraft10}}}
	}
	body, err := readJSON(q)
	if err != nil {
		return err
	}
	list, isList := body.([]any)
	if !isList {
		return refuse(400, "Request body must be a JSON array of operation objects.")
	}
	var changes []change
	for _, raw := range list {
		step, err := readChange(raw, kind)
		if err != nil {
			return err
		}
		changes = append(changes, step)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.find(q, id)
	if err != nil {
		return err
	}
	r := old.clone()
	for _, step := range changes {
		if err := r.apply(q.caller, step, kind == patchDraft4); err != nil {
			return err
		}
	}
	if len(changes) == 0 {
		return q.send(http.StatusOK, r.view(q.caller))
	}
	custom, grown := 0, false
	for name := range r.properties {
		if !strings.HasPrefix(name, reservedSpace) {
			custom++
		}
		if _, ok := old.properties[name]; !ok {
			grown = true
		}
	}
	if grown && custom > maxProperties {
		return tooManyProperties(custom)
	}
	if err := r.storable(old); err != nil {
		return err
	}
	r.updated = s.second()
	s.all[id] = r
	return q.send(http.StatusOK, r.view(q.caller))
}

func readChange(raw any, kind string) (change, error) {
	step, isObject := raw.(map[string]any)
	if !isObject {
		return change{}, refuse(400, "Operations must be JSON objects.")
	}
	c := change{}
	var pointer any
	if kind == patchDraft10 {
		op, ok := step["op"]
		if !ok || op == nil {
			return c, refuse(400, "Unable to find `op` in JSON Schema change. It must be one of the following: add, remove, replace.")
		}
		c.op, _ = op.(string)
		if c.op != "add" && c.op != "remove" && c.op != "replace" {
			return c, refuse(400, "Invalid operation: `%s`. It must be one of the following: add, remove, replace.", str(op))
		}
		if pointer, ok = step["path"]; !ok {
			return c, refuse(400, "Unable to find 'path' in JSON Schema change")
		}
	} else {
		for _, op := range []string{"add", "remove", "replace"} {
			if at, ok := step[op]; ok {
				if c.op != "" {
					return c, refuse(400, `Operation objects must contain only one member named "add", "remove", or "replace".`)
				}
				c.op, pointer = op, at
			}
		}
		if c.op == "" {
			return c, refuse(400, `Operation objects must contain exactly one member named "add", "remove", or "replace".`)
		}
	}
	where, isText := pointer.(string)
	if !isText {
		return c, &refusal{status: http.StatusInternalServerError}
	}
	path, err := readPointer(where)
	if err != nil {
		return c, err
	}
	c.name = path[0]
	depth := 1
	if c.name == "locations" && c.op != "replace" {
		depth = 2
	}
	if len(path) != depth {
		return c, refuse(400, "Invalid JSON pointer for this resource: '/%s'", strings.Join(path, "/"))
	}
	if c.op != "remove" {
		value, ok := step["value"]
		if !ok {
			return c, refuse(400, `Operation "%s" requires a member named "value".`, c.op)
		}
		c.value = value
	}
	if slices.Contains(readOnlyPatch, c.name) {
		return c, readOnly(c.name)
	}
	if isReserved(c.name) {
		return c, refuse(403, "Attribute '%s' is reserved.", c.name)
	}
	if c.op != "remove" && depth == 1 {
		return c, validate(map[string]any{c.name: c.value})
	}
	return c, nil
}

// str writes a value as Python's % does.
func str(value any) string {
	if s, ok := value.(string); ok {
		return s
	}
	return repr(value)
}

var (
	adjacent  = regexp.MustCompile(`/\s*?/`)
	badEscape = regexp.MustCompile(`~[^01]`)
)

// readPointer splits a JSON pointer into its unescaped parts, with blanks
// around each taken off, as Glance does.
func readPointer(pointer string) ([]string, error) {
	switch {
	case !strings.HasPrefix(pointer, "/"):
		return nil, refuse(400, "Pointer `%s` does not start with \"/\".", pointer)
	case adjacent.MatchString(pointer[1:]):
		return nil, refuse(400, "Pointer `%s` contains adjacent \"/\".", pointer)
	case len(pointer) > 1 && strings.HasSuffix(pointer, "/"):
		return nil, refuse(400, "Pointer `%s` end with \"/\".", pointer)
	case strings.TrimSpace(pointer[1:]) == "/":
		return nil, refuse(400, "Pointer `%s` does not contains valid token.", pointer)
	case badEscape.MatchString(pointer) || strings.HasSuffix(pointer, "~"):
		return nil, refuse(400, "Pointer `%s` contains \"~\" not part of a recognized escape sequence.", pointer)
	}
	parts := strings.Split(strings.TrimLeft(pointer, "/"), "/")
	for i, part := range parts {
		parts[i] = strings.TrimSpace(strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~"))
	}
	return parts, nil
}

// apply does one step of a patch (glance/api/v2/images.py, _do_add and others).
func (r *record) apply(t *token, step change, draft4 bool) error {
	if step.name == "locations" {
		if step.op == "remove" && !t.has("admin") {
			return refuse(403, "You are not authorized to complete delete_image_location action.")
		}
		// show_multiple_locations is off, as it is unless switched on.
		what := map[string]string{"add": "add", "replace": "update", "remove": "remove"}[step.op]
		if step.op == "replace" && isEmpty(step.value) {
			return &refusal{status: 403, detail: "Cannot set locations to empty list."}
		}
		return refuse(403, "It's not allowed to %s locations if locations are invisible.", what)
	}
	if step.name == "owner" && step.op == "replace" && !t.has("admin") {
		return &refusal{status: 403, detail: "Owner can't be updated by non admin."}
	}
	if step.name == "visibility" {
		if v, ok := step.value.(string); ok {
			if err := permitVisibility(t, v, r); err != nil {
				return err
			}
		}
	}
	if err := permit(t, "modify_image", r); err != nil {
		return err
	}
	_, there := r.properties[step.name]
	base := isBase(step.name) || attributes[step.name] != ""
	switch {
	case step.op == "remove" && base:
		return &refusal{status: 403, detail: "Property " + step.name + " may not be removed."}
	case step.op != "add" && !base && !there:
		return &refusal{status: 409, detail: "Property " + step.name + " does not exist."}
	case step.op == "add" && draft4 && (base || there):
		return &refusal{status: 409, detail: "Property " + step.name + " already present."}
	case step.op == "remove":
		delete(r.properties, step.name)
		return nil
	}
	switch attributes[step.name] {
	case breaks:
		return &refusal{status: http.StatusInternalServerError}
	case loses:
		return refuse(404, "No image found with ID %s", str(step.value))
	case vanishes:
		return nil
	}
	return r.set(step.name, step.value)
}

// attributes are the names that Glance's own object for an image has beside
// its fields. A patch of a property of that name changes the object instead,
// which does nothing that lasts, or breaks it (glance/api/v2/images.py, _do_add;
// glance/notifier.py, ImageProxy). A new image may have them as properties.
var attributes = map[string]string{
	"base": breaks, "extra_properties": breaks, "image_id": loses,
	"member": vanishes, "context": vanishes, "repo": vanishes, "notifier": vanishes, "helper": vanishes,
	"delete": vanishes, "deactivate": vanishes, "reactivate": vanishes, "get_data": vanishes, "set_data": vanishes,
	"get_payload": vanishes, "get_super_class": vanishes, "send_notification": vanishes,
}

const (
	breaks   = "answers 500"
	loses    = "looks for another image"
	vanishes = "does nothing"
)

func isEmpty(value any) bool {
	list, isList := value.([]any)
	return value == nil || isList && len(list) == 0
}

func (s *imageService) remove(q *request, id string) error {
	if err := noBody(q); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.all[id]
	if r == nil || !visible(q.caller, r) {
		return refuse(404, "Failed to find image %s to delete", id)
	}
	if err := permit(q.caller, "delete_image", r); err != nil {
		return err
	}
	if r.protected {
		return refuse(403, "Image %s is protected and cannot be deleted.", id)
	}
	for _, l := range r.locations {
		s.drop(l)
	}
	if r.staged != nil {
		r.staged.remove()
	}
	delete(s.all, id)
	maps.DeleteFunc(s.tasks, func(_ string, t *task) bool { return t.image == id })
	return q.send(http.StatusNoContent, nil)
}

// act deactivates or reactivates an image, which does nothing to one that is
// there already.
func (s *imageService) act(q *request, id, action, from, to string) error {
	if err := noBody(q); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.find(q, id)
	if err != nil {
		return err
	}
	if err := permit(q.caller, action, r); err != nil {
		return err
	}
	switch r.status {
	case from:
		r.status, r.updated = to, s.second()
	case to:
	default:
		return refuse(403, "Not allowed to %s image in status '%s'", action, r.status)
	}
	return q.send(http.StatusNoContent, nil)
}
