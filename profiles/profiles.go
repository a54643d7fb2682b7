// Package profiles holds the bundles of image properties that fit one kind of
// guest: the embedded ones (*.yaml beside this file), the reader of the users'
// own, and the layering of guest system, bundles and single properties into
// the properties of one image. What Nova makes of single values is in
// internal/property, what it makes of combinations in internal/audit.
package profiles

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"glance-profile/internal/property"
	"glance-profile/internal/spelling"
)

//go:embed *.yaml
var embedded embed.FS

// None is what stands for «no profile on purpose»; no profile can have the name.
const None = "none"

// embeddedOrigin is the origin of the profiles that the program brings along.
const embeddedOrigin = "embedded"

// maxFiles bounds the profiles read from one folder.
const maxFiles = 256

// Profile is one bundle as a list shows it. What it sets, its parents'
// properties included, is in Set.Details.
type Profile struct {
	Name    string
	Summary string
	Origin  string              // "embedded" or the path of its file
	Extends []string            // the parents, in order
	Match   map[string][]string // what it is for: property to the values allowed
	Notes   string
}

// Problem is one thing wrong with a profile, and where.
type Problem struct {
	File      string
	Line      int
	Severity  property.Severity
	Message   string
	Fix       string // a value or name to use instead, or ""
	Reference string // service file and symbol that shows it, or ""
}

// Error returns FILE:LINE: and the message.
func (p Problem) Error() string {
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
}

func byLine(a, b Problem) int { return a.Line - b.Line }

// Notice is something about the loading of profiles that a user should see.
type Notice string

// Set is a collection of profiles that is whole: each parent is there, and no
// profile holds an error.
type Set struct {
	byName map[string]*definition
}

// Embedded returns the profiles that the program brings along.
func Embedded() (*Set, error) {
	s, _, err := Load(context.Background(), nil, nil)
	return s, err
}

// Load returns the embedded profiles, with those of the folders (*.yaml) and
// the files in that order on top; a folder that is not there holds none. A
// profile replaces one of the same name from an earlier place, which is told by
// a notice. Any error in any of them, found by the same checks as Validate's,
// makes the whole fail: a replaced profile must not come back unnoticed because
// of a slip in the file that replaces it. The error joins a Problem for each.
func Load(ctx context.Context, dirs, files []string) (*Set, []Notice, error) {
	s := &Set{byName: map[string]*definition{}}
	var notices []Notice
	var failures []error
	add := func(file string, data []byte, embedded bool, seen map[string]string) {
		d, problems := parse(file, data)
		for _, p := range problems {
			failures = append(failures, p)
		}
		if d == nil {
			return
		}
		d.embedded = embedded
		if other := seen[d.name]; other != "" {
			failures = append(failures, Problem{File: file, Line: d.nameLine, Severity: property.Error,
				Message: fmt.Sprintf("name: %s is the name of %s too", d.name, other)})
			return
		}
		seen[d.name] = file
		if old := s.byName[d.name]; old != nil {
			notices = append(notices, Notice(fmt.Sprintf("profile %s of %s replaces the one of %s", d.name, file, old.place())))
		}
		s.byName[d.name] = d
	}

	names, err := fs.Glob(embedded, "*.yaml")
	if err != nil {
		return nil, nil, err
	}
	seen := map[string]string{}
	for _, name := range names {
		data, err := embedded.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		add(embeddedOrigin+"/"+name, data, true, seen)
	}
	for _, dir := range dirs {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		paths, err := listFolder(dir)
		if err != nil {
			return nil, nil, fmt.Errorf("read the profiles of %s: %w", dir, err)
		}
		seen := map[string]string{}
		for _, path := range paths {
			data, err := readFile(path)
			if err != nil {
				failures = append(failures, fmt.Errorf("read profile: %w", err))
				continue
			}
			add(path, data, false, seen)
		}
	}
	seen = map[string]string{}
	for _, path := range files {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		data, err := readFile(path)
		if err != nil {
			failures = append(failures, fmt.Errorf("read profile: %w", err))
			continue
		}
		add(path, data, false, seen)
	}
	if len(failures) > 0 {
		return nil, nil, errors.Join(failures...)
	}
	said := map[Problem]bool{} // a circle is found from each of its members
	for _, name := range s.names() {
		for _, p := range s.check(s.byName[name]) {
			if p.Severity == property.Error && !said[p] {
				failures = append(failures, p)
				said[p] = true
			}
		}
	}
	if len(failures) > 0 {
		return nil, nil, errors.Join(failures...)
	}
	return s, notices, nil
}

// listFolder returns the paths of the profiles in a folder, sorted.
func listFolder(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		ext := filepath.Ext(e.Name())
		if ext != ".yaml" && ext != ".yml" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path) // follows a link, and tells a pipe, which would be waited for, from a file
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			paths = append(paths, path)
		}
	}
	if len(paths) > maxFiles {
		return nil, fmt.Errorf("%d files, more than the %d that are read", len(paths), maxFiles)
	}
	return paths, nil
}

// readFile reads a profile, and at most one byte more than one may have. A
// pipe will do, so that a shell can make a profile on the fly.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// Validate judges one profile file against the set, as if it were added to it,
// and returns all that there is to say: a problem of severity Error is one for
// which Load refuses the profile.
func (s *Set) Validate(file string, data []byte) (Profile, []Problem) {
	d, problems := parse(file, data)
	if d == nil {
		return Profile{}, problems
	}
	with := &Set{byName: maps.Clone(s.byName)}
	with.byName[d.name] = d
	problems = append(problems, with.check(d)...)
	slices.SortStableFunc(problems, byLine)
	return d.profile(), problems
}

// Get returns the profile of that name. The error of an unknown one names
// those that are spelled alike, or all of them.
func (s *Set) Get(name string) (Profile, error) {
	d, err := s.get(name)
	if err != nil {
		return Profile{}, err
	}
	return d.profile(), nil
}

func (s *Set) get(name string) (*definition, error) {
	if d := s.byName[name]; d != nil {
		return d, nil
	}
	hint := spelling.Hint(name, s.names())
	if hint == "" {
		hint = "; there are " + strings.Join(s.names(), ", ")
	}
	return nil, fmt.Errorf("no profile is named %s%s", spelling.Quote(name), hint)
}

// List returns all profiles, sorted by name.
func (s *Set) List() []Profile {
	var list []Profile
	for _, name := range s.names() {
		list = append(list, s.byName[name].profile())
	}
	return list
}

func (s *Set) names() []string {
	return slices.Sorted(maps.Keys(s.byName))
}

// DefaultFor returns the name of the profile that an image gets when no other
// is asked for: linux-virtio for linux, windows-compat for windows, which runs
// without any driver that Windows lacks. For any other system there is none.
func (s *Set) DefaultFor(osType string) string {
	switch osType {
	case osLinux:
		return "linux-virtio"
	case osWindows:
		return "windows-compat"
	}
	return ""
}

// place says where the definition comes from.
func (d *definition) place() string {
	if d.embedded {
		return "the program"
	}
	return d.origin
}

func (d *definition) profile() Profile {
	p := Profile{Name: d.name, Summary: d.summary, Origin: d.origin, Match: map[string][]string{}, Notes: d.notes}
	if d.embedded {
		p.Origin = embeddedOrigin
	}
	for _, parent := range d.extends {
		p.Extends = append(p.Extends, parent.name)
	}
	for key, values := range d.match {
		p.Match[key] = slices.Clone(values)
	}
	return p
}
