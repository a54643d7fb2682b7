// Package xmldb reads osinfo-db, the XML files of libosinfo, into plain values.
// The generator of the table that is built into the program and the reading of
// a newer database at run time share it. What the values mean to Glance is not
// known here. The files may be anybody's, so what is read of them is bounded
// and checked.
package xmldb

// System is one operating system, with what it inherits from others laid in.
type System struct {
	ShortID  string
	Aliases  []string // its further short ids
	ID       string   // a URL
	Name     string
	CodeName string
	Distro   string
	Version  string
	Family   string
	Released string // YYYY-MM-DD
	EOL      string // YYYY-MM-DD

	Minimum, Recommended []Resources // sorted by architecture
	Devices              []string    // names of supported VirtIO devices, sorted
	Firmware             []Firmware  // sorted
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
