// Package image holds one Glance image as a value: identity, base fields and
// string properties. It knows nothing of HTTP, JSON or where the image came
// from, and imports the standard library only.
package image

import (
	"maps"
	"slices"
	"time"
)

// Image is one image record of Glance's API v2. The zero value of a text field
// means that Glance holds null or nothing there, with the exception of the
// name (see Unnamed).
type Image struct {
	ID   string
	Name string
	// Unnamed reports that Glance holds null as the name, which is not the
	// same as an empty text: a rollback has to put back the one that was there.
	Unnamed bool

	Status     string // queued, saving, uploading, importing, active, killed, deleted, pending_delete, deactivated
	Visibility string // public, private, shared, community
	Owner      string // project id
	Protected  bool
	Hidden     bool // os_hidden

	ContainerFormat string
	DiskFormat      string
	MinDisk         int64 // GiB
	MinRAM          int64 // MiB

	// Size and VirtualSize are in bytes; nil where Glance holds null, as it
	// does until data has arrived.
	Size        *int64
	VirtualSize *int64

	Checksum  string // MD5, hexadecimal
	HashAlgo  string // os_hash_algo, such as sha512
	HashValue string // os_hash_value, hexadecimal

	Tags      []string // sorted
	CreatedAt time.Time
	UpdatedAt time.Time // whole seconds: two changes within one second look alike

	// Properties are the custom properties, by their names as Glance has them.
	// Null is not a value here: see Nulls.
	Properties map[string]string
	// Nulls names the custom properties that Glance holds as null, which only
	// its schema-image.json allows (kernel_id, ramdisk_id).
	Nulls []string

	// Extra are the server's own answers that are neither base fields nor
	// custom properties: file, self, schema, stores, direct_url, locations and
	// os_glance_*, decoded as encoding/json does.
	Extra map[string]any
}

// Clone returns a copy that shares no map or slice with i.
func (i Image) Clone() Image {
	i.Tags = slices.Clone(i.Tags)
	i.Nulls = slices.Clone(i.Nulls)
	i.Properties = maps.Clone(i.Properties)
	i.Extra = maps.Clone(i.Extra)
	return i
}

// TextField is the base field of the name, where it is one that holds a text, to
// be filled by a reader of records: nil for all other names.
func (i *Image) TextField(name string) *string {
	switch name {
	case "id":
		return &i.ID
	case "name":
		return &i.Name
	case "status":
		return &i.Status
	case "visibility":
		return &i.Visibility
	case "owner":
		return &i.Owner
	case "container_format":
		return &i.ContainerFormat
	case "disk_format":
		return &i.DiskFormat
	case "checksum":
		return &i.Checksum
	case "os_hash_algo":
		return &i.HashAlgo
	case "os_hash_value":
		return &i.HashValue
	}
	return nil
}

// Value returns what the image holds under the name of a base field or custom
// property: string, int64, bool or []string, as Glance's JSON has it, and nil
// where it holds nothing.
func (i Image) Value(name string) any {
	text := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	switch name {
	case "name":
		if i.Unnamed {
			return nil
		}
		return i.Name
	case "visibility":
		return text(i.Visibility)
	case "owner":
		return text(i.Owner)
	case "container_format":
		return text(i.ContainerFormat)
	case "disk_format":
		return text(i.DiskFormat)
	case "protected":
		return i.Protected
	case "os_hidden":
		return i.Hidden
	case "min_disk":
		return i.MinDisk
	case "min_ram":
		return i.MinRAM
	case "tags":
		return i.Tags
	}
	if v, ok := i.Properties[name]; ok {
		return v
	}
	return nil
}

// IsID reports whether a text has the form of Glance's ids (glance/schema.py,
// the pattern of the image's id): 8-4-4-4-12 hexadecimal digits.
func IsID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i, c := range []byte(text) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		digit := '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
		if dash != (c == '-') || !dash && !digit {
			return false
		}
	}
	return true
}
