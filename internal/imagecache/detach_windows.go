package imagecache

import (
	"os/exec"
	"syscall"
)

// detachedProcess has no console, and so gets none of its signals.
const detachedProcess = 0x00000008

// detached makes a command one that outlives this process's console. Only what
// it is given on purpose is inherited.
func detached(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{HideWindow: true, CreationFlags: detachedProcess | syscall.CREATE_NEW_PROCESS_GROUP}
}
