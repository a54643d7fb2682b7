package source

import (
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/term"
)

// Kind is what an open file, such as standard input, can give.
type Kind int

// The kinds of input.
const (
	Nothing  Kind = iota // closed, the null device, or another device without content
	Terminal             // a person's keyboard
	Data                 // a pipe, a file, a block device, a socket
)

// StdinKind tells whether standard input holds data. A pipe counts as data even
// if nobody ever writes to it, which cannot be told in advance.
func StdinKind(f *os.File) (Kind, error) {
	if f == nil {
		return Nothing, nil
	}
	if term.IsTerminal(int(f.Fd())) {
		return Terminal, nil
	}
	info, err := f.Stat()
	switch {
	case err != nil: // closed
		return Nothing, nil
	case info.IsDir():
		return Nothing, fmt.Errorf("%s is a directory", f.Name())
	case info.Mode()&fs.ModeCharDevice != 0:
		return Nothing, nil
	}
	return Data, nil
}
