package normalize

import (
	"slices"
	"strings"

	"glance-profile/internal/property"
)

// facts are what is to be known of a property's name, whatever the image.
type facts struct {
	known    bool
	subject  subject  // of what a property of a cloud's own speaks
	edits    []string // known names that are one edit from it
	capitals string   // the known name that differs in capitals only
	boolean  bool     // read by Nova as true or false
	noEffect bool     // known, and read by nobody
	current  string   // Nova's newer name
	novaLike bool     // unknown, and looks like one of Nova's
}

// factsOf returns the facts on a name.
func (n *Normalizer) factsOf(name string) facts {
	return n.names.Get(name, func() facts {
		d, known := property.Lookup(name)
		f := facts{known: known, subject: speaksOf(name, known)}
		if known {
			f.boolean, f.noEffect, f.current = d.Type == property.Bool, d.Effect == property.NoEffect, d.Current
			return f
		}
		f.edits = n.oneEdit(name)
		if i := slices.IndexFunc(n.known, func(k string) bool { return strings.EqualFold(k, name) }); i >= 0 {
			f.capitals = n.known[i]
		}
		f.novaLike = len(f.edits) == 0 && f.capitals == "" && (strings.HasPrefix(name, "hw_") || strings.HasPrefix(name, "img_"))
		return f
	})
}
