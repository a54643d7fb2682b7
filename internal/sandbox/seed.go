package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// seed takes images from a JSON listing: one list, an object with a list
// "images", or one image after another.
func (s *imageService) seed(from io.Reader) error {
	decoder := json.NewDecoder(from)
	decoder.UseNumber()
	for n := 1; ; {
		var part any
		switch err := decoder.Decode(&part); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("image %d: %w", n, err)
		}
		images := []any{part}
		switch p := part.(type) {
		case []any:
			images = p
		case map[string]any:
			if list, ok := p["images"].([]any); ok {
				images = list
			}
		}
		for _, image := range images {
			if err := s.plant(image); err != nil {
				return fmt.Errorf("image %d: %w", n, err)
			}
			n++
		}
	}
}

// plant adds one image of a seed. What a record of Glance's has beside the
// fields that a client may set is taken as it is.
func (s *imageService) plant(raw any) error {
	image, isObject := raw.(map[string]any)
	if !isObject {
		return fmt.Errorf("is no JSON object but %s", repr(raw))
	}
	if err := validate(image); err != nil {
		return err
	}
	now := s.second()
	r := &record{id: uuid.NewString(), status: active, visibility: "shared", created: now, updated: now, properties: map[string]*string{}}
	for _, name := range slices.Sorted(maps.Keys(image)) {
		if err := r.plant(name, image[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	// Only now: Glance lets the formats be set on a queued image only.
	if status, ok := image["status"].(string); ok {
		r.status = status
	} else {
		r.status = active
	}
	if s.ids[r.id] {
		return fmt.Errorf("id %s is there twice", r.id)
	}
	if err := r.storable(nil); err != nil {
		return err
	}
	if r.status == active || r.status == deactivated {
		if r.size == nil {
			r.size = new(int64)
		}
		r.locations = []location{{store: s.stores[0].ID}}
	}
	s.all[r.id], s.ids[r.id] = r, true
	return nil
}

func (r *record) plant(name string, v any) error {
	optional := func(into **string) error {
		if t, ok := v.(string); ok {
			*into = &t
		}
		return nil
	}
	whole := func(into **int64) error {
		if t, ok := v.(json.Number); ok {
			n, err := strconv.ParseInt(t.String(), 10, 64)
			*into = &n
			return err
		}
		return nil
	}
	instant := func(into *time.Time) error {
		at, err := time.Parse(time.RFC3339, v.(string))
		*into = at.UTC()
		return err
	}
	switch name {
	case "id":
		r.id = v.(string)
		return nil
	case "checksum":
		return optional(&r.checksum)
	case "os_hash_algo":
		return optional(&r.hashAlgo)
	case "os_hash_value":
		return optional(&r.hashValue)
	case "size":
		return whole(&r.size)
	case "virtual_size":
		return whole(&r.virtualSize)
	case "created_at":
		return instant(&r.created)
	case "updated_at":
		return instant(&r.updated)
	case "status", "self", "file", "schema", "stores", "direct_url", "locations":
		return nil
	}
	r.status = queued
	return r.set(name, v)
}
