//go:build unix

package imagecache

import (
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// detached makes a command one of a session of its own, so that neither Ctrl-C nor
// the end of the terminal reaches it, and without the descriptors that this
// process has been given beyond the first three: a shell may wait until the last
// copy of one is closed.
func detached(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		return
	}
	for _, entry := range open {
		if fd, err := strconv.Atoi(entry.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}
