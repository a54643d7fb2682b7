package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What the files' own dates, modes and owners are does not show.
func TestArchives(t *testing.T) {
	var again [2][2][]byte
	for round, mode := range []os.FileMode{0o777, 0o700} {
		folder := filepath.Join(t.TempDir(), "program-1.2")
		for name, mode := range map[string]os.FileMode{"bin/program": mode, "share/b": 0o600 | mode&0o066, "share/a.txt": 0o600} {
			path := filepath.Join(folder, name)
			if err := os.MkdirAll(filepath.Dir(path), mode|0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("the content of "+name), mode); err != nil {
				t.Fatal(err)
			}
		}
		for i, name := range []string{"a.tar.gz", "a.zip"} {
			archive := filepath.Join(t.TempDir(), name)
			if err := write(folder, archive, "1700000001"); err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(archive)
			if err != nil {
				t.Fatal(err)
			}
			again[round][i] = content
		}
	}
	if !bytes.Equal(again[0][0], again[1][0]) || !bytes.Equal(again[0][1], again[1][1]) {
		t.Error("other modes of the files give other bytes")
	}
	want := []string{
		"program-1.2/ -rwxr-xr-x 2023-11-14T22:13:21Z ",
		"program-1.2/bin/ -rwxr-xr-x 2023-11-14T22:13:21Z ",
		"program-1.2/bin/program -rwxr-xr-x 2023-11-14T22:13:21Z the content of bin/program",
		"program-1.2/share/ -rwxr-xr-x 2023-11-14T22:13:21Z ",
		"program-1.2/share/a.txt -rw-r--r-- 2023-11-14T22:13:21Z the content of share/a.txt",
		"program-1.2/share/b -rw-r--r-- 2023-11-14T22:13:21Z the content of share/b",
	}
	for i, members := range [][]string{tarMembers(t, again[0][0]), zipMembers(t, again[0][1])} {
		if !slices.Equal(members, want) {
			t.Errorf("archive %d holds\n%s\nwant\n%s", i, strings.Join(members, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestRefused(t *testing.T) {
	folder := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(folder, "link")); err != nil {
		t.Skip(err)
	}
	for name, epoch := range map[string]string{"a link": "1", "no date": ""} {
		if err := write(folder, filepath.Join(t.TempDir(), "a.zip"), epoch); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

const layout = "2006-01-02T15:04:05Z"

func tarMembers(t *testing.T, content []byte) (members []string) {
	t.Helper()
	plain, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(plain); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return members
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Uid != 0 || header.Gid != 0 || header.Uname != "root" || header.Gname != "root" {
			t.Errorf("%s is not root's: %+v", header.Name, header)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, fmt.Sprintf("%s %s %s %s", header.Name, header.FileInfo().Mode().Perm(), header.ModTime.UTC().Format(layout), text))
	}
}

func zipMembers(t *testing.T, content []byte) (members []string) {
	t.Helper()
	archive, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range archive.File {
		in, err := member.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, fmt.Sprintf("%s %s %s %s", member.Name, member.Mode().Perm(), member.Modified.UTC().Format(layout), text))
	}
	return members
}
