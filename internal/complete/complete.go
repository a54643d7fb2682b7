// Package complete finds out what a shell may put where the cursor stands on a
// command line. It is told what commands and options there are, reads the line
// as the program would, and asks whoever knows the values of the option or
// argument under the cursor. It does no I/O; shell.go speaks to the shells.
package complete

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Candidate is one word that may stand at the cursor.
type Candidate struct {
	Value       string // the whole word, unquoted
	Shown       string // what a list shows of it, "" for all
	Description string
	Open        bool // more is to be typed behind it: no blank follows
}

// Answer is all that may stand at the cursor.
type Answer struct {
	Candidates []Candidate
	// Files and Dirs leave it to the shell to name files or folders.
	Files, Dirs bool
}

// Values finds what an option or argument may be.
type Values func(*Context) Answer

// Option is an option of a command.
type Option struct {
	Names   []string // without dashes, the usual one first
	Usage   string
	Takes   bool // it takes a value
	Repeats bool
	Hidden  bool
	// Words says that all words behind the option, up to the next option, are its
	// values; there may be none.
	Words  bool
	Values Values // nil for free text
}

// Command is a command, or a group of them.
type Command struct {
	Name, Usage string
	Hidden      bool
	Options     []*Option
	Commands    []*Command
	// TakesArguments reports whether words that name no command are arguments.
	TakesArguments bool
	Arguments      Values // nil for free text
}

// Context is what is known where a value is asked for.
type Context struct {
	// Word is what is typed of the value so far.
	Word string
	// Command are the names of the command and those it is in: profile, show.
	Command []string
	// Option is the usual name of the option whose value it is, "" for an argument.
	Option string
	// Arguments are those given elsewhere on the line.
	Arguments []string

	given   map[*Option][]string
	options []*Option
}

// Has reports whether the command has an option of that usual name.
func (c *Context) Has(name string) bool {
	return slices.ContainsFunc(c.options, func(o *Option) bool { return o.Names[0] == name })
}

// Given returns the values that an option has elsewhere on the line, by its
// usual name.
func (c *Context) Given(name string) []string {
	for option, values := range c.given {
		if option.Names[0] == name {
			return values
		}
	}
	return nil
}

// Path is the command's name with those that it is in.
func (c *Context) Path() string { return strings.Join(c.Command, " ") }

// Complete returns what may stand in place of current, the word under the
// cursor up to it, with the words before and behind it on the line. root holds
// the global options and the commands.
func Complete(root *Command, before []string, current string, after []string) Answer {
	r := &reader{root: root, command: root, given: map[*Option][]string{}}
	r.read(before)
	at := *r
	// What stands behind the cursor counts as given too: a line from the history
	// is often completed in its middle.
	r.pending, r.list = nil, nil
	r.arguments = slices.Clone(r.arguments)
	r.read(after)
	ctx := &Context{Word: current, Command: at.path, Arguments: r.arguments, given: r.given, options: at.options()}
	return at.answer(ctx, current)
}

// reader reads a line by the rules of the program's own (commands/args.go): options
// stand anywhere, long ones may be shortened.
type reader struct {
	root, command *Command
	path          []string
	given         map[*Option][]string
	arguments     []string
	pending       *Option // the next word is its value
	list          *Option // the next word may be one of its values
	ended         bool    // "--" has been read
	inArguments   bool    // no command can follow
}

func (r *reader) read(words []string) {
	for _, word := range words {
		switch {
		case r.ended:
			r.arguments = append(r.arguments, word)
		case r.pending != nil && !isOption(word):
			r.give(r.pending, word)
			r.pending = nil
		case word == "--":
			r.ended, r.pending, r.list = true, nil, nil
		case strings.HasPrefix(word, "--"):
			r.long(word[2:])
		case len(word) > 1 && word[0] == '-':
			r.short(word[1:])
		case r.list != nil:
			r.give(r.list, word)
		default:
			r.list = nil
			r.word(word)
		}
	}
}

// isOption reports whether a word cannot be the value of the option before it.
func isOption(word string) bool {
	return len(word) > 1 && word[0] == '-' && strings.Trim(word[1:], "0123456789.") != ""
}

func (r *reader) give(option *Option, value string) {
	r.given[option] = append(r.given[option], value)
}

func (r *reader) long(text string) {
	r.pending, r.list = nil, nil
	name, value, given := strings.Cut(text, "=")
	option := r.find(name)
	switch {
	case option == nil:
	case given || !option.Takes && !option.Words:
		r.give(option, value)
	case option.Words:
		r.given[option] = append(r.given[option], []string{}...)
		r.list = option
	default:
		r.pending = option
	}
}

func (r *reader) short(text string) {
	r.pending, r.list = nil, nil
	for text != "" {
		option := r.find(text[:1])
		text = text[1:]
		if option == nil {
			return
		}
		if option.Takes {
			if text == "" {
				r.pending = option
			} else {
				r.give(option, strings.TrimPrefix(text, "="))
			}
			return
		}
		r.give(option, "")
	}
}

func (r *reader) word(word string) {
	if !r.inArguments {
		for _, command := range r.command.Commands {
			if command.Name == word {
				r.command = command
				r.path = append(slices.Clip(r.path), word)
				r.inArguments = len(command.Commands) == 0
				return
			}
		}
	}
	r.inArguments = true
	r.arguments = append(r.arguments, word)
}

// options are those that the line can have: the command's own, then the global
// ones.
func (r *reader) options() []*Option {
	if r.command == r.root {
		return r.root.Options
	}
	return append(slices.Clip(r.command.Options), r.root.Options...)
}

// find looks an option up by its name or by an unambiguous beginning of it.
func (r *reader) find(name string) *Option {
	var begins []*Option
	for _, option := range r.options() {
		if slices.Contains(option.Names, name) {
			return option
		}
		if len(name) > 1 && slices.ContainsFunc(option.Names, func(n string) bool { return len(n) > 1 && strings.HasPrefix(n, name) }) {
			begins = append(begins, option)
		}
	}
	if len(begins) == 1 {
		return begins[0]
	}
	return nil
}

func (r *reader) answer(ctx *Context, current string) Answer {
	switch {
	case r.ended:
		return r.argument(ctx)
	case r.pending != nil && !isOption(current):
		return value(r.pending, ctx, "", current)
	case strings.HasPrefix(current, "--"):
		name, text, given := strings.Cut(current[2:], "=")
		if !given {
			return r.names(ctx, current)
		}
		if option := r.find(name); option != nil && (option.Takes || option.Words) {
			return value(option, ctx, current[:len(current)-len(text)], text)
		}
		return Answer{}
	case strings.HasPrefix(current, "-"):
		if option := r.attached(current); option != nil {
			text := strings.TrimPrefix(current[2:], "=")
			return value(option, ctx, current[:len(current)-len(text)], text)
		}
		return r.names(ctx, current)
	case r.list != nil:
		return value(r.list, ctx, "", current)
	case !r.inArguments:
		answer := r.commands(current)
		if r.command.TakesArguments {
			rest := r.argument(ctx)
			answer.Candidates = append(answer.Candidates, rest.Candidates...)
			answer.Files, answer.Dirs = rest.Files, rest.Dirs
		}
		return answer
	}
	return r.argument(ctx)
}

// attached returns the option of a word such as -fjs.
func (r *reader) attached(word string) *Option {
	if len(word) < 3 {
		return nil
	}
	if option := r.find(word[1:2]); option != nil && option.Takes {
		return option
	}
	return nil
}

func (r *reader) commands(current string) Answer {
	var found []Candidate
	for _, command := range r.command.Commands {
		if !command.Hidden {
			found = append(found, Candidate{Value: command.Name, Description: command.Usage})
		}
	}
	return Answer{Candidates: fitting(found, current)}
}

func (r *reader) argument(ctx *Context) Answer {
	if !r.command.TakesArguments || r.command.Arguments == nil {
		return Answer{}
	}
	answer := r.command.Arguments(ctx)
	if !r.ended {
		// Behind "--" alone is it no option.
		answer.Candidates = slices.DeleteFunc(answer.Candidates, func(c Candidate) bool { return strings.HasPrefix(c.Value, "-") })
	}
	answer.Candidates = fitting(answer.Candidates, ctx.Word)
	return answer
}

// value asks for the values of an option. prefix is what stands before the
// value in the same word: --format= or -f.
func value(option *Option, ctx *Context, prefix, text string) Answer {
	if option.Values == nil {
		return Answer{}
	}
	ctx.Option, ctx.Word = option.Names[0], text
	answer := option.Values(ctx)
	answer.Candidates = fitting(answer.Candidates, text)
	for i := range answer.Candidates {
		c := &answer.Candidates[i]
		if prefix != "" {
			c.Shown = cmp.Or(c.Shown, c.Value)
			c.Value = prefix + c.Value
		}
	}
	return answer
}

// names are the options that begin like a word. Those that were given and are
// not to be repeated are left out; one-letter ones are listed only after a
// single dash.
func (r *reader) names(ctx *Context, current string) Answer {
	var found []Candidate
	for _, option := range r.options() {
		if _, given := ctx.given[option]; option.Hidden || given && !option.Repeats {
			continue
		}
		for i, name := range option.Names {
			word := "--" + name
			if len(name) == 1 {
				word = "-" + name
			}
			switch {
			case len(name) == 1 && current != "-":
			case len(name) > 1 && i > 0 && !strings.HasPrefix(word, current):
			case len(name) > 1 && i > 0 && strings.HasPrefix("--"+option.Names[0], current):
				// A further name of what is offered by its usual one.
			default:
				found = append(found, Candidate{Value: word, Description: option.Usage})
			}
		}
	}
	return Answer{Candidates: fitting(found, current)}
}

// fitting are the candidates that begin like a word, or, if none does, those
// that do but for capitals, each once. What could do harm in a terminal is never
// among them.
func fitting(all []Candidate, word string) []Candidate {
	exact := slices.ContainsFunc(all, func(c Candidate) bool { return strings.HasPrefix(c.Value, word) && Harmless(c.Value) })
	var found []Candidate
	for _, c := range all {
		if (strings.HasPrefix(c.Value, word) || !exact && Begins(c.Value, word)) && c.Value != "" && Harmless(c.Value) {
			found = append(found, c)
		}
	}
	seen := make(map[string]bool, len(found))
	return slices.DeleteFunc(found, func(c Candidate) bool {
		double := seen[c.Value]
		seen[c.Value] = true
		return double
	})
}

// Begins reports whether a text begins like a word but for capitals.
func Begins(text, word string) bool {
	return len(text) >= len(word) && strings.EqualFold(text[:len(word)], word)
}

// Harmless reports whether a text can be shown by a terminal and be put on a
// command line: it is UTF-8 and has neither control characters, nor characters
// that are not seen or turn the order of others around, nor breaks of lines.
func Harmless(text string) bool {
	i := 0
	for i < len(text) && text[i] >= ' ' && text[i] < 0x7f {
		i++
	}
	text = text[i:] // most have nothing but ASCII
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || r == utf8.RuneError
	})
}
