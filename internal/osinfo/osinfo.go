// Package osinfo is what is known of operating systems: libosinfo's database,
// systems that it lacks, and what each of them is in Glance's vocabulary
// (os_distro, os_version, os_type). What is inside an image does not belong
// here. Nothing but Load does I/O, and that only through the file system that it
// is given.
package osinfo

import (
	"cmp"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"

	"glance-profile/internal/osinfo/xmldb"
)

// To make the table from another release, name it:
//
//	OSINFO_DB=osinfo-db_20250606.deb go generate ./internal/osinfo
//
//go:generate sh -c "go run ./gen -supplement data/supplement.json -out zz_table.go \"$OSINFO_DB\""

// OS is one operating system. Its slices are shared: they are not to be changed.
type OS struct {
	ShortID string // libosinfo's short id, such as ubuntu24.04
	// ID is libosinfo's URL for it; "" for a system that libosinfo does not know,
	// whose short id is then our own.
	ID   string
	Name string // for people, such as Ubuntu 24.04 LTS
	// Aliases are further short ids of the same system, such as debianbookworm
	// for debian12.
	Aliases []string

	// Distro is the value of os_distro: Glance's name where it has one, else
	// libosinfo's in lower case, else the ID of /etc/os-release. "" where there is
	// none (linux2024).
	// Source: glance/doc/source/admin/useful-image-properties.rst.
	Distro          string
	LibosinfoDistro string // such as win for every Windows

	// Version is the value of os_version, in the form of CanonicalVersion: 24.04,
	// 12, 9 or 9.4, 15-sp5; for Windows the number that it is sold under: 2019,
	// 2012r2, 11. "" for systems without numbered releases.
	Version          string
	LibosinfoVersion string // such as 15.5 for SUSE's 15-sp5, 6.3 for Windows 2012 R2
	// Since stands in place of Version where releases come too often to be listed:
	// an early one, from which on every version is believed. "" elsewhere.
	Since string
	// Type is the value of os_type, of which Nova knows two: linux and windows.
	// "" for any other system.
	Type string

	Family   string // libosinfo's family: linux, winnt, freebsd …
	Released string // YYYY-MM-DD, or "" if not known
	EOL      string // YYYY-MM-DD, or "" if not known

	// CodeName is the distributor's name for the release, as it writes it:
	// Jammy Jellyfish, bookworm. "" if there is none.
	CodeName string
	// CodeNames are the lower-case forms under which people know the code name:
	// jammy and "jammy jellyfish". Several systems can have the same one, such as
	// the minor releases of RHEL.
	CodeNames []string

	// Minimum and Recommended are what the system needs, for each architecture
	// that libosinfo knows of; "all" is any other.
	Minimum, Recommended []Resources
	// Devices are the VirtIO devices that the system has drivers for, by
	// libosinfo's names (virtio-net, virtio1.0-block …), sorted, inherited ones
	// included. libosinfo lists what was tried: that a device is missing does not
	// prove that it fails.
	Devices []string
	// Firmware is which firmware the system starts with. libosinfo says it only
	// for some systems; nil is not known.
	Firmware []Firmware

	// Source is where all this is from: a release of osinfo-db, or the URL of the
	// distributor's page.
	Source string
}

// Resources are what a system needs on an architecture.
type Resources = xmldb.Resources

// Firmware is a kind of firmware that a system starts with, or does not.
type Firmware = xmldb.Firmware

// DB is a set of operating systems. It does not change once made, and may be
// used by several goroutines.
type DB struct {
	release  string
	systems  []OS                       // sorted by short id
	byID     map[string]int             // short ids, further ones and URLs → index into systems
	versions map[string]map[string]bool // by distro
	since    map[string]string          // by distro
}

// Builtin returns the database that was generated into the program.
var Builtin = sync.OnceValue(func() *DB {
	systems := make([]OS, len(table))
	for i := range table {
		systems[i] = table[i].os(Release)
	}
	return newDB(Release, systems)
})

// Load reads an osinfo-db as it is unpacked in the directory that libosinfo
// calls $OSINFO_SYSTEM_DIR: a file VERSION, and below os and device the XML
// files. The systems that osinfo-db does not know are those of Builtin.
//
// The files may be anybody's: their number, size and texts are bounded and
// checked. An error names the file.
func Load(fsys fs.FS) (*DB, error) {
	reader := xmldb.NewReader()
	if err := reader.Tree(fsys); err != nil {
		return nil, fmt.Errorf("read osinfo-db: %w", err)
	}
	list, err := reader.Systems()
	if err != nil {
		return nil, fmt.Errorf("read osinfo-db: %w", err)
	}
	var systems []OS
	known := map[string]bool{} // all that a system goes by
	for i := range list {
		o := newOS(&list[i], "", "osinfo-db "+reader.Release())
		systems = append(systems, o)
		for _, name := range append([]string{o.ShortID, o.ID, o.LibosinfoDistro + " " + o.LibosinfoVersion}, o.Aliases...) {
			known[name] = true
		}
	}
	for i := range table {
		if table[i].source == "" {
			continue
		}
		o := table[i].os(Release)
		names := append([]string{o.ShortID}, o.Aliases...)
		if o.ID != "" {
			names = append(names, o.ID)
		} else if o.LibosinfoVersion != "" { // libosinfo may have chosen another short id
			names = append(names, o.LibosinfoDistro+" "+o.LibosinfoVersion)
		}
		if !slices.ContainsFunc(names, func(name string) bool { return known[name] }) {
			o.ID = "" // whatever later releases call it, this one does not have it
			systems = append(systems, o)
		}
	}
	slices.SortFunc(systems, func(a, b OS) int { return strings.Compare(a.ShortID, b.ShortID) })
	return newDB(reader.Release(), systems), nil
}

// newDB makes a database of systems sorted by short id, which it takes over.
func newDB(release string, systems []OS) *DB {
	db := &DB{
		release: release, systems: systems, byID: make(map[string]int, 3*len(systems)),
		versions: map[string]map[string]bool{}, since: map[string]string{},
	}
	for i := range systems {
		o := &systems[i]
		db.byID[o.ShortID] = i
		if o.ID != "" {
			db.byID[o.ID] = i
		}
		for _, alias := range o.Aliases {
			db.byID[alias] = i
		}
		if o.Since != "" {
			db.since[o.Distro] = o.Since
		}
		if o.Distro == "" || o.Version == "" {
			continue
		}
		if db.versions[o.Distro] == nil {
			db.versions[o.Distro] = map[string]bool{}
		}
		db.versions[o.Distro][o.Version] = true
		if ruleFor(o.Distro).minors {
			first, _, _ := strings.Cut(o.Version, ".")
			db.versions[o.Distro][first] = true
		}
	}
	return db
}

// Release is the release of osinfo-db that the database was made from, such as
// 20250619.
func (db *DB) Release() string { return db.release }

// Lookup returns the system with a short id of libosinfo. Further short ids for
// the same system, such as debianbookworm for debian12, and its URL are
// understood too, all of them exactly as libosinfo writes them.
func (db *DB) Lookup(shortID string) (OS, bool) {
	i, ok := db.byID[shortID]
	if !ok {
		return OS{}, false
	}
	return db.systems[i], true
}

// WithCodeName returns the systems with a code name, in any case: jammy or
// "Jammy Jellyfish", which is one system; plow, which is every RHEL 9.
func (db *DB) WithCodeName(name string) []OS {
	var found []OS
	name = strings.ToLower(name)
	for _, o := range db.systems {
		if slices.Contains(o.CodeNames, name) {
			found = append(found, o)
		}
	}
	return found
}

// All yields every system, sorted by short id.
func (db *DB) All() iter.Seq[OS] {
	return slices.Values(db.systems)
}

// HasVersion reports whether a distribution, in Glance's words, ever had a
// version, in the form of CanonicalVersion.
func (db *DB) HasVersion(distro, version string) bool {
	if db.versions[distro][version] {
		return true
	}
	if since, ok := db.since[distro]; ok {
		canonical, ok := CanonicalVersion(distro, version)
		return ok && canonical == version && CompareVersions(version, since) >= 0
	}
	switch distro {
	case "sled", "sles": // up to 15 one system to libosinfo, sold as a desktop and as a server
		return db.versions["sle"][version]
	case "fedora-atomic", "fedora-coreos": // streams, each release of which is made of a Fedora
		return db.versions["fedora"][version]
	}
	return false
}

// row is a system in the generated table. The last four are indexes into the
// sets beside it, which many systems share.
type row struct {
	shortID, aliases, id, name, codeName, distro, version, family, released, eol string
	since, source                                                                string
	minimum, recommended, devices, firmware                                      uint8
}

func (r *row) os(release string) OS {
	return newOS(&xmldb.System{
		ShortID: r.shortID, Aliases: strings.Fields(r.aliases), ID: r.id, Name: r.name, CodeName: r.codeName,
		Distro: r.distro, Version: r.version, Family: r.family, Released: r.released, EOL: r.eol,
		Minimum: resourceSets[r.minimum], Recommended: resourceSets[r.recommended],
		Devices: deviceSets[r.devices], Firmware: firmwareSets[r.firmware],
	}, r.since, cmp.Or(r.source, "osinfo-db "+release))
}

// newOS says in Glance's words what libosinfo says of a system.
func newOS(s *xmldb.System, since, source string) OS {
	o := OS{
		ShortID: s.ShortID, Aliases: s.Aliases, ID: s.ID, Name: s.Name,
		Distro: glanceDistro(s), LibosinfoDistro: s.Distro, LibosinfoVersion: s.Version, Since: since, Type: osType(s),
		Family: s.Family, Released: s.Released, EOL: s.EOL, CodeName: s.CodeName,
		Minimum: s.Minimum, Recommended: s.Recommended, Devices: s.Devices, Firmware: s.Firmware, Source: source,
	}
	o.Version = glanceVersion(s, o.Distro)
	if s.CodeName != "" {
		o.CodeNames = []string{strings.ToLower(s.CodeName)}
		// Ubuntu's are an adjective and an animal, of which people say the first.
		if first, _, two := strings.Cut(o.CodeNames[0], " "); two && o.Distro == "ubuntu" {
			o.CodeNames = append(o.CodeNames, first)
		}
	}
	return o
}

// glanceDistro returns Glance's name for the distribution, which differs from
// libosinfo's in two cases, and in that it is always in lower case.
func glanceDistro(s *xmldb.System) string {
	switch {
	case s.Distro == "archlinux":
		return "arch"
	case s.Distro == "win", s.Distro == "winnt":
		return "windows"
	// libosinfo's streams of it are of the distribution fedora. Magnum chooses its
	// driver by the name that /etc/os-release has as VARIANT_ID.
	// Source: magnum/drivers/k8s_fedora_coreos_v1/driver.py, provides.
	case strings.HasPrefix(s.ShortID, "fedora-coreos-"):
		return "fedora-coreos"
	}
	return strings.ToLower(s.Distro)
}

func osType(s *xmldb.System) string {
	switch {
	case s.Family == "linux", s.Distro == "elementaryos": // libosinfo names no family for it
		return "linux"
	case strings.HasPrefix(s.Family, "win"): // winnt, win9x, win16
		return "windows"
	}
	return ""
}

// glanceVersion returns the version in its canonical form. libosinfo has it
// except for Windows, where it counts kernels, and for the systems without
// numbered releases, where it has a word (tumbleweed, unknown, 9-unknown).
func glanceVersion(s *xmldb.System, distro string) string {
	version := strings.TrimSuffix(s.Version, "-unknown")
	if distro == "windows" {
		version = windowsVersion(s.ShortID)
	}
	version, _ = CanonicalVersion(distro, version)
	return version
}

// windowsVersion returns what is behind win in a short id: 10, xp, nt4.0, and
// for the servers the year, 2012r2 for 2k12r2.
func windowsVersion(shortID string) string {
	version := strings.TrimPrefix(shortID, "win")
	year, ok := strings.CutPrefix(version, "2k")
	if !ok {
		return version
	}
	number, release, second := strings.Cut(year, "r")
	for len(number) < 2 {
		number = "0" + number
	}
	if second {
		return "20" + number + "r" + release
	}
	return "20" + number
}
