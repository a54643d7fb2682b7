// Package osinfo is libosinfo's vocabulary of operating systems, and what each
// of them is in Glance's: os_distro, os_version and os_type. It knows names
// only; what a system supports, or what is inside an image, does not belong
// here. It does no I/O and imports the standard library only.
package osinfo

import (
	"iter"
	"slices"
	"strings"
)

// To make the table from another release, name it:
//
//	OSINFO_DB=osinfo-db_20250606.deb go generate ./internal/osinfo
//
//go:generate sh -c "go run ./gen -supplement data/supplement.json -out zz_table.go \"$OSINFO_DB\""

// OS is one operating system.
type OS struct {
	ShortID string // libosinfo's short id, such as ubuntu24.04
	ID      string // libosinfo's URL for it; "" for those that its release did not have yet
	Name    string // for people, such as Ubuntu 24.04 LTS

	// Distro is the value of os_distro: Glance's name where it has one, else
	// libosinfo's in lower case. "" where there is neither (linux2024).
	// Source: glance/doc/source/admin/useful-image-properties.rst.
	Distro          string
	LibosinfoDistro string // such as win for every Windows

	// Version is the value of os_version, as the distributor counts: 24.04, 12,
	// 9 or 9.4, as the short id says; for Windows the number that it is sold
	// under: 2019, 2012r2, 11. "" for systems without numbered releases.
	Version string
	// Type is the value of os_type, of which Nova knows two: linux and windows.
	// "" for any other system.
	Type string

	Family   string // libosinfo's family: linux, winnt, freebsd …
	Released string // YYYY-MM-DD, or "" if not known
	EOL      string // YYYY-MM-DD, or "" if not known
}

// entry is a row of the generated table.
type entry struct {
	shortID, id, name, distro, version, family, released, eol string
}

// Lookup returns the system with a short id of libosinfo. Further short ids
// that libosinfo has for the same system, such as debianbookworm for debian12,
// are understood too; the result then has the first.
func Lookup(shortID string) (OS, bool) {
	if i, ok := slices.BinarySearchFunc(aliases[:], shortID, func(a [2]string, id string) int { return strings.Compare(a[0], id) }); ok {
		shortID = aliases[i][1]
	}
	i, ok := slices.BinarySearchFunc(table[:], shortID, func(e entry, id string) int { return strings.Compare(e.shortID, id) })
	if !ok {
		return OS{}, false
	}
	return table[i].os(), true
}

// All yields every system, sorted by short id.
func All() iter.Seq[OS] {
	return func(yield func(OS) bool) {
		for i := range table {
			if !yield(table[i].os()) {
				return
			}
		}
	}
}

func (e *entry) os() OS {
	return OS{
		ShortID: e.shortID, ID: e.id, Name: e.name,
		Distro: e.glanceDistro(), LibosinfoDistro: e.distro, Version: e.glanceVersion(), Type: e.osType(),
		Family: e.family, Released: e.released, EOL: e.eol,
	}
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

// glanceVersion returns the version as the distributor counts. libosinfo has
// it except for Windows, where it counts kernels, and for the systems without
// numbered releases, where it has a word (tumbleweed, unknown, 9-unknown).
// Glance wants a version number.
func (e *entry) glanceVersion() string {
	if e.glanceDistro() == "windows" {
		return windowsVersion(e.shortID)
	}
	version := strings.TrimSuffix(e.version, "-unknown")
	if !strings.ContainsAny(version, "0123456789") {
		return ""
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
