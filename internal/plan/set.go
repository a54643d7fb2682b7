package plan

import (
	"cmp"
	"slices"

	"glance-profile/internal/image"
)

// Wanted is a value that a property or base field shall have. Nil removes a
// property, and empties a base field that Glance lets be empty.
type Wanted struct {
	Property string
	After    any // string, int64, bool, []string or nil, as at Change
	Why      string
}

// Set returns the changes that give an image the wanted values, sorted by
// property; what it has already is no change. Of several values for one
// property the last counts. With onlyMissing a value that is there is kept,
// and removals are carried out all the same: a property is there whatever its
// text, a base field unless it has what Glance gives it by itself (no name, 0,
// false). Tags are a set, to which one more takes nothing away.
func Set(img image.Image, wanted []Wanted, onlyMissing bool) Image {
	p := For(img, ActionChange)
	last := map[string]Wanted{}
	for _, w := range wanted {
		last[w.Property] = w
	}
	for _, w := range last {
		before := img.Value(w.Property)
		if Equal(before, w.After) || onlyMissing && w.After != nil && w.Property != "tags" && !missing(w.Property, before) {
			continue
		}
		p.Changes = append(p.Changes, Change{Property: w.Property, Before: before, After: w.After, Why: w.Why})
	}
	slices.SortFunc(p.Changes, func(a, b Change) int { return cmp.Compare(a.Property, b.Property) })
	return p
}

func missing(name string, v any) bool {
	if !IsBase(name) {
		return v == nil
	}
	tags, isList := v.([]string)
	return v == nil || v == "" || v == int64(0) || v == false || isList && len(tags) == 0
}

// After returns the image as it is once a plan for it is carried out. What a
// plan cannot change (its data, its times) stays.
func After(img image.Image, p Image) image.Image {
	img = img.Clone()
	if img.Properties == nil {
		img.Properties = map[string]string{}
	}
	for _, c := range p.Changes {
		if !IsBase(c.Property) {
			if text, ok := c.After.(string); ok {
				img.Properties[c.Property] = text
			} else {
				delete(img.Properties, c.Property)
			}
			continue
		}
		text, _ := c.After.(string)
		number, _ := c.After.(int64)
		yes, _ := c.After.(bool)
		switch c.Property {
		case "name":
			img.Name, img.Unnamed = text, c.After == nil
		case "visibility":
			img.Visibility = text
		case "owner":
			img.Owner = text
		case "container_format":
			img.ContainerFormat = text
		case "disk_format":
			img.DiskFormat = text
		case "protected":
			img.Protected = yes
		case "os_hidden":
			img.Hidden = yes
		case "min_disk":
			img.MinDisk = number
		case "min_ram":
			img.MinRAM = number
		case "tags":
			img.Tags, _ = c.After.([]string)
		}
	}
	return img
}
