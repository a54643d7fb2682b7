package commands

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// Doc is what the help says of a command, for its manual page.
type Doc struct {
	Name        string
	Usage       string // one line
	Arguments   string
	Description string
	Options     []OptionDoc
	Commands    []Doc
}

// OptionDoc is what the help says of an option.
type OptionDoc struct {
	Names    []string // with their dashes
	Value    string   // what stands for the value; "" if it takes none
	Usage    string
	Default  string
	Category string
	Repeated bool
}

// Documentation returns the program with all its commands.
func Documentation() Doc {
	app := newApp(&Env{})
	return Doc{Name: app.Name, Usage: app.Usage, Description: app.Description, Options: optionDocs(app.Flags), Commands: commandDocs(app.Commands)}
}

func commandDocs(commands []*cli.Command) []Doc {
	var docs []Doc
	for _, c := range commands {
		docs = append(docs, Doc{
			Name: c.Name, Usage: c.Usage, Arguments: c.ArgsUsage, Description: c.Description,
			Options: optionDocs(c.Flags), Commands: commandDocs(c.Subcommands),
		})
	}
	return docs
}

// standIn is the word in a usage text that stands for the option's value.
var standIn = regexp.MustCompile("`([^`]*)`")

func optionDocs(flags []cli.Flag) []OptionDoc {
	var docs []OptionDoc
	for _, flag := range flags {
		f, ok := flag.(cli.DocGenerationFlag)
		if !ok {
			continue
		}
		o := OptionDoc{Usage: strings.ReplaceAll(f.GetUsage(), "`", "")}
		for _, name := range f.Names() {
			dashes := "--"
			if len(name) == 1 {
				dashes = "-"
			}
			o.Names = append(o.Names, dashes+name)
		}
		if f.TakesValue() {
			o.Value = "VALUE"
			if m := standIn.FindStringSubmatch(f.GetUsage()); m != nil {
				o.Value = m[1]
			}
			if o.Default = f.GetDefaultText(); o.Default == "unset" {
				o.Default = ""
			}
			if text, err := strconv.Unquote(o.Default); err == nil {
				o.Default = text
			}
		}
		if c, ok := flag.(cli.CategorizableFlag); ok {
			o.Category = c.GetCategory()
		}
		if s, ok := flag.(cli.DocGenerationSliceFlag); ok {
			o.Repeated = s.IsSliceFlag()
		}
		docs = append(docs, o)
	}
	return docs
}
