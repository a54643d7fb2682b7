package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"glance-profile/internal/osinfo/xmldb"
)

// readDatabase reads a Debian package, an archive or a folder.
func readDatabase(name string) (release string, systems []xmldb.System, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", nil, err
	}
	reader := xmldb.NewReader()
	if info.IsDir() {
		err = reader.Tree(os.DirFS(name))
	} else {
		err = readArchive(name, reader)
	}
	if err == nil {
		systems, err = reader.Systems()
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", name, err)
	}
	return reader.Release(), systems, nil
}

func readArchive(name string, reader *xmldb.Reader) error {
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
		if h.Typeflag != tar.TypeReg || !xmldb.Wanted(h.Name) {
			continue
		}
		if err := reader.File(h.Name, t); err != nil {
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
