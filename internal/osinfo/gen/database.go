package main

import (
	"archive/tar"
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// system is one operating system of the database.
type system struct {
	ShortID  string   `json:"short_id"`
	Aliases  []string `json:"aliases"` // its further short ids
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Distro   string   `json:"distro"`
	Version  string   `json:"version"`
	Family   string   `json:"family"`
	Released string   `json:"released"`
	EOL      string   `json:"eol"`
}

// database is a release of osinfo-db.
type database struct {
	version string
	systems map[string]system // by id
}

// readDatabase reads a Debian package, an archive or a folder.
func readDatabase(name string) (*database, error) {
	db := &database{systems: map[string]system{}}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		err = db.readFolder(os.DirFS(name))
	} else {
		err = db.readArchive(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if db.version == "" || len(db.systems) == 0 {
		return nil, fmt.Errorf("%s: no osinfo-db in it: want a file VERSION and a folder os", name)
	}
	return db, nil
}

func (db *database) readFolder(root fs.FS) error {
	return fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return db.readFile(name, f)
	})
}

func (db *database) readArchive(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	var r io.Reader = f
	if filepath.Ext(name) == ".deb" {
		if name, r, err = debianData(f); err != nil {
			return err
		}
	}
	switch path.Ext(name) {
	case ".xz":
		if r, err = xz.NewReader(r); err != nil {
			return err
		}
	case ".zst":
		z, err := zstd.NewReader(r)
		if err != nil {
			return err
		}
		defer z.Close()
		r = z
	default:
		return fmt.Errorf("%s is neither .xz nor .zst", name)
	}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := db.readFile(h.Name, t); err != nil {
			return err
		}
	}
}

// debianData finds the member data.tar.* of a Debian package, which is an ar
// archive: 60-byte headers, members padded to even offsets.
func debianData(r io.Reader) (string, io.Reader, error) {
	magic := make([]byte, 8)
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != "!<arch>\n" {
		return "", nil, errors.New("not a Debian package")
	}
	for {
		header := make([]byte, 60)
		if _, err := io.ReadFull(r, header); err != nil {
			return "", nil, fmt.Errorf("no member data.tar: %w", err)
		}
		name := strings.TrimRight(string(header[:16]), " /")
		size, err := strconv.ParseInt(strings.TrimSpace(string(header[48:58])), 10, 64)
		if err != nil || size < 0 {
			return "", nil, fmt.Errorf("member %s: bad size", name)
		}
		if strings.HasPrefix(name, "data.tar") {
			return name, io.LimitReader(r, size), nil
		}
		if _, err := io.CopyN(io.Discard, r, size+size%2); err != nil {
			return "", nil, fmt.Errorf("member %s: %w", name, err)
		}
	}
}

// readFile takes what is of use from one file of the database.
func (db *database) readFile(name string, r io.Reader) error {
	if path.Base(name) == "VERSION" {
		text, err := io.ReadAll(io.LimitReader(r, 100))
		db.version = string(bytes.TrimSpace(text))
		return err
	}
	if path.Ext(name) != ".xml" || !strings.Contains("/"+name, "/os/") {
		return nil
	}
	var doc struct {
		OS []struct {
			ID      string   `xml:"id,attr"`
			ShortID []string `xml:"short-id"`
			Names   []struct {
				Lang string `xml:"lang,attr"`
				Text string `xml:",chardata"`
			} `xml:"name"`
			Distro   string `xml:"distro"`
			Version  string `xml:"version"`
			Family   string `xml:"family"`
			Released string `xml:"release-date"`
			EOL      string `xml:"eol-date"`
		} `xml:"os"`
	}
	if err := xml.NewDecoder(r).Decode(&doc); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, o := range doc.OS {
		// A folder beside the file of a system holds more of the same system,
		// such as install scripts, without its version and family.
		if o.ID == "" || len(o.ShortID) == 0 || o.Family == "" && o.Version == "" && o.Released == "" {
			continue
		}
		s := system{ShortID: o.ShortID[0], Aliases: o.ShortID[1:], ID: o.ID, Distro: o.Distro, Version: o.Version, Family: o.Family, Released: o.Released, EOL: o.EOL}
		for _, n := range o.Names {
			if n.Lang == "" {
				s.Name = n.Text
			}
		}
		if _, ok := db.systems[o.ID]; ok {
			return fmt.Errorf("%s: %s is defined twice", name, o.ID)
		}
		db.systems[o.ID] = s
	}
	return nil
}
