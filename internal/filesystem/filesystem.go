// Package filesystem reads files out of file systems that lie in disk images,
// without mounting anything: ext2 to ext4, XFS, btrfs, FAT, NTFS, ISO 9660 and
// squashfs behind one interface. It only reads, and takes nothing that an image
// says for granted: all it does is bounded, and a broken or hostile file system
// costs an error. What files mean belongs to package inspect.
package filesystem

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
)

// FS is a file system of one type. Names are slash-separated, without a slash at
// the beginning; "" is the root. None of the methods follows a symbolic link:
// that is Root's work. They, and the files that Open returns, are used one after
// another, by nobody else at the same time. An error for a name that does not
// exist wraps fs.ErrNotExist. In NTFS and FAT, and in ISO 9660 without Rock Ridge,
// names count whatever their case.
type FS interface {
	// Type is ext2, ext3, ext4, xfs, btrfs, vfat, ntfs, iso9660 or squashfs.
	Type() string
	// Label and UUID are the file system's own; "" where it has none.
	Label() string
	UUID() string
	// Lstat says what a name is.
	Lstat(name string) (Info, error)
	// ReadDir lists a directory in no order. Of each entry only the name and the type
	// are said: Lstat says the rest, and costs more. If there are more than max, it
	// returns max of them with an error that wraps ErrTooLarge; entries before any
	// other error are returned too.
	ReadDir(name string, max int) ([]Info, error)
	// Readlink returns what a symbolic link points to.
	Readlink(name string) (string, error)
	// Open returns the contents of a regular file, of Info.Size bytes. Only what is
	// read is fetched.
	Open(name string) (io.ReaderAt, error)
	// Notes says what makes the contents doubtful, such as a journal with changes
	// that did not reach their place.
	Notes() []string
}

// Info is what is known of a name.
type Info struct {
	Name string // the last element
	Size int64  // in bytes; of a regular file
	Mode fs.FileMode
}

// Errors of Open and of file systems.
var (
	// ErrUnknown says that nothing here reads what is there: no file system, or one
	// of another type.
	ErrUnknown = errors.New("no file system that can be read here")
	// ErrDamaged says that the file system contradicts itself.
	ErrDamaged = errors.New("the file system is damaged")
	// ErrUnsupported says that it is right, but uses what cannot be read here.
	ErrUnsupported = errors.New("not supported")
	// ErrTooLarge says that a file or directory is above the bound asked for.
	ErrTooLarge = errors.New("too large")
)

// opener recognizes one type of file system; it returns ErrUnknown if it is
// another one.
type opener func(dev *device) (tree, error)

var openers = []opener{openNTFS, openXFS, openSquashFS, openISO, openBtrfs, openExt, openFAT}

// Open recognizes the file system in a volume of size bytes. The error wraps
// ErrUnknown where there is none that can be read.
func Open(volume io.ReaderAt, size int64) (FS, error) {
	dev := newDevice(volume, size)
	for _, open := range openers {
		var t tree
		err := guarded(dev, "", 0, func() (err error) {
			t, err = open(dev)
			return err
		})
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil {
			return nil, err
		}
		m := &mounted{tree: t, dev: dev, nodes: map[string]node{}}
		if m.Type() == "btrfs" {
			return btrfsFS{m}, nil
		}
		return m, nil
	}
	return nil, ErrUnknown
}

// Root is a file system whose symbolic links are followed, inside of it and no
// deeper than maxLinks.
type Root struct{ FS }

// maxLinks is how many links are followed for one name, as Linux does
// (MAXSYMLINKS in include/linux/namei.h).
const maxLinks = 40

// Resolve returns the name of what is meant by one, with all links followed.
func (r Root) Resolve(name string) (string, Info, error) {
	left := strings.Split(strings.Trim(path.Clean("/"+name), "/"), "/")
	resolved, links := "", 0
	info := Info{Mode: fs.ModeDir}
	for len(left) > 0 {
		element := left[0]
		left = left[1:]
		switch element {
		case "", ".":
			continue
		case "..":
			resolved = strings.Trim(path.Dir("/"+resolved), "/")
			continue
		}
		next := path.Join(resolved, element)
		var err error
		if info, err = r.Lstat(next); err != nil {
			return "", Info{}, err
		}
		if info.Mode&fs.ModeSymlink == 0 {
			resolved = next
			continue
		}
		if links++; links > maxLinks {
			return "", Info{}, fmt.Errorf("%s: too many symbolic links", name)
		}
		target, err := r.Readlink(next)
		if err != nil {
			return "", Info{}, err
		}
		if strings.HasPrefix(target, "/") {
			resolved = ""
		}
		left = append(strings.Split(target, "/"), left...)
		if len(left) > 1000 {
			return "", Info{}, fmt.Errorf("%s: too many symbolic links", name)
		}
	}
	if resolved == "" {
		return "", Info{Mode: fs.ModeDir}, nil
	}
	info, err := r.Lstat(resolved)
	return resolved, info, err
}

// Exists reports whether a name leads to something, links followed.
func (r Root) Exists(name string) bool {
	_, _, err := r.Resolve(name)
	return err == nil
}

// ReadFile returns a regular file of at most max bytes.
func (r Root) ReadFile(name string, max int64) ([]byte, error) {
	file, size, err := r.OpenFile(name)
	if err != nil {
		return nil, err
	}
	if size > max {
		return nil, fmt.Errorf("%s: %w: %d bytes, %d at most", name, ErrTooLarge, size, max)
	}
	data := make([]byte, size)
	if n, err := file.ReadAt(data, 0); err != nil && !(errors.Is(err, io.EOF) && int64(n) == size) {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// OpenFile opens a regular file, links followed, and returns its size in bytes.
func (r Root) OpenFile(name string) (io.ReaderAt, int64, error) {
	resolved, info, err := r.Resolve(name)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode.IsRegular() {
		return nil, 0, fmt.Errorf("%s: not a regular file", name)
	}
	file, err := r.Open(resolved)
	return file, info.Size, err
}

// List returns the entries of a directory, links followed.
func (r Root) List(name string, max int) ([]Info, error) {
	resolved, info, err := r.Resolve(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode.IsDir() {
		return nil, fmt.Errorf("%s: not a directory", name)
	}
	return r.ReadDir(resolved, max)
}
