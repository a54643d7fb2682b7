package imagecache

import (
	"os"
	"os/exec"
)

// Detach starts a program that goes on by itself. It reads input, which is to
// be small, and nothing else of this process's; what it prints is lost.
func Detach(program string, args []string, input []byte) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command(program, args...)
	cmd.Stdin = r
	detached(cmd)
	if err := cmd.Start(); err != nil {
		w.Close()
		return err
	}
	_, err = w.Write(input)
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	_ = cmd.Process.Release()
	return err
}
