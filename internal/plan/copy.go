package plan

import (
	"cmp"
	"slices"

	"glance-profile/internal/image"
)

// Copy plans a new image that is like img once changed, a plan for img, is
// carried out, but for its id and name. Its owner, and whether it is hidden,
// are not taken over.
func Copy(img image.Image, changed Image, id, name string) Image {
	p := Image{Action: ActionCreate, ID: id, Name: name}
	why := map[string]string{"name": "the new image's name"}
	for _, c := range changed.Changes {
		why[c.Property] = c.Why
	}
	img = After(img, changed)
	add := func(property string, value any) {
		if missing(property, value) {
			return // Glance gives it to every image by itself
		}
		because, changed := why[property]
		if !changed {
			because = "as image " + img.ID + " has it"
		}
		p.Changes = append(p.Changes, Change{Property: property, After: value, Why: because})
	}
	add("name", name)
	for _, field := range []string{"container_format", "disk_format", "visibility", "min_disk", "min_ram", "protected", "tags"} {
		add(field, img.Value(field))
	}
	for property, value := range img.Properties {
		add(property, value)
	}
	slices.SortFunc(p.Changes, func(a, b Change) int { return cmp.Compare(a.Property, b.Property) })
	return p
}
