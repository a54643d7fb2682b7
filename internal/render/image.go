package render

import (
	"slices"
	"time"

	"glance-profile/internal/image"
)

// ImageFields are the names of the fields that an image can have, in the order
// in which they are shown: alphabetically, as `openstack image show` has them
// (python-openstackclient, openstackclient/image/v2/image.py, _format_image).
func ImageFields() []string {
	return []string{
		"checksum", "container_format", "created_at", "disk_format", "file", "id",
		"min_disk", "min_ram", "name", "owner", "properties", "protected", "schema",
		"size", "status", "tags", "updated_at", "virtual_size", "visibility",
	}
}

// ImageRecord returns an image as `openstack image show` presents it: what
// Glance holds as null is left out, and os_hidden, os_hash_algo, os_hash_value
// and the server's own direct_url, locations and stores stand among the
// properties. Unlike there, property values are the texts that Glance holds:
// openstacksdk (openstack/image/v2/image.py) turns hw_boot_menu=false into
// True and hw_video_ram=64MB into 0.
func ImageRecord(img image.Image) Record {
	values := map[string]any{
		"checksum":         textOrNil(img.Checksum),
		"container_format": textOrNil(img.ContainerFormat),
		"created_at":       timeOrNil(img.CreatedAt),
		"disk_format":      textOrNil(img.DiskFormat),
		"file":             img.Extra["file"],
		"id":               textOrNil(img.ID),
		"min_disk":         img.MinDisk,
		"min_ram":          img.MinRAM,
		"name":             img.Name,
		"owner":            textOrNil(img.Owner),
		"properties":       imageProperties(img),
		"protected":        img.Protected,
		"schema":           img.Extra["schema"],
		"size":             numberOrNil(img.Size),
		"status":           textOrNil(img.Status),
		"tags":             img.Tags,
		"updated_at":       timeOrNil(img.UpdatedAt),
		"virtual_size":     numberOrNil(img.VirtualSize),
		"visibility":       textOrNil(img.Visibility),
	}
	if img.Unnamed {
		values["name"] = nil
	}
	var record Record
	for _, name := range ImageFields() {
		if v := values[name]; v != nil {
			record = append(record, Field{name, v})
		}
	}
	return record
}

// imageProperties is the member "properties" of a shown image.
func imageProperties(img image.Image) map[string]any {
	shown := map[string]any{"os_hidden": img.Hidden}
	if img.HashAlgo != "" {
		shown["os_hash_algo"] = img.HashAlgo
	}
	if img.HashValue != "" {
		shown["os_hash_value"] = img.HashValue
	}
	topLevel := append(ImageFields(), "self")
	for name, v := range img.Extra {
		if !slices.Contains(topLevel, name) {
			shown[name] = v
		}
	}
	for name, v := range img.Properties {
		shown[name] = v
	}
	return shown
}

func textOrNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func numberOrNil(n *int64) any {
	if n == nil {
		return nil
	}
	return *n
}

func timeOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}
