package commands

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// Each command is taught by lines that it understands.
func TestExamples(t *testing.T) {
	paths := map[string]bool{"": true}
	var each func(commands []*cli.Command, above string)
	each = func(commands []*cli.Command, above string) {
		for _, c := range commands {
			path := strings.TrimSpace(above + " " + c.Name)
			paths[path] = true
			each(c.Subcommands, path)
		}
	}
	each(testApp().Commands, "")
	for path := range paths {
		if n := len(examples[path]); n < 2 || n > 4 {
			t.Errorf("%q has %d examples", path, n)
		}
	}
	for path, list := range examples {
		if !paths[path] {
			t.Errorf("there is no command %q", path)
		}
		for _, e := range list {
			if !strings.Contains(e.Line, "glance-profile") || !strings.Contains(e.Line, path) {
				t.Errorf("%s: %s is about something else", path, e.Line)
			}
			for _, line := range strings.FieldsFunc(e.Line, func(r rune) bool { return strings.ContainsRune("|&()<>", r) }) {
				_, line, ours := strings.Cut(line, "glance-profile ")
				if !ours {
					continue
				}
				if _, err := arrange(testApp(), strings.Fields(line)); err != nil {
					t.Errorf("%s: %v", e.Line, err)
				}
			}
		}
	}
}

// Help shows the examples.
func TestHelpHasExamples(t *testing.T) {
	for path, list := range examples {
		var out strings.Builder
		env := &Env{In: os.Stdin, Out: &out, Err: io.Discard, Args: append(strings.Fields(path), "--help"), LookupEnv: func(string) (string, bool) { return "", false }}
		if code := Run(context.Background(), env); code != exitDone {
			t.Errorf("%s --help: exit %d", path, code)
		}
		for _, e := range list {
			if !strings.Contains(out.String(), "   # "+e.What+"\n   "+e.Line+"\n") {
				t.Errorf("%s --help lacks %s", path, e.Line)
			}
		}
	}
}
