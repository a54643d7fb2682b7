package policy

import (
	"testing"
)

func TestEmbedded(t *testing.T) {
	for _, name := range Embedded() {
		p, err := Get(name)
		if err != nil {
			t.Fatal(err)
		}
		if p.Name != name || p.Summary == "" {
			t.Errorf("%s: name %q, summary %q", name, p.Name, p.Summary)
		}
	}
}
