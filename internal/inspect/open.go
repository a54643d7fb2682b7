package inspect

import (
	"io"

	"glance-profile/internal/filesystem"
)

// openFileSystem is how file systems are opened where Options do not say it.
func openFileSystem(volume io.ReaderAt, size int64) (filesystem.FS, error) {
	return filesystem.Open(volume, size)
}
