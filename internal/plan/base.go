package plan

import (
	"slices"

	"glance-profile/internal/image"
)

var baseFields = []string{"name", "visibility", "owner", "container_format", "disk_format", "protected", "os_hidden", "min_disk", "min_ram", "tags"}

// BaseFields returns the names of the base fields that can be changed.
func BaseFields() []string { return slices.Clone(baseFields) }

// IsBase reports whether a name is that of a base field that can be changed,
// rather than of a custom property. A base field is never absent, so it is
// replaced where a property is added or removed. Source:
// glance/api/v2/images.py, get_base_properties.
func IsBase(name string) bool {
	return slices.Contains(baseFields, name)
}

// For returns an empty plan of an action for an image. Where the image is
// (cloud, endpoint, region, project) is the caller's to fill in.
func For(img image.Image, action string) Image {
	return Image{Action: action, ID: img.ID, Name: img.Name, Changes: []Change{}}
}
