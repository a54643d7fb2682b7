package xmldb

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// bounds of a database.
type bounds struct {
	files, systems, devices int
	file, total             int64 // bytes
	// visits are those that one system may inherit from, said is what all of them
	// together may say.
	visits, said int
}

// sane is far above the release of June 2025, which has 1,080 files of together
// 6 MB, the largest of 23 kB, with 943 systems, one of which inherits from 61
// others; all of them together say 30,000 things.
var sane = bounds{files: 50_000, systems: 10_000, devices: 50_000, file: 1 << 20, total: 64 << 20, visits: 1000, said: 10_000_000}

// Bounds of one system.
const (
	maxList = 256 // entries of one kind: short ids, devices, parents …
	maxText = 300 // bytes
)

// Reader gathers the files of one database.
type Reader struct {
	bounds  bounds
	release string
	total   int64
	systems map[string]*system // by id
	devices map[string]string  // names by id
}

// system is what the files say of a system, without what it inherits.
type system struct {
	System
	parents   []string // ids, in libosinfo's order
	links     []link
	resources []resources
	order     int // of appearance
}

// link is a device that a system supports, or does not.
type link struct {
	device    string
	supported bool
}

// resources are those of an architecture; negative is not given.
type resources struct {
	architecture         string
	inherit              bool
	minimum, recommended *amounts
}

type amounts struct{ cpus, memory, disk int64 }

// NewReader returns a Reader that has read nothing yet.
func NewReader() *Reader {
	return &Reader{bounds: sane, systems: map[string]*system{}, devices: map[string]string{}}
}

// Tree reads a database as it is unpacked: a file VERSION, and below the folders
// os and device the XML files.
func (r *Reader) Tree(root fs.FS) error {
	files := 0
	for _, name := range []string{"VERSION", "device", "os"} {
		err := fs.WalkDir(root, name, func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if files++; files > r.bounds.files {
				return fmt.Errorf("more than %d files", r.bounds.files)
			}
			if !Wanted(name) {
				return nil
			}
			return r.open(root, name)
		})
		if errors.Is(err, fs.ErrNotExist) {
			continue // Systems says what is missing
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) open(root fs.FS, name string) error {
	// A pipe would be waited for, and a link is followed.
	info, err := fs.Stat(root, name)
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	f, err := root.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.File(name, f)
}

// Wanted reports whether a file of a database is of use, by its path from the
// database's root or from somewhere above it.
func Wanted(name string) bool {
	dirs := strings.Split(path.Dir(name), "/")
	return path.Base(name) == "VERSION" ||
		path.Ext(name) == ".xml" && (slices.Contains(dirs, "os") || slices.Contains(dirs, "device"))
}

// File reads one file that is Wanted.
func (r *Reader) File(name string, content io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(content, r.bounds.file+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if r.total += int64(len(data)); int64(len(data)) > r.bounds.file || r.total > r.bounds.total {
		return fmt.Errorf("%s: too large for an osinfo-db", name)
	}
	if path.Base(name) == "VERSION" {
		r.release = string(bytes.TrimSpace(data))
		if !word.MatchString(r.release) {
			return fmt.Errorf("%s: no release of osinfo-db in it", name)
		}
		return nil
	}
	if err := r.document(data); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// document is what is of use in a file.
// Source: osinfo-db, schema/osinfo.rng.
type document struct {
	Devices []struct {
		ID    string `xml:"id,attr"`
		Names names  `xml:"name"`
	} `xml:"device"`
	Systems []systemXML `xml:"os"`
}

// names are those in all languages.
type names []struct {
	Lang string `xml:"lang,attr"`
	Text string `xml:",chardata"`
}

// plain is the name without a language.
func (n names) plain() string {
	for _, name := range n {
		if name.Lang == "" {
			return strings.TrimSpace(name.Text)
		}
	}
	return ""
}

type systemXML struct {
	ID       string      `xml:"id,attr"`
	ShortIDs []string    `xml:"short-id"`
	Names    names       `xml:"name"`
	CodeName string      `xml:"codename"`
	Distro   string      `xml:"distro"`
	Version  string      `xml:"version"`
	Family   string      `xml:"family"`
	Released string      `xml:"release-date"`
	EOL      string      `xml:"eol-date"`
	Derives  []reference `xml:"derives-from"`
	Clones   []reference `xml:"clones"`
	Devices  []reference `xml:"devices>device"`
	Firmware []struct {
		Arch      string `xml:"arch,attr"`
		Type      string `xml:"type,attr"`
		Supported string `xml:"supported,attr"`
	} `xml:"firmware"`
	Resources []struct {
		Arch        string      `xml:"arch,attr"`
		Inherit     string      `xml:"inherit,attr"`
		Minimum     *amountsXML `xml:"minimum"`
		Recommended *amountsXML `xml:"recommended"`
	} `xml:"resources"`
}

type reference struct {
	ID        string `xml:"id,attr"`
	Supported string `xml:"supported,attr"`
}

type amountsXML struct {
	CPUs    string `xml:"n-cpus"`
	Memory  string `xml:"ram"`
	Storage string `xml:"storage"`
}

func (r *Reader) document(data []byte) error {
	var doc document
	if err := xml.Unmarshal(data, &doc); err != nil { // knows no entities but XML's own five
		return err
	}
	for _, d := range doc.Devices {
		name := d.Names.plain()
		if !word.MatchString(name) {
			continue // those of VirtIO are words; most others are not, and not used
		}
		if len(r.devices) >= r.bounds.devices {
			return errors.New("too many devices")
		}
		r.devices[d.ID] = name
	}
	for i := range doc.Systems {
		x := &doc.Systems[i]
		x.trim()
		if err := x.check(); err != nil {
			return fmt.Errorf("operating system %q: %w", short(x.ID), err)
		}
		s := r.systems[x.ID]
		if s == nil {
			if len(r.systems) >= r.bounds.systems {
				return fmt.Errorf("more than %d operating systems", r.bounds.systems)
			}
			s = &system{order: len(r.systems)}
			r.systems[x.ID] = s
		}
		s.add(x)
	}
	return nil
}

// trim takes away the blanks around texts.
func (x *systemXML) trim() {
	for _, text := range []*string{&x.ID, &x.CodeName, &x.Distro, &x.Version, &x.Family, &x.Released, &x.EOL} {
		*text = strings.TrimSpace(*text)
	}
	for i := range x.ShortIDs {
		x.ShortIDs[i] = strings.TrimSpace(x.ShortIDs[i])
	}
}

var (
	word = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._+-]{0,63}$`)
	date = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`)
)

// check refuses what would be trouble further on: these texts end up in
// properties of images, on terminals and in tables.
func (x *systemXML) check() error {
	if x.ID == "" || !plain(x.ID) {
		return errors.New("its id is no URL")
	}
	if max(len(x.ShortIDs), len(x.Derives), len(x.Clones), len(x.Devices), len(x.Firmware), len(x.Resources)) > maxList {
		return fmt.Errorf("more than %d entries of one kind", maxList)
	}
	for _, id := range x.ShortIDs {
		if !word.MatchString(id) {
			return fmt.Errorf("its short id %q is none", short(id))
		}
	}
	for name, text := range map[string]string{"distro": x.Distro, "version": x.Version, "family": x.Family} {
		if text != "" && !word.MatchString(text) {
			return fmt.Errorf("its %s %q is none", name, short(text))
		}
	}
	for name, text := range map[string]string{"release-date": x.Released, "eol-date": x.EOL} {
		if text != "" && !date.MatchString(text) {
			return fmt.Errorf("its %s %q is no date", name, short(text))
		}
	}
	if !plain(x.CodeName) || !plain(x.Names.plain()) {
		return errors.New("its name is too long or has control characters")
	}
	return nil
}

func plain(text string) bool {
	return len(text) <= maxText && utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

// short is a text cut for an error message.
func short(text string) string {
	if len(text) > 80 {
		return text[:80] + "…"
	}
	return text
}

// add takes what a file says of a system. Other files may say more of it, as
// those beside win-10.xml do of drivers; what is there already stays.
func (s *system) add(x *systemXML) {
	s.ID = x.ID
	for to, text := range map[*string]string{
		&s.Name: x.Names.plain(), &s.CodeName: x.CodeName, &s.Distro: x.Distro, &s.Version: x.Version,
		&s.Family: x.Family, &s.Released: x.Released, &s.EOL: x.EOL,
	} {
		if *to == "" {
			*to = text
		}
	}
	for _, id := range x.ShortIDs {
		switch {
		case s.ShortID == "":
			s.ShortID = id
		case s.ShortID != id && !slices.Contains(s.Aliases, id) && len(s.Aliases) < maxList:
			s.Aliases = append(s.Aliases, id)
		}
	}
	for _, parent := range append(x.Derives, x.Clones...) {
		if len(s.parents) < maxList && !slices.Contains(s.parents, parent.ID) {
			s.parents = append(s.parents, parent.ID)
		}
	}
	for _, d := range x.Devices {
		if len(s.links) < maxList {
			s.links = append(s.links, link{d.ID, d.Supported != "false"})
		}
	}
	for _, f := range x.Firmware {
		if word.MatchString(f.Arch) && (f.Type == "bios" || f.Type == "efi") && len(s.Firmware) < maxList {
			s.Firmware = append(s.Firmware, Firmware{f.Arch, f.Type, f.Supported != "false"})
		}
	}
	for _, a := range x.Resources {
		if word.MatchString(a.Arch) && len(s.resources) < maxList {
			inherit := a.Inherit == "true"
			s.resources = append(s.resources, resources{a.Arch, inherit, a.Minimum.amounts(inherit), a.Recommended.amounts(inherit)})
		}
	}
}

// amounts returns the numbers that are given. An empty element is as none,
// unless it inherits.
func (x *amountsXML) amounts(inherit bool) *amounts {
	if x == nil && !inherit {
		return nil
	}
	a := &amounts{-1, -1, -1}
	if x != nil {
		a = &amounts{number(x.CPUs), number(x.Memory), number(x.Storage)}
	}
	if !inherit && *a == (amounts{-1, -1, -1}) {
		return nil
	}
	return a
}

func number(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
