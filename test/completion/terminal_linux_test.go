package completion

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// terminal is a program at a pseudo-terminal, as a person has it.
type terminal struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd

	mu     sync.Mutex
	screen bytes.Buffer // all that was shown
	last   time.Time    // when something was
}

// atTerminal starts a program at a new pseudo-terminal of 50 lines and 160
// columns. It ends with the test.
func atTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	control := func(request uintptr, argument unsafe.Pointer) {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(argument)); errno != 0 {
			t.Fatal(errno)
		}
	}
	var unlock, number int32
	control(syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	control(syscall.TIOCGPTN, unsafe.Pointer(&number))
	size := [4]uint16{50, 160, 0, 0}
	control(syscall.TIOCSWINSZ, unsafe.Pointer(&size))
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 0}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	term := &terminal{t: t, master: master, cmd: cmd, last: time.Now()}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			term.mu.Lock()
			term.screen.Write(buffer[:n])
			term.last = time.Now()
			term.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		master.Close() // hangs up
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return term
}

// key types a text.
func (term *terminal) key(text string) {
	term.t.Helper()
	if _, err := term.master.WriteString(text); err != nil {
		term.t.Fatalf("%v; the screen: %q", err, term.shown(0))
	}
}

// shown is what was shown from a place on.
func (term *terminal) shown(from int) string {
	term.mu.Lock()
	defer term.mu.Unlock()
	return string(term.screen.Bytes()[min(from, term.screen.Len()):])
}

// here is the place after what was shown so far.
func (term *terminal) here() int {
	term.mu.Lock()
	defer term.mu.Unlock()
	return term.screen.Len()
}

// rest waits until nothing has been shown for a while.
func (term *terminal) rest(quiet time.Duration) {
	begun := time.Now()
	for time.Since(begun) < 20*time.Second {
		term.mu.Lock()
		idle := time.Since(term.last)
		term.mu.Unlock()
		if idle > quiet && time.Since(begun) > quiet {
			return
		}
		time.Sleep(quiet / 10)
	}
}

// until waits for something to become true.
func (term *terminal) until(what string, done func() bool) {
	term.t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	term.t.Fatalf("no %s; the screen: %q", what, term.shown(0))
}
