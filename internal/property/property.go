// Package property holds what is known of each image property, and judges
// single values: what Nova's ImageMetaProps or Glance refuse, what is ignored
// in silence, what does something else than it seems to. Rules on how
// properties, the image's base fields or a flavor act together do not belong
// here. It does no I/O and imports the standard library only.
//
// The judgement of values follows Nova's own code, and tests compare the two:
// an Error of the rule value-not-accepted is what ImageMetaProps.from_dict of
// Nova 31.0.0 refuses. What only older or newer releases refuse is a Warning
// that names the release.
package property

import "fmt"

// Severity is how bad a finding is.
type Severity int

// The severities, mildest first. Error: the upload, the boot or a promised
// protection fails for sure. Warning: it depends on the cloud, or has no
// effect. Info: worth knowing.
const (
	Info Severity = iota
	Warning
	Error
)

var severities = [...]string{"info", "warning", "error"}

// String returns info, warning or error.
func (s Severity) String() string {
	if s < Info || s > Error {
		return fmt.Sprintf("Severity(%d)", int(s))
	}
	return severities[s]
}

// ParseSeverity is the inverse of String.
func ParseSeverity(text string) (Severity, error) {
	for i, name := range severities {
		if text == name {
			return Severity(i), nil
		}
	}
	return 0, fmt.Errorf("severity %q is none of info, warning, error", text)
}

// MarshalText writes the severity as String does.
func (s Severity) MarshalText() ([]byte, error) {
	if s < Info || s > Error {
		return nil, fmt.Errorf("severity %d is none of info, warning, error", int(s))
	}
	return []byte(severities[s]), nil
}

// UnmarshalText reads what MarshalText writes.
func (s *Severity) UnmarshalText(text []byte) error {
	v, err := ParseSeverity(string(text))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

// Finding is one thing to know about one property.
type Finding struct {
	Rule     string   `json:"rule"` // such as value-not-accepted
	Severity Severity `json:"severity"`
	Property string   `json:"property"`
	Value    string   `json:"value"`
	// Message is one line: what is wrong, and what happens. Names and values
	// in it are quoted and shortened, so that it holds no control characters.
	Message string `json:"message"`
	// Fix is the value to set instead, or for a finding about the name the
	// name to use; "" if there is nothing to propose or the property is
	// better left out.
	Fix       string `json:"fix"`
	Reference string `json:"reference"` // service file and symbol that shows it
}
