package commands

import (
	"errors"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/render"
)

// outputFlags are the options that choose how an answer is printed, as cliff
// gives them to every openstack command.
func outputFlags(kind render.Kind) []cli.Flag {
	return outputFlagsFor(kind, render.Formats(kind))
}

// outputFlagsFor is outputFlags for an answer with formats of its own.
func outputFlagsFor(kind render.Kind, formats []string) []cli.Flag {
	modes := render.QuoteModes()
	flags := []cli.Flag{
		&cli.StringFlag{Name: "format", Aliases: []string{"f"}, Value: render.FormatTable, Usage: "output `FORMAT`: " + list(formats), Category: categoryOutput},
		&cli.StringSliceFlag{Name: "column", Aliases: []string{"c"}, Usage: "show this `COLUMN` only; may be repeated", Category: categoryOutput},
		&cli.BoolFlag{Name: "noindent", Usage: "json on one line", Category: categoryOutput},
		&cli.StringFlag{Name: "quote", Value: "nonnumeric", Usage: "what to quote in csv, `MODE`: " + list(modes), Category: categoryOutput},
		&cli.IntFlag{Name: "max-width", Base: 10, Usage: "table at most `N` columns of text wide", Category: categoryOutput},
		&cli.BoolFlag{Name: "fit-width", Usage: "fit the table to the terminal", Category: categoryOutput},
		&cli.BoolFlag{Name: "print-empty", Usage: "print a table even where there is nothing to show", Category: categoryOutput},
	}
	if kind == render.KindShow {
		return append(flags, &cli.StringFlag{Name: "prefix", Usage: "put `TEXT` before the variables of the format shell", Category: categoryOutput})
	}
	return append(flags,
		&cli.StringSliceFlag{Name: "sort-column", Usage: "sort by this `COLUMN`; may be repeated", Category: categoryOutput},
		&cli.BoolFlag{Name: "sort-ascending", Usage: "sort upwards (default)", Category: categoryOutput},
		&cli.BoolFlag{Name: "sort-descending", Usage: "sort downwards", Category: categoryOutput})
}

// readOutput turns the options of outputFlags into what render takes, and
// refuses those that do not suit the answer's column names before anything is
// done.
func readOutput(c *cli.Context, env *Env, kind render.Kind, names []string) (render.Options, error) {
	o, err := outputOptions(c, env, kind)
	if err != nil {
		return o, err
	}
	return o, asUsage(o.Check(kind, names))
}

// outputOptions is readOutput without the refusals that go by column names.
func outputOptions(c *cli.Context, env *Env, kind render.Kind) (render.Options, error) {
	o := render.Options{
		Format: c.String("format"), Columns: c.StringSlice("column"), NoIndent: c.Bool("noindent"),
		Quote: c.String("quote"), MaxWidth: c.Int("max-width"), FitWidth: c.Bool("fit-width"),
		PrintEmpty: c.Bool("print-empty"), Terminal: env.OutIsTerminal, Width: env.Width,
	}
	if kind == render.KindShow {
		o.Prefix = c.String("prefix")
	} else {
		o.SortColumns, o.Descending = c.StringSlice("sort-column"), c.Bool("sort-descending")
		if o.Descending && c.Bool("sort-ascending") {
			return o, usagef("--sort-ascending and --sort-descending contradict each other")
		}
	}
	return o, nil
}

// asUsage makes an option that cannot be met a mistake on the command line.
func asUsage(err error) error {
	var option *render.OptionError
	if errors.As(err, &option) {
		return usagef("%v", option)
	}
	return err
}
