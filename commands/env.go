package commands

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"glance-profile/internal/cloud"
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

	// Width is the terminal's width in columns, 0 where it is not known.
	Width int

	Args      []string // without the program's name
	LookupEnv func(string) (string, bool)
	Now       func() time.Time
	Version   string
	// Cloud is where clouds.yaml, its neighbours and OS_* variables are found.
	Cloud cloud.Env

	quiet, verbose bool
	log            *os.File // --log-file, nil without
}

// SystemEnv is the Env of this process.
func SystemEnv(version string) *Env {
	env := &Env{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		OutIsTerminal: term.IsTerminal(int(os.Stdout.Fd())), ErrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		Args: os.Args[1:], LookupEnv: os.LookupEnv, Now: time.Now, Version: version, Cloud: cloud.OSEnv(),
	}
	if env.OutIsTerminal {
		env.Width, _, _ = term.GetSize(int(os.Stdout.Fd()))
	}
	return env
}

// inIsTerminal reports whether a person can answer.
func (e *Env) inIsTerminal() bool {
	return e.In != nil && term.IsTerminal(int(e.In.Fd()))
}

// colour reports whether stdout may have colours.
func (e *Env) colour() bool {
	return e.OutIsTerminal && e.getenv("NO_COLOR") == ""
}

// colourErr is colour for stderr.
func (e *Env) colourErr() bool {
	return e.ErrIsTerminal && e.getenv("NO_COLOR") == ""
}

// messages is where text for people goes that is not one line: stderr, and the
// log file too.
func (e *Env) messages() io.Writer {
	if e.log == nil {
		return e.Err
	}
	return io.MultiWriter(e.Err, e.log)
}

// getenv returns a variable's value, "" where it is unset.
func (e *Env) getenv(name string) string {
	value, _ := e.LookupEnv(name)
	return value
}

// xdgDir returns the directory of an XDG base variable, with the default of the
// XDG Base Directory Specification below the home directory.
// "" is returned where there is no home directory: nothing is ever taken from,
// or put into, whatever directory one happens to stand in.
func (e *Env) xdgDir(variable string, fallback ...string) string {
	if dir := e.getenv(variable); filepath.IsAbs(dir) {
		return dir
	}
	if e.Cloud.HomeDir == "" {
		return ""
	}
	return filepath.Join(append([]string{e.Cloud.HomeDir}, fallback...)...)
}

// journalDir is where journals are kept unless --journal says otherwise.
func (e *Env) journalDir() (string, error) {
	dir := e.xdgDir("XDG_STATE_HOME", ".local", "state")
	if dir == "" {
		return "", errors.New("there is no home directory to keep the journal in; name a place with --journal")
	}
	return filepath.Join(dir, "glance-profile", "journal") + string(filepath.Separator), nil
}

// profileDir is where users keep their own profiles, "" where they have no home.
func (e *Env) profileDir() string {
	dir := e.xdgDir("XDG_CONFIG_HOME", ".config")
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "glance-profile", "profiles")
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

// maxMessage bounds a message, in bytes.
const maxMessage = 4 << 10

func (e *Env) tell(kind string, silent bool, format string, args ...any) {
	// One message is one line, and not a long one, whatever a server or a file
	// has put into it.
	text := render.Safe(strings.TrimSpace(fmt.Sprintf(format, args...)))
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "…"
	}
	text = "glance-profile: " + kind + text
	if !silent {
		fmt.Fprintln(e.Err, text)
	}
	if e.log != nil {
		fmt.Fprintln(e.log, e.Now().Format(time.RFC3339), text)
	}
}
