package commands

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"glance-profile/internal/render"
)

// Env is everything that the commands take from the outside world, so that
// tests can give them another one.
type Env struct {
	In  *os.File
	Out io.Writer
	Err io.Writer
	// OutIsTerminal and ErrIsTerminal say where text must be made safe, and
	// where a progress bar may be drawn.
	OutIsTerminal bool
	ErrIsTerminal bool

	LookupEnv func(string) (string, bool)
	Environ   func() []string
	Now       func() time.Time
	Version   string

	quiet, verbose bool
	log            io.Writer // --log-file, nil without
}

// getenv returns a variable's value, "" where it is unset.
func (e *Env) getenv(name string) string {
	value, _ := e.LookupEnv(name)
	return value
}

// xdgDir returns the directory of an XDG base variable, with the default of the
// XDG Base Directory Specification below the home directory.
func (e *Env) xdgDir(variable string, fallback ...string) string {
	if dir := e.getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	home := e.getenv("HOME")
	if home == "" {
		home, _ = os.UserHomeDir()
	}
	return filepath.Join(append([]string{home}, fallback...)...)
}

// journalDir is where journals are kept unless --journal says otherwise.
func (e *Env) journalDir() string {
	return filepath.Join(e.xdgDir("XDG_STATE_HOME", ".local", "state"), "glance-profile", "journal") + string(filepath.Separator)
}

// profileDir is where users keep their own profiles.
func (e *Env) profileDir() string {
	return filepath.Join(e.xdgDir("XDG_CONFIG_HOME", ".config"), "glance-profile", "profiles")
}

// note tells people something that is no error; -q silences it.
func (e *Env) note(format string, args ...any) {
	e.tell("note: ", e.quiet, format, args...)
}

// warn tells people of something that may go wrong later. It is never silent.
func (e *Env) warn(format string, args ...any) {
	e.tell("warning: ", false, format, args...)
}

// detail tells people of a step on the way, with -v.
func (e *Env) detail(format string, args ...any) {
	e.tell("", !e.verbose, format, args...)
}

func (e *Env) fail(err error) {
	e.tell("error: ", false, "%v", err)
}

func (e *Env) tell(kind string, silent bool, format string, args ...any) {
	// One message is one line, whatever a server or a file has put into it.
	text := "glance-profile: " + kind + render.Safe(strings.TrimSpace(fmt.Sprintf(format, args...)))
	if !silent {
		fmt.Fprintln(e.Err, text)
	}
	if e.log != nil {
		fmt.Fprintln(e.log, e.Now().Format(time.RFC3339), text)
	}
}
