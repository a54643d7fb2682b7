package osinfo

import (
	"path"
	"strings"
)

// Find returns the systems that a text names, as people write it: a short id, in
// any case, or libosinfo's URL, which is one system; else a code name, which may
// be that of several. None if there is no such name.
func (db *DB) Find(text string) []OS {
	text = strings.ToLower(text)
	if rest, ok := strings.CutPrefix(text, "https://"); ok { // libosinfo's begin with http
		text = "http://" + rest
	}
	for _, o := range db.systems {
		if o.hasID(text) {
			return []OS{o}
		}
	}
	return db.WithCodeName(text)
}

func (o *OS) hasID(lower string) bool {
	if strings.ToLower(o.ShortID) == lower || o.ID != "" && strings.ToLower(o.ID) == lower {
		return true
	}
	for _, alias := range o.Aliases {
		if strings.ToLower(alias) == lower {
			return true
		}
	}
	return false
}

// Matches reports whether a pattern fits the short id, one of the aliases, the
// name, the distribution or a code name, in any case. A pattern with *, ? or [
// is a glob for the whole of one of them, any other a part of one. The error is
// path.ErrBadPattern.
func (o *OS) Matches(pattern string) (bool, error) {
	pattern = strings.ToLower(pattern)
	glob := strings.ContainsAny(pattern, "*?[")
	for _, text := range append([]string{o.ShortID, o.Name, o.Distro, o.LibosinfoDistro, o.CodeName}, append(o.CodeNames, o.Aliases...)...) {
		text = strings.ToLower(text)
		if !glob {
			if strings.Contains(text, pattern) {
				return true, nil
			}
			continue
		}
		// A slash is nothing special here.
		fits, err := path.Match(strings.ReplaceAll(pattern, "/", "\x00"), strings.ReplaceAll(text, "/", "\x00"))
		if fits || err != nil {
			return fits, err
		}
	}
	return false, nil
}
