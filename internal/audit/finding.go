package audit

import (
	"fmt"

	"glance-profile/internal/property"
)

// Finding is one thing that is wrong or worth knowing about one image.
type Finding struct {
	Rule     string // the ID of a Rule
	Severity property.Severity
	Property string // the property or base field that it is about; "" for the image as a whole
	Value    string // what the image has there; "" where it has none
	Empty    bool   // it has the property, and an empty text there
	// Message is one line: what is wrong, and what happens. Names and values in
	// it are quoted and shortened, so that it holds no control characters.
	Message   string
	Reference string // service file and symbol, or the document that shows it
	// RejectedBy is who refuses the value or the machine: one of hardware's
	// parties (nova, nova-api, nova-libvirt, libvirt), or glance. "" is nobody.
	RejectedBy string
	// Fix are the changes that mend it, sorted by property; nil where there is no
	// single right one.
	Fix []Fix

	also []string // all properties that it is about
}

// Use is the value to set, or the name to use, instead of the one that a finding
// is about; "" where the fix is another one.
func (f Finding) Use() string {
	switch {
	case len(f.Fix) == 1 && f.Fix[0].Property == f.Property && f.Fix[0].After != nil:
		return fmt.Sprint(f.Fix[0].After)
	case len(f.Fix) == 2:
		for i, fix := range f.Fix {
			if other := f.Fix[1-i]; fix.Property == f.Property && fix.After == nil && other.After == f.Value {
				return other.Property
			}
		}
	}
	return ""
}

// Fix is one property or base field as it is and as it should be. The values
// are those of plan.Change: nil is absent.
type Fix struct {
	Property string `json:"property"`
	Before   any    `json:"before"`
	After    any    `json:"after"`
}

// Location says in which cloud an image is. Both are "" for a saved listing.
type Location struct {
	Cloud, Region string
}

// Result is one image with what was found; its order is that in which images
// were judged.
type Result struct {
	Location
	ID, Name string
	Findings []Finding // worst first; empty where nothing was found
}
