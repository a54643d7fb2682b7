package plan

import "glance-profile/internal/image"

// IsBase reports whether a name is that of a base field that can be changed,
// rather than of a custom property. A base field is never absent, so it is
// replaced where a property is added or removed. Source:
// glance/api/v2/images.py, get_base_properties.
func IsBase(name string) bool {
	switch name {
	case "name", "visibility", "owner", "container_format", "disk_format",
		"protected", "os_hidden", "min_disk", "min_ram", "tags":
		return true
	}
	return false
}

// For returns an empty plan of an action for an image. Where the image is
// (cloud, endpoint, region, project) is the caller's to fill in.
func For(img image.Image, action string) Image {
	return Image{Action: action, ID: img.ID, Name: img.Name, Changes: []Change{}}
}
