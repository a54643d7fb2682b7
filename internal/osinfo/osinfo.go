// Package osinfo is what is known of operating systems: libosinfo's database,
// a few systems that it lacks, and what each of them is in Glance's vocabulary
// (os_distro, os_version, os_type). What is inside an image does not belong
// here. Nothing but Load does I/O, and that only through the file system it is
// given.
package osinfo

import (
	"iter"
	"slices"
	"strings"
	"sync"
)

// To make the table from another release, name it:
//
//	OSINFO_DB=osinfo-db_20250606.deb go generate ./internal/osinfo
//
//go:generate sh -c "go run ./gen -supplement data/supplement.json -out zz_table.go \"$OSINFO_DB\""

// OS is one operating system. Its slices are shared: they are not to be changed.
type OS struct {
	ShortID string // libosinfo's short id, such as ubuntu24.04
	ID      string // libosinfo's URL for it; "" for those that its release did not have yet
	Name    string // for people, such as Ubuntu 24.04 LTS
	// Aliases are libosinfo's further short ids for the same system, such as
	// debianbookworm for debian12.
	Aliases []string

	// Distro is the value of os_distro: Glance's name where it has one, else
	// libosinfo's in lower case. "" where there is neither (linux2024).
	// Source: glance/doc/source/admin/useful-image-properties.rst.
	Distro          string
	LibosinfoDistro string // such as win for every Windows

	// Version is the value of os_version, in the form of CanonicalVersion: 24.04,
	// 12, 9 or 9.4, 15-sp5; for Windows the number that it is sold under: 2019,
	// 2012r2, 11. "" for systems without numbered releases.
	Version          string
	LibosinfoVersion string // such as 15.5 for SUSE's 15-sp5, 6.3 for Windows 2012 R2
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
}

// Resources are what a system needs on an architecture. 0 is not known.
type Resources struct {
	Architecture string // as libosinfo names it: all, x86_64, aarch64, i686 …
	CPUs         int64
	Memory       int64 // bytes
	Disk         int64 // bytes
}

// Firmware is a kind of firmware that a system starts with, or does not.
type Firmware struct {
	Architecture string // as libosinfo names it: x86_64, aarch64, i686
	Type         string // bios or efi
	Supported    bool
}

// DB is a set of operating systems. It does not change once made, and may be
// used by several goroutines.
type DB struct {
	release  string
	systems  []OS           // sorted by short id
	byID     map[string]int // short ids, further ones and URLs → index into systems
	versions map[string]map[string]bool
}

// Builtin returns the database that was generated into the program.
var Builtin = sync.OnceValue(func() *DB {
	systems := make([]OS, len(table))
	for i := range table {
		systems[i] = table[i].os()
	}
	for _, a := range aliases {
		i, _ := slices.BinarySearchFunc(systems, a[1], func(o OS, id string) int { return strings.Compare(o.ShortID, id) })
		systems[i].Aliases = append(systems[i].Aliases, a[0])
	}
	return newDB(Release, systems)
})

// newDB makes a database of systems, of which it takes possession.
func newDB(release string, systems []OS) *DB {
	db := &DB{release: release, systems: systems, byID: map[string]int{}, versions: map[string]map[string]bool{}}
	for i := range systems {
		o := &systems[i]
		if o.ID != "" {
			db.byID[o.ID] = i
		}
		for _, alias := range o.Aliases {
			db.byID[alias] = i
		}
		if o.Version != "" && o.Distro != "" {
			if db.versions[o.Distro] == nil {
				db.versions[o.Distro] = map[string]bool{}
			}
			db.versions[o.Distro][o.Version] = true
		}
	}
	for i := range systems { // after the aliases: a first short id has precedence
		db.byID[systems[i].ShortID] = i
	}
	return db
}

// Release is the release of osinfo-db that the database was made from.
func (db *DB) Release() string { return db.release }

// Lookup returns the system with a short id of libosinfo. Further short ids
// that libosinfo has for the same system, such as debianbookworm for debian12,
// and its URL are understood too.
func (db *DB) Lookup(shortID string) (OS, bool) {
	i, ok := db.byID[shortID]
	if !ok {
		return OS{}, false
	}
	return db.systems[i], true
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
	// SUSE Linux Enterprise 15 is one system to libosinfo, of which the server
	// and the desktop are sold under names of their own.
	return (distro == "sles" || distro == "sled") && db.versions["sle"][version]
}

// entry is a row of the generated table.
type entry struct {
	shortID, id, name, distro, version, family, released, eol string
}

func (e *entry) os() OS {
	o := OS{
		ShortID: e.shortID, ID: e.id, Name: e.name,
		Distro: e.glanceDistro(), LibosinfoDistro: e.distro, LibosinfoVersion: e.version, Type: e.osType(),
		Family: e.family, Released: e.released, EOL: e.eol,
	}
	o.Version = e.glanceVersion(o.Distro)
	return o
}

// glanceDistro returns Glance's name for the distribution, which differs from
// libosinfo's in two cases, and in that it is always lower case.
func (e *entry) glanceDistro() string {
	switch e.distro {
	case "archlinux":
		return "arch"
	case "win", "winnt":
		return "windows"
	}
	// Magnum chooses its driver by os_distro=fedora-coreos.
	// Source: magnum/drivers/k8s_fedora_coreos_v1/driver.py, provides.
	if strings.HasPrefix(e.shortID, "fedora-coreos-") {
		return "fedora-coreos"
	}
	return strings.ToLower(e.distro)
}

func (e *entry) osType() string {
	switch {
	case e.family == "linux", e.distro == "elementaryos": // libosinfo names no family for it
		return "linux"
	case strings.HasPrefix(e.family, "win"): // winnt, win9x, win16
		return "windows"
	}
	return ""
}

// glanceVersion returns the version as the distributor counts (version.go).
// libosinfo has it except for Windows, where it counts kernels, and for the
// systems without numbered releases, where it has a word (tumbleweed, unknown,
// 9-unknown). Glance wants a version number.
func (e *entry) glanceVersion(distro string) string {
	if distro == "windows" {
		return windowsVersion(e.shortID)
	}
	version := strings.TrimSuffix(e.version, "-unknown")
	if !strings.ContainsAny(version, "0123456789") {
		return ""
	}
	if canonical, ok := CanonicalVersion(distro, version); ok {
		return canonical
	}
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
