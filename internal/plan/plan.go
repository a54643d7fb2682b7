// Package plan holds what a command means to do, as data: per image the
// changes of properties and base fields with their reasons. The same format is
// printed by -f json, saved by --out, read back by apply --plan and stored in
// the journal, so it is versioned. It does no I/O.
package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"glance-profile/internal/image"
)

// Version is the version of the plan format that this program writes. A plan
// of another version is refused rather than guessed at.
const Version = 1

// The actions of an image's plan.
const (
	ActionCreate = "create"
	ActionChange = "change"
	ActionDelete = "delete"
)

// The results of an image's plan once it has been tried.
const (
	ResultDone    = "done"    // Glance's answer equals the plan
	ResultFailed  = "failed"  // nothing was changed, or it is unknown: Error says which
	ResultUndone  = "undone"  // begun and taken back: no trace is left
	ResultSkipped = "skipped" // not begun
)

// Plan is a list of changes, image by image, and the command line that made it
// (with secrets taken out).
type Plan struct {
	Version int     `json:"version"`
	Command string  `json:"command"`
	Images  []Image `json:"images"`
}

// Image is what is to happen to one image. Result and Error are nil until it
// has been tried.
type Image struct {
	Action   string   `json:"action"`
	Cloud    string   `json:"cloud"`
	Endpoint string   `json:"endpoint"`
	Region   string   `json:"region"`
	Project  string   `json:"project"` // project id of the caller
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Changes  []Change `json:"changes"`
	Result   *string  `json:"result"`
	Error    *string  `json:"error"`
}

// Change is one property or base field with its value before and after. Nil
// means absent (JSON null). Custom properties are strings; base fields keep
// the JSON type that Glance demands: string, int64, bool or []string. Glance
// answers 400 to min_disk "3".
type Change struct {
	Property string `json:"property"`
	Before   any    `json:"before"`
	After    any    `json:"after"`
	Why      string `json:"why"`
}

// UnmarshalJSON reads a change and restores the Go types named at Change.
func (c *Change) UnmarshalJSON(data []byte) error {
	var raw struct {
		Property string          `json:"property"`
		Before   json.RawMessage `json:"before"`
		After    json.RawMessage `json:"after"`
		Why      string          `json:"why"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&raw); err != nil {
		return err
	}
	if raw.Property == "" {
		return fmt.Errorf("change without a property name")
	}
	before, err := decodeValue(raw.Before)
	if err != nil {
		return fmt.Errorf("property %q: before: %w", raw.Property, err)
	}
	after, err := decodeValue(raw.After)
	if err != nil {
		return fmt.Errorf("property %q: after: %w", raw.Property, err)
	}
	*c = Change{Property: raw.Property, Before: before, After: after, Why: raw.Why}
	return nil
}

// decodeValue turns JSON into nil, string, int64, bool or []string.
func decodeValue(data json.RawMessage) (any, error) {
	if len(data) == 0 {
		return nil, nil
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case nil, string, bool:
		return v, nil
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return nil, fmt.Errorf("%s is not a whole number", v)
		}
		return n, nil
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("list holds something other than text")
			}
			list[i] = s
		}
		return list, nil
	}
	return nil, fmt.Errorf("neither text, whole number, true or false, list nor null")
}

// Check refuses a plan that none of this program's planners makes: it may have
// been edited by hand. The error names the image.
func (p Plan) Check() error {
	for i, img := range p.Images {
		where := fmt.Sprintf("image %d of the plan (%q)", i+1, img.ID)
		switch {
		case img.Action != ActionCreate && img.Action != ActionChange && img.Action != ActionDelete:
			return fmt.Errorf("%s: action %q is none of create, change, delete", where, img.Action)
		case !image.IsID(img.ID):
			return fmt.Errorf("%s: that is no image's id", where)
		case img.Action == ActionChange && len(img.Changes) == 0:
			return fmt.Errorf("%s: it has no changes", where)
		}
		seen := map[string]bool{}
		for _, c := range img.Changes {
			if seen[c.Property] {
				return fmt.Errorf("%s: %q is changed twice", where, c.Property)
			}
			seen[c.Property] = true
		}
	}
	return nil
}

// Equal compares two values of changes. A list of tags is a set: Glance keeps
// no order of them.
func Equal(a, b any) bool {
	listA, okA := a.([]string)
	listB, okB := b.([]string)
	if okA != okB {
		return (a == nil || b == nil) && len(listA)+len(listB) == 0
	}
	if okA {
		return slices.Equal(slices.Sorted(slices.Values(listA)), slices.Sorted(slices.Values(listB)))
	}
	return a == b
}
