// Package inspect tells what is inside a disk image: which firmware starts it,
// which operating system it holds, and whether that has the drivers for a
// virtual machine. It only reads, starts nothing, and says of what cannot be
// told that it is unknown, and why.
//
// An image is anybody's: what is read of it is bounded in bytes, depth, entries
// and sizes, and what is damaged costs an answer or an error, nothing else. File
// systems are package filesystem's, volumes package volume's, disk formats
// package virtualdisk's.
package inspect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime/debug"
	"slices"
	"strings"

	"glance-profile/internal/budget"
	"glance-profile/internal/diskimage"
	"glance-profile/internal/filesystem"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/virtualdisk"
	"glance-profile/internal/volume"
)

// Options are how an image is looked at. The zero value is usable.
type Options struct {
	// Format is what the image has to be, as for Nova, which believes Glance's
	// disk_format; "" leaves it to the content.
	Format diskimage.Format
	Limits budget.Limits
	// Open recognizes the file system in a volume of size bytes; nil is the real
	// thing.
	Open func(volume io.ReaderAt, size int64) (filesystem.FS, error)
	DB   *osinfo.DB // nil: the built-in one
}

// Bounds of this package, on top of those of what it stands on.
const (
	maxConfig   = 1 << 20  // bytes of a text file that is read as a whole
	maxModules  = 16 << 20 // bytes of modules.dep
	maxEntries  = 20_000   // of a directory
	maxNotes    = 50
	maxLoaders  = 50
	maxKernels  = 50
	maxPacked   = 512 << 20 // bytes of an initramfs, as it is
	maxUnpacked = 400 << 20 // and unpacked
)

// inspector is the work on one image.
type inspector struct {
	ctx     context.Context
	o       Options
	disk    io.ReaderAt
	size    int64
	table   volume.Table
	volumes []*part
	report  Report
	lists   map[string]map[string]bool // of modules, by file
}

// part is a volume, with the file system on it if there is one that is read.
type part struct {
	volume.Volume
	fs   filesystem.FS
	err  error // why there is none
	info *Volume
}

// Image looks into an image file of size bytes. The error wraps that of the
// format (virtualdisk.Refused, ErrDamaged …), of reading, of the context, or
// budget.ErrSpent; the report then has what was found before.
func Image(ctx context.Context, r io.ReaderAt, size int64, o Options) (report Report, err error) {
	if o.DB == nil {
		o.DB = osinfo.Builtin()
	}
	if o.Open == nil {
		o.Open = filesystem.Open
	}
	file := budget.New(ctx, r, size, o.Limits)
	watched := &watched{r: file}
	in := &inspector{ctx: ctx, o: o}
	in.report = Report{
		Version: ReportVersion, Disk: Disk{Size: size}, Volumes: []Volume{},
		Firmware: Firmware{Loaders: []Loader{}}, Properties: []Property{}, Notes: []string{},
	}
	in.nothing("the disk was not read")
	defer func() {
		// What reads images does so within bounds and is fuzzed; should it break down
		// nevertheless, that is an error of this one image.
		if p := recover(); p != nil {
			err = fmt.Errorf("look into the image: broke down: %v\n%s", p, debug.Stack())
		}
		stats := file.Stats()
		in.report.Read.Requests, in.report.Read.Bytes = stats.Fetches, stats.Fetched
		report = in.report
	}()
	disk, err := virtualdisk.Open(watched, size, o.Format)
	if err != nil {
		return in.report, fmt.Errorf("look into the image: %w", cmp.Or(watched.err, err))
	}
	in.report.Disk.Format, in.report.Disk.VirtualSize = disk.Format(), disk.Size()
	in.disk, in.size = disk, disk.Size()
	in.find()
	in.firmware()
	in.guest()
	in.properties()
	for _, note := range disk.Notes() {
		in.note("%s", note)
	}
	if watched.err != nil {
		// What was not found may be there: "no" would be wrong.
		return in.report, fmt.Errorf("look into the image: %w", watched.err)
	}
	return in.report, nil
}

// watched remembers the first error of reading, whatever becomes of it above,
// and reads no more after it.
type watched struct {
	r   io.ReaderAt
	err error
}

func (w *watched) ReadAt(p []byte, off int64) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.r.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) && off >= 0 {
		w.err = err
	}
	return n, err
}

// nothing fills all the facts with one reason.
func (in *inspector) nothing(reason string) {
	f := unknown(reason)
	in.report.Firmware.BIOS, in.report.Firmware.UEFI, in.report.Firmware.SecureBoot = f, f, f
	in.unknownGuest(reason)
}

// unknownGuest fills the facts on the guest with one reason.
func (in *inspector) unknownGuest(reason string) {
	f := unknown(reason)
	in.report.Guest = Guest{f, f, f, f, f, f, f, f, f, f}
	in.report.Boots = Boots{f, f}
}

func (in *inspector) note(format string, args ...any) {
	text := clip(fmt.Sprintf(format, args...))
	if len(in.report.Notes) < maxNotes && !slices.Contains(in.report.Notes, text) {
		in.report.Notes = append(in.report.Notes, text)
	}
}

// find finds the volumes and opens what is on them.
func (in *inspector) find() {
	table, volumes, notes, _ := volume.Find(in.disk, in.size) // an error of reading is kept below
	in.table = table
	d := &in.report.Disk
	d.Table, d.SectorSize, d.ID = table.Kind, table.SectorSize, table.ID
	for _, note := range notes {
		in.note("%s", note)
	}
	in.report.Volumes = make([]Volume, len(volumes))
	for i, v := range volumes {
		p := &part{Volume: v, info: &in.report.Volumes[i]}
		*p.info = Volume{Name: clip(v.Name), Type: v.Type, Label: clip(v.Label), ID: v.ID, Size: v.Size, Active: v.Active, Use: []string{}}
		in.volumes = append(in.volumes, p)
		if v.Physical {
			p.err = errors.New("it is a physical volume of LVM2")
			p.info.FileSystem = unknown(p.err.Error())
			continue
		}
		if p.fs, p.err = in.o.Open(v.ReaderAt, v.Size); p.err != nil {
			p.fs = nil
			p.info.FileSystem = unknown(reason(p.err, v))
			continue
		}
		p.info.FileSystem = known(p.fs.Type(), "volume "+v.Name)
		p.info.FSLabel, p.info.UUID = clip(p.fs.Label()), clip(p.fs.UUID())
		for _, note := range p.fs.Notes() {
			in.note("volume %s: %s", v.Name, note)
		}
	}
}

// magics are what volumes begin with that hold no files, or none that are read
// here.
var magics = []struct {
	off   int64
	magic string
	what  string
}{
	{0, "LUKS\xba\xbe", "it is encrypted (LUKS)"},
	{3, "-FVE-FS-", "it is encrypted (BitLocker)"},
	{4086, "SWAPSPACE2", "it is swap space"},
	{4086, "SWAP-SPACE", "it is swap space"},
	{1372, "\x19\x01\x54\x19", "it has UFS, which is not read here"},
	{65536 + 1372, "\x19\x01\x54\x19", "it has UFS, which is not read here"},
	{1024, "\x10\x20\xf5\xf2", "it has F2FS, which is not read here"},
	{32, "NXSB", "it has APFS, which is not read here"},
	{1024, "H+", "it has HFS+, which is not read here"},
	{0, "\xe2\xe1\xf5\xe0", "it has EROFS, which is not read here"},
	{1024, "\xe2\xe1\xf5\xe0", "it has EROFS, which is not read here"},
	{3, "EXFAT   ", "it has exFAT, which is not read here"},
	{3, "ReFS", "it has ReFS, which is not read here"},
	{4096, "\xfc\x4e\x2b\xa9", "it is part of a RAID (md), which is not put together here"},
	{128 << 10, "\x0c\xb1\xba\x00\x00\x00\x00\x00", "it has ZFS, which is not read here"},
}

// reason says why there is no file system in a volume.
func reason(err error, v volume.Volume) string {
	if !errors.Is(err, filesystem.ErrUnknown) {
		return err.Error()
	}
	for _, m := range magics {
		got := make([]byte, len(m.magic))
		if n, _ := v.ReadAt(got, m.off); n == len(got) && string(got) == m.magic {
			return m.what
		}
	}
	return err.Error()
}

// view is a tree of files as a guest sees it: a file system, with others where
// the guest mounts them.
type view struct {
	filesystem.Root
	mounts *joined
	// trouble is the first error other than that something does not exist. After
	// it, what is not found may be there.
	trouble error
}

func newView(fsys filesystem.FS, volume string) *view {
	j := &joined{mounts: []mount{{"", fsys, volume}}}
	return &view{Root: filesystem.Root{FS: j}, mounts: j}
}

// failed keeps an error that is more than the lack of a file.
func (v *view) failed(name string, err error) {
	if err != nil && v.trouble == nil && !errors.Is(err, fs.ErrNotExist) {
		v.trouble = fmt.Errorf("%s: %w", v.source(name), err)
	}
}

// stat says what is meant by a name, links followed; false if there is nothing.
func (v *view) stat(name string) (resolved string, info filesystem.Info, ok bool) {
	resolved, info, err := v.Resolve(name)
	v.failed(name, err)
	return resolved, info, err == nil
}

func (v *view) exists(name string) bool {
	_, _, ok := v.stat(name)
	return ok
}

// isFile returns the size of a regular file; false if there is none.
func (v *view) isFile(name string) (int64, bool) {
	_, info, ok := v.stat(name)
	return info.Size, ok && info.Mode.IsRegular()
}

func (v *view) isDir(name string) bool {
	_, info, ok := v.stat(name)
	return ok && info.Mode.IsDir()
}

// open opens a regular file.
func (v *view) open(name string) (io.ReaderAt, int64, bool) {
	if _, ok := v.isFile(name); !ok {
		return nil, 0, false
	}
	file, size, err := v.OpenFile(name)
	v.failed(name, err)
	return file, size, err == nil
}

// read returns the contents of a regular file.
func (v *view) read(name string, max int64) ([]byte, bool) {
	if _, ok := v.isFile(name); !ok {
		return nil, false
	}
	data, err := v.ReadFile(name, max)
	v.failed(name, err)
	return data, err == nil
}

// head returns the first bytes of a regular file, as many as there are.
func (v *view) head(name string, n int) []byte {
	file, size, ok := v.open(name)
	if !ok {
		return nil
	}
	head := make([]byte, min(int64(n), size))
	got, err := file.ReadAt(head, 0)
	if got < len(head) && err != nil && !errors.Is(err, io.EOF) {
		v.failed(name, err)
	}
	return head[:got]
}

// list returns the names in a directory, sorted.
func (v *view) list(name string) []string {
	if !v.isDir(name) {
		return nil
	}
	infos, err := v.List(name, maxEntries)
	v.failed(name, err)
	names := make([]string, 0, len(infos))
	for _, info := range infos {
		if info.Name != "." && info.Name != ".." {
			names = append(names, info.Name)
		}
	}
	slices.Sort(names)
	return names
}

// source is where a name lies, for people.
func (v *view) source(name string) string {
	resolved, _, err := v.Resolve(name)
	if err != nil {
		resolved = name
	}
	m, inside := v.mounts.at(strings.Trim(resolved, "/"))
	return fmt.Sprintf("volume %s: /%s", m.volume, inside)
}

// not is the answer where something was looked for and not found.
func (v *view) not(value, source string) Fact {
	if v.trouble != nil {
		return unknown("not all could be read: " + v.trouble.Error())
	}
	return known(value, source)
}

// find returns the first of some names that is a regular file.
func (v *view) find(names ...string) (string, bool) {
	for _, name := range names {
		if _, ok := v.isFile(name); ok {
			return name, true
		}
	}
	return "", false
}
