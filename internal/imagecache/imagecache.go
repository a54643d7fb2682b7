// Package imagecache remembers the names and ids of a cloud's images for
// completion, which cannot wait for a login. It holds nothing else: what it
// knows can be read off a listing at any time. A file is 0600 in a folder 0700,
// bounded, and written whole or not at all.
package imagecache

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Bounds. A shell is not helped by more, and a larger file takes too long.
const (
	MaxImages = 20_000
	maxName   = 255 // Glance's own
	maxBytes  = MaxImages * (36 + 4*maxName + 2)

	// keep is how long a file is kept that nobody asks for.
	keep = 30 * 24 * time.Hour
	// version is the first word of a file. Another one is not read.
	version = "glance-profile-images-1"
)

// Image is what is remembered of one image.
type Image struct{ ID, Name string }

// Cache is what is remembered of one cloud as one user sees it.
type Cache struct {
	path string
}

// At returns the cache in a folder for one login, which any text tells from
// others. The text is not to be found out from the file's name.
func At(dir, login string) Cache {
	sum := sha256.Sum256([]byte(login))
	return Cache{filepath.Join(dir, "images-"+hex.EncodeToString(sum[:12]))}
}

func (c Cache) file() string { return c.path + ".list" }
func (c Cache) lock() string { return c.path + ".lock" }

// Read returns the images and when they were listed. Without a file, or with
// one that is damaged, there are none.
func (c Cache) Read() ([]Image, time.Time) {
	f, err := os.Open(c.file())
	if err != nil {
		return nil, time.Time{}
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxBytes))
	if !lines.Scan() {
		return nil, time.Time{}
	}
	first, seconds, _ := strings.Cut(lines.Text(), " ")
	listed, err := strconv.ParseInt(seconds, 10, 64)
	if first != version || err != nil {
		return nil, time.Time{}
	}
	images := make([]Image, 0, 256)
	for len(images) < MaxImages && lines.Scan() {
		id, name, ok := strings.Cut(lines.Text(), "\t")
		if !ok {
			return nil, time.Time{}
		}
		images = append(images, Image{id, name})
	}
	return images, time.Unix(listed, 0)
}

// Write remembers images as listed now, and forgets what nobody has asked for
// in a month.
func (c Cache) Write(images []Image, now time.Time) (err error) {
	dir := filepath.Dir(c.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, "images-*.new") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "%s %d\n", version, now.Unix())
	for _, img := range images[:min(len(images), MaxImages)] {
		if len(img.Name) <= 4*maxName && !strings.ContainsAny(img.ID+img.Name, "\t\r\n") {
			fmt.Fprintf(w, "%s\t%s\n", img.ID, img.Name)
		}
	}
	if err := errors.Join(w.Flush(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), c.file()); err != nil {
		return err
	}
	forget(dir, now)
	return nil
}

// forget removes what is old in the folder.
func forget(dir string, now time.Time) {
	paths, _ := filepath.Glob(filepath.Join(dir, "images-*"))
	for _, path := range paths {
		if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() && now.Sub(info.ModTime()) > keep {
			_ = os.Remove(path)
		}
	}
}

// Begin reports whether this process may list the images now, and keeps others
// from it for some time, which Hold changes. The lock's time stamp is the instant
// from which on another one may. (Two that come in the same instant upon a lock
// that has run out may both get it, which costs one listing.)
func (c Cache) Begin(now time.Time, hold time.Duration) bool {
	if err := os.MkdirAll(filepath.Dir(c.path), 0o700); err != nil {
		return false
	}
	info, err := os.Lstat(c.lock())
	switch {
	case err == nil && info.ModTime().After(now) && info.ModTime().Before(now.Add(24*time.Hour)):
		return false // later than that is no instant that this package sets: a clock was put back
	case err == nil:
		if os.Remove(c.lock()) != nil {
			return false
		}
	case !errors.Is(err, fs.ErrNotExist):
		return false
	}
	f, err := os.OpenFile(c.lock(), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return false
	}
	f.Close()
	return c.Hold(now, hold) == nil
}

// Hold sets how long from now nobody else may list the images.
func (c Cache) Hold(now time.Time, hold time.Duration) error {
	return os.Chtimes(c.lock(), now, now.Add(hold))
}
