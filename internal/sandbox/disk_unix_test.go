//go:build unix

package sandbox_test

import (
	"os"
	"syscall"
	"testing"
)

// allocated is how many bytes a file takes on disk.
func allocated(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Blocks * 512
}
