package sandbox

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// The states of an image (glance/domain/__init__.py, Image.valid_state_targets).
const (
	queued      = "queued"
	saving      = "saving"
	uploading   = "uploading"
	importing   = "importing"
	active      = "active"
	deactivated = "deactivated"
)

// record is one image. A nil pointer is a null of Glance's.
type record struct {
	id              string
	name            *string
	status          string
	visibility      string
	owner           *string
	protected       bool
	hidden          bool
	containerFormat *string
	diskFormat      *string
	minDisk         int64
	minRAM          int64
	size            *int64
	virtualSize     *int64
	checksum        *string
	hashAlgo        *string
	hashValue       *string
	tags            []string // sorted, each once
	properties      map[string]*string
	named           []string // properties that the image has or once had
	created         time.Time
	updated         time.Time

	locations []location
	staged    *blob
	members   []member
}

// location is one copy of an image's data.
type location struct {
	store string
	data  *blob // nil: zeros, for an image that came from a seed
}

// member is a project that an image is shared with.
type member struct {
	id      string
	status  string
	created time.Time
	updated time.Time
}

// clone shares nothing with r that an update changes in place.
func (r *record) clone() *record {
	c := *r
	c.tags = slices.Clone(r.tags)
	c.properties = maps.Clone(r.properties)
	c.named = slices.Clone(r.named)
	c.locations = slices.Clone(r.locations)
	c.members = slices.Clone(r.members)
	return &c
}

func (r *record) member(project string) *member {
	for i := range r.members {
		if r.members[i].id == project {
			return &r.members[i]
		}
	}
	return nil
}

func (r *record) ownedBy(project string) bool {
	return r.owner != nil && project != "" && *r.owner == project
}

// setStatus moves the image to another state, or tells why it cannot be moved.
func (r *record) setStatus(to string) *refusal {
	targets := map[string][]string{
		queued:      {saving, uploading, importing, active},
		saving:      {active, queued},
		uploading:   {importing, queued},
		importing:   {active, queued},
		active:      {deactivated},
		deactivated: {active},
	}
	if !slices.Contains(targets[r.status], to) {
		return refuse(409, "Image status transition from %s to %s is not allowed", r.status, to)
	}
	if (r.status == queued || r.status == uploading) && slices.Contains([]string{saving, active, importing}, to) {
		var without []string
		if text(r.diskFormat) == "" {
			without = append(without, "disk_format")
		}
		if text(r.containerFormat) == "" {
			without = append(without, "container_format")
		}
		switch len(without) {
		case 1:
			return refuse(400, "Property %s must be set prior to saving data.", without[0])
		case 2:
			return refuse(400, "Properties %s must be set prior to saving data.", strings.Join(without, ", "))
		}
	}
	if to == queued {
		r.size, r.virtualSize = nil, nil
	}
	r.status = to
	return nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// view is the image as Glance's JSON has it. The server's own names come last:
// a custom property of the same name is there, but not seen. Where the data of a
// deactivated image is, only an admin sees.
func (r *record) view(t *token) map[string]any {
	view := map[string]any{}
	for name, value := range r.properties {
		if name != stageHost {
			view[name] = value
		}
	}
	maps.Copy(view, map[string]any{
		"id": r.id, "name": r.name, "status": r.status, "visibility": r.visibility, "owner": r.owner,
		"protected": r.protected, "os_hidden": r.hidden, "container_format": r.containerFormat,
		"disk_format": r.diskFormat, "min_disk": r.minDisk, "min_ram": r.minRAM, "size": r.size,
		"virtual_size": r.virtualSize, "checksum": r.checksum, "os_hash_algo": r.hashAlgo,
		"os_hash_value": r.hashValue, "created_at": stamp(r.created), "updated_at": stamp(r.updated),
		"self": "/v2/images/" + r.id, "file": "/v2/images/" + r.id + "/file", "schema": "/v2/schemas/image",
		"tags": append([]string{}, r.tags...),
	})
	if len(r.locations) > 0 && (r.status != deactivated || t.has("admin")) {
		view["stores"] = strings.Join(r.stores(), ",")
	}
	return view
}

// stores names the stores that hold the image's data.
func (r *record) stores() []string {
	var stores []string
	for _, l := range r.locations {
		stores = append(stores, l.store)
	}
	return stores
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func (m *member) view(image string) map[string]any {
	return map[string]any{
		"member_id": m.id, "image_id": image, "status": m.status, "schema": "/v2/schemas/member",
		"created_at": stamp(m.created), "updated_at": stamp(m.updated),
	}
}
