package commands

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// arrange puts a command line into the one order that urfave/cli understands:
// global options, command, its options, "--", arguments. By itself urfave stops
// at the first argument and silently takes what follows as arguments, so that
// `migrate-virtio IMAGE --dry-run` would change the image. Options are told
// from arguments by their own definitions, as argparse does for `openstack`:
// anywhere on the line, "--opt value" or "--opt=value", "-f json" or "-fjson",
// long ones shortened to any unambiguous beginning.
func arrange(app *cli.App, args []string) ([]string, error) {
	l := line{globals: options(app.Flags), commands: app.Commands}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		var err error
		switch {
		case arg == "--":
			l.words = append(l.words, args...)
			args = nil
		case strings.HasPrefix(arg, "--"):
			args, err = l.long(arg[2:], args)
		case len(arg) > 1 && arg[0] == '-':
			args, err = l.short(arg[1:], args)
		default:
			err = l.word(arg)
		}
		if err != nil {
			return nil, err
		}
	}
	// --version wins over a command, as with openstack.
	if slices.Contains(l.globalArgs, "--version") {
		return []string{"--version"}, nil
	}
	if len(l.words) > 0 && l.leaf != nil && l.leaf.ArgsUsage != "" {
		l.leaf.Subcommands = nil // audit -- rules is of an image
	}
	out := append(l.globalArgs, l.path...)
	out = append(out, l.leafArgs...)
	if l.leaf != nil && len(l.leaf.Subcommands) == 0 {
		out = append(append(out, "--"), l.words...)
	}
	return out, nil
}

// line is a command line as far as it has been read.
type line struct {
	globals  map[string]cli.Flag
	commands []*cli.Command // those that may come next
	leaf     *cli.Command
	own      map[string]cli.Flag // the leaf's options

	globalArgs, path, leafArgs, words []string
}

// options maps every name of a set of flags, and of the help flag that urfave
// adds, to the flag.
func options(flags []cli.Flag) map[string]cli.Flag {
	set := map[string]cli.Flag{}
	for _, flag := range append(slices.Clone(flags), cli.HelpFlag) {
		for _, name := range flag.Names() {
			set[name] = flag
		}
	}
	return set
}

func (l *line) word(arg string) error {
	if len(l.commands) == 0 {
		l.words = append(l.words, arg)
		return nil
	}
	for _, command := range l.commands {
		if command.HasName(arg) {
			l.path = append(l.path, command.Name)
			l.leaf, l.commands, l.own = command, command.Subcommands, options(command.Flags)
			return nil
		}
	}
	if l.leaf != nil && l.leaf.ArgsUsage != "" {
		// A command of its own that has others below it: this is its argument, and
		// urfave is not to take a later one for a command.
		l.commands, l.leaf.Subcommands = nil, nil
		l.words = append(l.words, arg)
		return nil
	}
	var names []string
	for _, command := range l.commands {
		names = append(names, command.Name)
	}
	return usagef("no command %q; after %s there may be: %s", arg, l.called(), strings.Join(names, ", "))
}

// find looks an option up by its name or, for a long one, an unambiguous
// beginning of it. own says whether it belongs to the command.
func (l *line) find(name string) (full string, flag cli.Flag, own bool, err error) {
	if flag, ok := l.own[name]; ok {
		return name, flag, true, nil
	}
	if flag, ok := l.globals[name]; ok {
		return name, flag, false, nil
	}
	var matches []string
	for _, set := range []map[string]cli.Flag{l.own, l.globals} {
		for candidate := range set {
			if len(name) > 1 && len(candidate) > 1 && strings.HasPrefix(candidate, name) && !slices.Contains(matches, candidate) {
				matches = append(matches, candidate)
			}
		}
	}
	slices.Sort(matches)
	switch len(matches) {
	case 1:
		return l.find(matches[0])
	case 0:
		return "", nil, false, usagef("unknown option %s; see %s --help", dashed(name), l.called())
	}
	return "", nil, false, usagef("ambiguous option %s: it may be --%s", dashed(name), strings.Join(matches, ", --"))
}

func (l *line) called() string {
	return strings.Join(append([]string{"glance-profile"}, l.path...), " ")
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

func (l *line) long(text string, rest []string) ([]string, error) {
	name, value, given := strings.Cut(text, "=")
	full, flag, own, err := l.find(name)
	if err != nil {
		return nil, err
	}
	if _, ok := flag.(*listFlag); ok && !given {
		return l.list(full, own, rest), nil
	}
	if !takesValue(flag) {
		if given {
			return nil, usagef("option --%s takes no value", full)
		}
		l.add(own, "--"+full)
		return rest, nil
	}
	if !given {
		if value, rest, err = nextValue("--"+full, rest); err != nil {
			return nil, err
		}
	}
	l.add(own, "--"+full+"="+value)
	return rest, nil
}

// listFlag is an option that takes all words after it up to the next option, or
// none: --fix, --fix no-effect vocabulary --yes. With = it takes one word.
type listFlag struct{ cli.StringSliceFlag }

// list gives a listFlag its words, or an empty one where there are none.
func (l *line) list(name string, own bool, rest []string) []string {
	n := 0
	for n < len(rest) && !strings.HasPrefix(rest[n], "-") {
		l.add(own, "--"+name+"="+rest[n])
		n++
	}
	if n == 0 {
		l.add(own, "--"+name+"=")
	}
	return rest[n:]
}

// short reads a run of one-letter options such as -v, -vv, -fjson or "-f json".
func (l *line) short(text string, rest []string) ([]string, error) {
	for text != "" {
		name := text[:1]
		text = text[1:]
		_, flag, own, err := l.find(name)
		if err != nil {
			return nil, err
		}
		if !takesValue(flag) {
			l.add(own, "-"+name)
			continue
		}
		value := strings.TrimPrefix(text, "=")
		if text == "" {
			if value, rest, err = nextValue("-"+name, rest); err != nil {
				return nil, err
			}
		}
		l.add(own, "-"+name+"="+value)
		return rest, nil
	}
	return rest, nil
}

func (l *line) add(own bool, arg string) {
	if own {
		l.leafArgs = append(l.leafArgs, arg)
	} else {
		l.globalArgs = append(l.globalArgs, arg)
	}
}

// nextValue takes an option's value from the arguments that follow it. What
// looks like an option is not taken for a value, as argparse has it: it is
// more likely that the value was forgotten. "-" alone is standard input.
func nextValue(name string, rest []string) (string, []string, error) {
	if len(rest) == 0 || len(rest[0]) > 1 && rest[0][0] == '-' && !isNumber(rest[0]) {
		return "", nil, usagef("option %s needs a value (one that begins with a dash is written %s=VALUE)", name, name)
	}
	return rest[0], rest[1:], nil
}

func isNumber(s string) bool {
	return strings.Trim(s[1:], "0123456789.") == ""
}

func takesValue(flag cli.Flag) bool {
	doc, ok := flag.(cli.DocGenerationFlag)
	return ok && doc.TakesValue()
}
