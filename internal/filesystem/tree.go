package filesystem

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"strings"
)

// tree is what a type of file system has to know; mounted makes an FS of it.
// A node is one file, directory or link, already read.
type tree interface {
	id() identity
	root() (node, error)
	// lookup finds a name in a directory.
	lookup(dir node, name string) (node, error)
	// list calls yield for each entry of a directory but "." and "..", until it
	// returns false.
	list(dir node, yield func(name string, mode fs.FileMode) bool) error
	readlink(link node) (string, error)
	open(file node) (content, error)
	notes() []string
}

type identity struct{ kind, label, uuid string }

type node interface {
	// stat returns the size and the mode.
	stat() (int64, fs.FileMode)
}

// content fills p, which lies within the size of the file, from an offset.
type content interface {
	fill(p []byte, off int64) error
}

// mounted makes an FS of a tree: it walks paths, and keeps each call from
// panicking and within bounds.
type mounted struct {
	tree
	dev   *device
	nodes map[string]node // what names led to
}

// maxNodes bounds what is remembered, maxName the length of a name as Linux does
// (PATH_MAX), maxLink that of what a link points to.
const (
	maxNodes = 4096
	maxName  = 4096
	maxLink  = 4096
)

var (
	errNotDir  = errors.New("not a directory")
	errNotFile = errors.New("not a regular file")
	errNotLink = errors.New("not a symbolic link")
)

func (m *mounted) Type() string  { return m.id().kind }
func (m *mounted) Label() string { return m.id().label }
func (m *mounted) UUID() string  { return m.id().uuid }

// guarded runs one call: with a fresh budget, and with a panic turned into an
// error. Readers check what they read; this is for what they forgot.
func guarded(dev *device, name string, asked int64, work func() error) (err error) {
	dev.begin(asked)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", ErrDamaged, p)
			if fault, ok := p.(runtime.Error); ok {
				err = fmt.Errorf("%w: %s", ErrDamaged, fault.Error())
			}
		}
		if err != nil && name != "" && !errors.Is(err, io.EOF) {
			err = fmt.Errorf("%s: %w", name, err)
		}
	}()
	return work()
}

func clean(name string) string { return strings.Trim(path.Clean("/"+name), "/") }

func (m *mounted) walk(name string) (node, error) {
	if name = clean(name); len(name) > maxName {
		return nil, fs.ErrNotExist
	}
	if n, ok := m.nodes[name]; ok {
		return n, nil
	}
	var n node
	var err error
	if name == "" {
		n, err = m.root()
	} else {
		dir, base := path.Split(name)
		var parent node
		if parent, err = m.walk(dir); err != nil {
			return nil, err
		}
		if _, mode := parent.stat(); !mode.IsDir() {
			return nil, fmt.Errorf("%w: %w", fs.ErrNotExist, errNotDir)
		}
		n, err = m.lookup(parent, base)
	}
	if err != nil {
		return nil, err
	}
	if len(m.nodes) >= maxNodes {
		clear(m.nodes)
	}
	m.nodes[name] = n
	return n, nil
}

func (m *mounted) Lstat(name string) (info Info, err error) {
	err = guarded(m.dev, name, 0, func() error {
		n, err := m.walk(name)
		if err != nil {
			return err
		}
		size, mode := n.stat()
		if size < 0 {
			return fmt.Errorf("%w: a size below zero", ErrDamaged)
		}
		info = Info{Name: path.Base("/" + clean(name)), Size: size, Mode: mode}
		if clean(name) == "" {
			info.Name = ""
		}
		return nil
	})
	return info, err
}

func (m *mounted) ReadDir(name string, max int) (all []Info, err error) {
	err = guarded(m.dev, name, 0, func() error {
		n, err := m.walk(name)
		if err != nil {
			return err
		}
		if _, mode := n.stat(); !mode.IsDir() {
			return errNotDir
		}
		more := false
		err = m.list(n, func(name string, mode fs.FileMode) bool {
			// A name that is no name could only lead astray.
			if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
				return true
			}
			if more = len(all) >= max; more {
				return false
			}
			all = append(all, Info{Name: name, Mode: mode.Type()})
			return true
		})
		if err == nil && more {
			return fmt.Errorf("%w: more than %d entries", ErrTooLarge, max)
		}
		return err
	})
	return all, err
}

func (m *mounted) Readlink(name string) (target string, err error) {
	err = guarded(m.dev, name, 0, func() error {
		n, err := m.walk(name)
		if err != nil {
			return err
		}
		if _, mode := n.stat(); mode&fs.ModeSymlink == 0 {
			return errNotLink
		}
		if target, err = m.readlink(n); err != nil {
			return err
		}
		if target == "" || len(target) > maxLink || strings.ContainsRune(target, 0) {
			return fmt.Errorf("%w: a link that leads nowhere", ErrDamaged)
		}
		return nil
	})
	return target, err
}

func (m *mounted) Open(name string) (file io.ReaderAt, err error) {
	err = guarded(m.dev, name, 0, func() error {
		n, err := m.walk(name)
		if err != nil {
			return err
		}
		size, mode := n.stat()
		if !mode.IsRegular() {
			return errNotFile
		}
		c, err := m.open(n)
		if err != nil {
			return err
		}
		file = &opened{dev: m.dev, name: name, size: size, content: c}
		return nil
	})
	return file, err
}

func (m *mounted) Notes() (notes []string) {
	err := guarded(m.dev, "", 0, func() error {
		notes = m.tree.notes()
		return nil
	})
	if err != nil {
		notes = append(notes, "its state cannot be read: "+err.Error())
	}
	return notes
}

// opened is a file as io.ReaderAt.
type opened struct {
	dev  *device
	name string
	size int64
	content
}

func (o *opened) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("%s: %w", o.name, fs.ErrInvalid)
	}
	if off >= o.size {
		return 0, io.EOF
	}
	n = int(min(int64(len(p)), o.size-off))
	if err := guarded(o.dev, o.name, int64(n), func() error { return o.fill(p[:n], off) }); err != nil {
		return 0, err
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readAll reads a content that the file system itself needs, of a size that is
// checked.
func readAll(c content, size, max int64) ([]byte, error) {
	if size < 0 || size > max {
		return nil, fmt.Errorf("%w: %d bytes where there are %d at most", ErrDamaged, size, max)
	}
	p := make([]byte, size)
	return p, c.fill(p, 0)
}

// inline is a content that lies in memory.
type inline []byte

func (b inline) fill(p []byte, off int64) error {
	clear(p)
	if off < int64(len(b)) {
		copy(p, b[off:])
	}
	return nil
}

// hole as the place of an extent says that there are only zeros.
const hole = -1

// mapped is a content that lies in extents on the device. at returns where the
// byte at off lies, or hole, and for how many bytes that goes on, at least one.
type mapped struct {
	dev *device
	at  func(off int64) (place, length int64, err error)
}

func (m mapped) fill(p []byte, off int64) error {
	for len(p) > 0 {
		if err := m.dev.step(1); err != nil {
			return err
		}
		place, length, err := m.at(off)
		if err != nil {
			return err
		}
		if length <= 0 {
			return fmt.Errorf("%w: an empty extent", ErrDamaged)
		}
		part := p[:min(int64(len(p)), length)]
		if place == hole {
			clear(part)
		} else if err := m.dev.data(part, place); err != nil {
			return err
		}
		p, off = p[len(part):], off+int64(len(part))
	}
	return nil
}

// readMeta reads up to n bytes of structure, such as a block of a directory, out
// of a mapped content, through the cache where it lies in one piece.
func (m mapped) readMeta(off int64, n int) ([]byte, error) {
	place, length, err := m.at(off)
	if err != nil {
		return nil, err
	}
	if place != hole && length >= int64(n) {
		return m.dev.read(place, n)
	}
	p := make([]byte, n)
	for done := 0; done < n; {
		if place, length, err = m.at(off + int64(done)); err != nil {
			return nil, err
		}
		if length <= 0 {
			return nil, fmt.Errorf("%w: an empty extent", ErrDamaged)
		}
		part := int(min(int64(n-done), length))
		if place != hole {
			b, err := m.dev.read(place, part)
			if err != nil {
				return nil, err
			}
			copy(p[done:], b)
		}
		done += part
	}
	return p, m.dev.step(1)
}

// Sub is the part of a file system below a directory, as a file system of its
// own: names begin there, and links do not lead out of it.
func Sub(fsys FS, dir string) FS {
	if dir = clean(dir); dir == "" {
		return fsys
	}
	return sub{fsys, dir}
}

type sub struct {
	FS
	dir string
}

func (s sub) name(name string) string              { return s.dir + path.Clean("/"+name) }
func (s sub) Lstat(name string) (Info, error)      { return s.FS.Lstat(s.name(name)) }
func (s sub) Readlink(name string) (string, error) { return s.FS.Readlink(s.name(name)) }
func (s sub) Open(name string) (io.ReaderAt, error) {
	return s.FS.Open(s.name(name))
}
func (s sub) ReadDir(name string, max int) ([]Info, error) {
	return s.FS.ReadDir(s.name(name), max)
}
