package qemu

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// Report is what became of a guest that was started.
type Report struct {
	Stage Stage
	// Problem says why the guest will come no further; "" where it came to a
	// login prompt, or where the time was over.
	Problem string
	// Line is the line of the console that told the most; it is the guest's,
	// and not to be trusted to be fit for a terminal.
	Line string
	Took time.Duration
}

// ErrNoQEMU says that QEMU is not installed.
var ErrNoQEMU = errors.New("QEMU is not installed (Debian: qemu-system-x86, and ovmf for UEFI)")

// Try starts a line's machine without screen and watches its serial console
// until it comes to a login prompt, fails, or limit is over. Nothing is written
// to the image: the line opens it as a snapshot. The error is of what kept the
// machine from being tried at all.
func Try(ctx context.Context, l Line, limit time.Duration) (Report, error) {
	if _, err := exec.LookPath(l.Args[0]); err != nil {
		return Report{}, ErrNoQEMU
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	args := append([]string{}, l.Args[1:]...)
	for i, word := range args {
		if word == "-machine" && strings.Contains(args[i+1], "smm=") {
			args[i+1] += ",graphics=off" // SeaBIOS then talks on the serial console
		}
	}
	cmd := exec.CommandContext(ctx, l.Args[0], append(args, "-display", "none", "-monitor", "none", "-no-reboot")...)
	cmd.WaitDelay = 5 * time.Second
	var complaint tail
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Report{}, err
	}
	if err := cmd.Start(); err != nil {
		return Report{}, fmt.Errorf("start QEMU: %w", err)
	}
	seen := watch(out)
	cancel() // the guest has told what it had to tell
	waitErr := cmd.Wait()
	if seen.stage == Silent && complaint.text != "" && waitErr != nil && time.Since(begin) < limit {
		return Report{}, fmt.Errorf("QEMU does not start: %s", strings.TrimSpace(complaint.text))
	}
	return Report{Stage: seen.stage, Problem: seen.problem, Line: seen.last, Took: time.Since(begin)}, nil
}

// watch reads a console until its end, or until it has told enough. A prompt
// has no end of line, so what has come of a line is looked at as well.
func watch(r io.Reader) console {
	var c console
	var line strings.Builder
	buf := make([]byte, 4096)
	in := bufio.NewReader(r)
	for !c.over() {
		n, err := in.Read(buf)
		for _, b := range buf[:n] {
			if b == '\n' {
				c.read(line.String(), true)
				line.Reset()
			} else if line.Len() < maxLine {
				line.WriteByte(b)
			}
		}
		if line.Len() > 0 && line.Len() < maxLine {
			c.read(line.String(), err != nil)
		}
		if err != nil {
			break
		}
	}
	return c
}

// tail keeps the end of what is written to it.
type tail struct{ text string }

func (t *tail) Write(p []byte) (int, error) {
	const most = 2000
	t.text += string(p)
	if len(t.text) > most {
		t.text = t.text[len(t.text)-most:]
	}
	return len(p), nil
}
