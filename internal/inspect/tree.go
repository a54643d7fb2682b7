package inspect

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"glance-profile/internal/filesystem"
)

// mount is a file system at a place in a tree.
type mount struct {
	point  string // "" for the root
	fs     filesystem.FS
	volume string
}

// joined is a tree of file systems. The first of its mounts is the root.
type joined struct{ mounts []mount }

// at returns the file system that a name lies on, and its name there.
func (j *joined) at(name string) (mount, string) {
	best, inside := j.mounts[0], name
	for _, m := range j.mounts[1:] {
		rest, below := strings.CutPrefix(name, m.point)
		if below && (rest == "" || rest[0] == '/') && len(m.point) >= len(best.point) {
			best, inside = m, strings.TrimPrefix(rest, "/")
		}
	}
	return best, inside
}

func (j *joined) Type() string  { return j.mounts[0].fs.Type() }
func (j *joined) Label() string { return j.mounts[0].fs.Label() }
func (j *joined) UUID() string  { return j.mounts[0].fs.UUID() }

// Notes are said for each volume already.
func (j *joined) Notes() []string { return nil }

func (j *joined) Lstat(name string) (filesystem.Info, error) {
	m, inside := j.at(name)
	if inside == "" {
		return filesystem.Info{Name: path.Base("/" + name), Mode: fs.ModeDir | 0o755}, nil
	}
	return m.fs.Lstat(inside)
}

func (j *joined) ReadDir(name string, max int) ([]filesystem.Info, error) {
	m, inside := j.at(name)
	return m.fs.ReadDir(inside, max)
}

func (j *joined) Readlink(name string) (string, error) {
	m, inside := j.at(name)
	return m.fs.Readlink(inside)
}

func (j *joined) Open(name string) (io.ReaderAt, error) {
	m, inside := j.at(name)
	return m.fs.Open(inside)
}

// below is a directory of a file system as a file system of its own: a subvolume
// seen from the top, or one of the deployments of OSTree.
type below struct {
	filesystem.FS
	dir string
}

func (b below) Notes() []string { return nil }

func (b below) Lstat(name string) (filesystem.Info, error) { return b.FS.Lstat(path.Join(b.dir, name)) }
func (b below) ReadDir(name string, max int) ([]filesystem.Info, error) {
	return b.FS.ReadDir(path.Join(b.dir, name), max)
}
func (b below) Readlink(name string) (string, error)  { return b.FS.Readlink(path.Join(b.dir, name)) }
func (b below) Open(name string) (io.ReaderAt, error) { return b.FS.Open(path.Join(b.dir, name)) }

// hollow is a root with nothing but mount points, for an image whose root is made
// when it starts for the first time.
type hollow struct{}

func (hollow) Type() string    { return "" }
func (hollow) Label() string   { return "" }
func (hollow) UUID() string    { return "" }
func (hollow) Notes() []string { return nil }
func (hollow) Lstat(name string) (filesystem.Info, error) {
	if name == "" {
		return filesystem.Info{Mode: fs.ModeDir | 0o755}, nil
	}
	return filesystem.Info{}, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}
func (hollow) ReadDir(string, int) ([]filesystem.Info, error) { return nil, nil }
func (hollow) Readlink(name string) (string, error)           { return "", fs.ErrNotExist }
func (hollow) Open(name string) (io.ReaderAt, error)          { return nil, fs.ErrNotExist }
