//go:build !windows

package journal

import (
	"errors"
	"os"
	"syscall"
)

// syncDir writes a directory's entries to the disk. File systems that cannot
// (some network ones) answer EINVAL, which loses nothing that they promise.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return err
	}
	return nil
}
