// Command archive writes a folder as .tar.gz or .zip, by the name of the archive, and gives the same
// bytes for the same files: members in order, owned by root, dated $SOURCE_DATE_EPOCH.
package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: archive FOLDER FILE.tar.gz|FILE.zip")
		os.Exit(2)
	}
	if err := write(os.Args[1], os.Args[2], os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		fmt.Fprintf(os.Stderr, "archive: %v\n", err)
		os.Exit(1)
	}
}

func write(folder, archive, epoch string) error {
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
	}
	out, err := os.Create(archive)
	if err != nil {
		return err
	}
	defer out.Close() // a second Close does nothing
	write := writeZip
	if strings.HasSuffix(archive, ".tar.gz") {
		write = writeTar
	}
	if err := write(out, folder, time.Unix(seconds, 0).UTC()); err != nil {
		return err
	}
	return out.Close()
}

func writeTar(out io.Writer, folder string, date time.Time) error {
	compressed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(compressed)
	err = walk(folder, func(name string, mode fs.FileMode, content []byte) error {
		header := &tar.Header{
			Format: tar.FormatUSTAR, Typeflag: tar.TypeReg, Name: name, Size: int64(len(content)),
			Mode: int64(mode.Perm()), ModTime: date, Uname: "root", Gname: "root",
		}
		if mode.IsDir() {
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := archive.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return compressed.Close()
}

func writeZip(out io.Writer, folder string, date time.Time) error {
	archive := zip.NewWriter(out)
	err := walk(folder, func(name string, mode fs.FileMode, content []byte) error {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: date}
		header.SetMode(mode)
		member, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		_, err = member.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	return archive.Close()
}

// walk calls add for what is in folder, in order. Names begin with the folder's own, those of folders
// end in a slash, and modes are those that the umask of the one who builds has no say in.
func walk(folder string, add func(name string, mode fs.FileMode, content []byte) error) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(filepath.Dir(folder), path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.IsDir() {
			return add(name+"/", fs.ModeDir|0o755, nil)
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s: neither file nor folder", path)
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return add(name, mode, content)
	})
}
