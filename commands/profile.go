package commands

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/property"
	"glance-profile/internal/render"
	"glance-profile/profiles"
)

func profileFileFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "profile-file", Usage: "also read the profile in `FILE`"}
}

// profileColumns are those of profile list.
var profileColumns = []string{"Name", "Summary", "Origin"}

func profileListCommand(env *Env) *cli.Command {
	return &cli.Command{
		Name:  "list",
		Usage: "list the profiles",
		Flags: append([]cli.Flag{profileFileFlag()}, outputFlags(render.KindList)...),
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usagef("profile list takes no argument %s", render.Quoted(c.Args().First()))
			}
			output, err := readOutput(c, env, render.KindList, profileColumns)
			if err != nil {
				return err
			}
			set, err := loadProfiles(c.Context, env, c.StringSlice("profile-file"))
			if err != nil {
				return err
			}
			var rows [][]any
			for _, p := range set.List() {
				rows = append(rows, []any{p.Name, p.Summary, p.Origin})
			}
			return asUsage(render.List(env.Out, profileColumns, rows, output))
		},
	}
}

func profileShowCommand(env *Env) *cli.Command {
	fields := []string{"name", "summary", "origin", "extends", "match", "properties", "optional", "requires", "sources", "notes"}
	return &cli.Command{
		Name:        "show",
		Usage:       "show a profile: its properties, where each comes from, notes",
		ArgsUsage:   "NAME",
		Description: "The fields are those of a profile file, its parents laid in; sources says for each property which profile\nsets it, and why.",
		Flags:       append([]cli.Flag{profileFileFlag()}, outputFlags(render.KindShow)...),
		Action: func(c *cli.Context) error {
			name, err := oneArgument(c, "NAME, that of the profile")
			if err != nil {
				return err
			}
			output, err := readOutput(c, env, render.KindShow, fields)
			if err != nil {
				return err
			}
			set, err := loadProfiles(c.Context, env, c.StringSlice("profile-file"))
			if err != nil {
				return err
			}
			d, err := set.Details(name)
			if err != nil {
				return usagef("%v", err)
			}
			return asUsage(render.Show(env.Out, profileRecord(d), output))
		},
	}
}

// profileRecord is a profile as profile show prints it.
func profileRecord(d profiles.Details) render.Record {
	properties, optional, sources := map[string]string{}, map[string]string{}, map[string]string{}
	for _, v := range d.Properties {
		properties[v.Property] = v.Value
		sources[v.Property] = v.Layer + ": " + v.Source
	}
	for _, v := range d.Optional {
		optional[v.Property] = v.Value
		sources[v.Property] = v.Layer + ": " + v.Source
	}
	match := map[string]string{}
	for name, values := range d.Match {
		match[name] = strings.Join(values, ", ")
	}
	return render.Record{
		{Name: "name", Value: d.Name}, {Name: "summary", Value: d.Summary}, {Name: "origin", Value: d.Origin},
		{Name: "extends", Value: d.Extends}, {Name: "match", Value: match}, {Name: "properties", Value: properties},
		{Name: "optional", Value: optional}, {Name: "requires", Value: d.Requires}, {Name: "sources", Value: sources},
		{Name: "notes", Value: strings.TrimSpace(d.Notes)},
	}
}

func profileValidateCommand(env *Env) *cli.Command {
	return &cli.Command{
		Name:        "validate",
		Usage:       "check profile files",
		ArgsUsage:   "FILE...",
		Description: "Prints FILE:LINE: SEVERITY: MESSAGE for each problem and exits with 3 if there is an error.",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "profile-file", Usage: "also read the profile in `FILE`, as a parent of those to check"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return usagef("FILE, the profile to check, is missing; see glance-profile profile validate --help")
			}
			return validateProfiles(c.Context, env, c.Args().Slice(), c.StringSlice("profile-file"))
		},
	}
}

func validateProfiles(ctx context.Context, env *Env, files, parents []string) error {
	set, err := loadProfiles(ctx, env, parents)
	if err != nil {
		// The file to check may be the one that is broken.
		env.warn("%v", err)
		if set, err = profiles.Embedded(); err != nil {
			return err
		}
	}
	bad := false
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return usagef("read profile: %v", err)
		}
		p, problems := set.Validate(file, data)
		for _, problem := range problems {
			bad = bad || problem.Severity == property.Error
			line := fmt.Sprintf("%s:%d: %s: %s", problem.File, problem.Line, problem.Severity, problem.Message)
			if problem.Fix != "" {
				line += " (use " + render.Quoted(problem.Fix) + ")"
			}
			if _, err := fmt.Fprintln(env.Out, render.Safe(line)); err != nil {
				return err
			}
		}
		if !slices.ContainsFunc(problems, func(p profiles.Problem) bool { return p.Severity == property.Error }) {
			env.note("%s: profile %s is valid", file, p.Name)
		}
	}
	if bad {
		return errFindings
	}
	return nil
}
