package commands

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes are a contract with scripts; the README and the man page say
// the same.
const (
	exitDone        = 0   // done, or nothing to do
	exitFailed      = 1   // it failed
	exitUsage       = 2   // the command line is wrong; nothing was sent
	exitFindings    = 3   // findings, or changes pending
	exitPartial     = 4   // some images done, others not
	exitInterrupted = 130 // Ctrl-C or SIGTERM
)

// ExitStatus is an exit code and what it says.
type ExitStatus struct {
	Code int
	Text string
}

// ExitStatuses are all exit codes, for the manual pages.
func ExitStatuses() []ExitStatus {
	return []ExitStatus{
		{exitDone, "Done, or nothing to do."},
		{exitFailed, "It failed, or was refused or declined."},
		{exitUsage, "Wrong usage; nothing was sent."},
		{exitFindings, "Findings, or changes pending under --check."},
		{exitPartial, "Some images or clouds are done, others not; each of these is named on standard error."},
		{exitInterrupted, "Interrupted by Ctrl-C or SIGTERM."},
	}
}

// usageError is a mistake on the command line. Nothing has been sent.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// errFindings says that a check found something, which was printed already.
var errFindings = errors.New("findings")

// exitCode is the one mapping from what happened to an exit code.
func exitCode(ctx context.Context, err error) int {
	var usage *usageError
	var partial *partialError
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil:
		return exitInterrupted
	case errors.As(err, &partial):
		return exitPartial
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, errFindings):
		return exitFindings
	}
	return exitFailed
}
