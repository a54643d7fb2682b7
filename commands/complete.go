package commands

import (
	"context"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/complete"
)

// Two words that are no commands, and in no help: the scripts in completion/ and
// this program itself call them.
const (
	completeWord = "__complete" // SHELL: answer the question on standard input
	refreshWord  = "__refresh"  // list the images that the job on standard input says
)

// completionTime is how long an answer may take. With the start of the program
// and the shell's own work this stays within 150 ms, as people find immediate; a
// late answer is none, since a shell that hangs is worse than one that knows
// nothing.
const completionTime = 120 * time.Millisecond

// internalCommand carries out one of the two words. It never writes to stderr,
// which would spoil the line that somebody is typing.
func internalCommand(ctx context.Context, env *Env) (code int, known bool) {
	quiet := *env
	quiet.Err, quiet.ErrIsTerminal, quiet.quiet = io.Discard, false, true
	switch {
	case len(env.Args) == 2 && env.Args[0] == completeWord:
		answerCompletion(&quiet, complete.Shell(env.Args[1]))
	case len(env.Args) == 1 && env.Args[0] == refreshWord:
		refreshImages(ctx, &quiet)
	default:
		return 0, false
	}
	return exitDone, true
}

// answerCompletion answers in time or not at all. Whatever it waits for, such as
// a home directory on a server that is gone, is left behind: the process ends.
func answerCompletion(env *Env, shell complete.Shell) {
	// This process is over before a collection of garbage would pay.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(256 << 20))
	answers := make(chan string, 1)
	go func() {
		text := ""
		defer func() {
			if recover() != nil {
				text = "" // a panic would be printed over the line
			}
			answers <- text
		}()
		question, err := io.ReadAll(io.LimitReader(env.In, 1<<20))
		if err != nil {
			return
		}
		line, ok := complete.Read(shell, string(question))
		if !ok {
			return
		}
		w := &realWorld{env: env, line: line}
		text = complete.Write(shell, line, completeLine(newApp(env), w, line))
	}()
	late := time.NewTimer(completionTime)
	defer late.Stop()
	select {
	case text := <-answers:
		_, _ = io.WriteString(env.Out, text)
	case <-late.C:
	}
}

// completeLine returns what may stand at the cursor of a line.
func completeLine(app *cli.App, w world, line complete.Line) complete.Answer {
	return complete.Complete(completionTree(app, w), line.Before, line.Current, line.After)
}

// completionTree describes the commands by their own definitions.
func completionTree(app *cli.App, w world) *complete.Command {
	root := &complete.Command{Name: app.Name, Options: completionOptions("", app.Flags, w)}
	for _, command := range app.Commands {
		root.Commands = append(root.Commands, completionCommand(command, "", w))
	}
	return root
}

func completionCommand(command *cli.Command, parent string, w world) *complete.Command {
	path := strings.TrimSpace(parent + " " + command.Name)
	c := &complete.Command{
		Name: command.Name, Usage: command.Usage, Hidden: command.Hidden, TakesArguments: command.ArgsUsage != "",
		Options: completionOptions(path, command.Flags, w),
	}
	if values := argumentValues[path]; values != nil {
		c.Arguments = func(ctx *complete.Context) complete.Answer { return values(w, ctx) }
	}
	for _, sub := range command.Subcommands {
		c.Commands = append(c.Commands, completionCommand(sub, path, w))
	}
	return c
}

func completionOptions(path string, flags []cli.Flag, w world) []*complete.Option {
	if path == "" {
		flags = append(slices.Clone(flags), cli.HelpFlag)
	}
	var options []*complete.Option
	for _, flag := range flags {
		o := &complete.Option{Names: flag.Names(), Takes: takesValue(flag)}
		switch f := flag.(type) {
		case *cli.StringSliceFlag:
			o.Repeats = true
		case *listFlag:
			o.Repeats, o.Takes, o.Words = true, false, true
		case *cli.BoolFlag:
			o.Repeats = f.Count != nil
		}
		if doc, ok := flag.(cli.DocGenerationFlag); ok {
			o.Usage = firstPart(doc.GetUsage())
		}
		if visible, ok := flag.(cli.VisibleFlag); ok {
			o.Hidden = !visible.IsVisible()
		}
		if values := valuesOf(path, o.Names[0]); values != nil {
			o.Values = func(ctx *complete.Context) complete.Answer { return values(w, ctx) }
		}
		options = append(options, o)
	}
	return options
}

// firstPart is a usage text without what follows its first semicolon, which is
// long for a list.
func firstPart(usage string) string {
	usage, _, _ = strings.Cut(usage, "; ")
	return strings.ReplaceAll(usage, "`", "")
}
