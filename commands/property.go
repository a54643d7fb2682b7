package commands

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/property"
	"glance-profile/internal/render"
)

func propertyListCommand(env *Env) *cli.Command {
	short := []string{"name", "values", "default", "linux", "windows"}
	return &cli.Command{
		Name:      "list",
		Usage:     "list image properties: values, default, what Linux and Windows guests should have",
		ArgsUsage: "[FILTER]",
		Description: "FILTER is a part of a name, or a glob for the whole of one: scsi, 'hw_*'. Without it, names that are only in\n" +
			"Glance's catalogue of metadata definitions are left out: '*' lists them too.\n" +
			"trait:*, hw_numa_cpus.N and hw_numa_mem.N stand for many. In the table, \"not on KVM\" marks values that KVM hosts\n" +
			"refuse, \"no host\" those that nothing runs any more, and \"from\" those newer than Zed.",
		Flags: append([]cli.Flag{
			&cli.BoolFlag{Name: "long", Usage: "list the other columns too, which -c takes in any case"},
		}, outputFlags(render.KindList)...),
		Action: func(c *cli.Context) error {
			filter := ""
			if c.NArg() > 0 {
				var err error
				if filter, err = oneArgument(c, "FILTER, that of the names"); err != nil {
					return err
				}
			}
			columns, all := short, propertyRecord(property.Definition{}, nil, false).Names()
			if c.Bool("long") || c.IsSet("column") {
				columns = append(slices.Clone(short), slices.DeleteFunc(all, func(name string) bool { return slices.Contains(short, name) })...)
			}
			output, err := readOutput(c, env, render.KindList, columns)
			if err != nil {
				return err
			}
			people := forPeople(output)
			set, err := profileValues()
			if err != nil {
				return err
			}
			var rows [][]any
			for d := range property.All(filter != "") {
				fits, err := d.Matches(filter)
				if err != nil {
					return usagef("FILTER %s is no glob: a [ is not closed, or there is a \\ at the end", render.Quoted(filter))
				}
				if fits {
					rows = append(rows, propertyRow(columns, propertyRecord(d, set, people), d, people))
				}
			}
			if len(rows) == 0 {
				env.note("%s", notProperty(filter, "no property matches "+render.Quoted(filter)))
			}
			return asUsage(render.List(env.Out, columns, rows, output))
		},
	}
}

// propertyRow takes the columns of a list out of a record. For people, advice
// comes without its conditions, and of many values the usual ones: the rest is
// what property show is for.
func propertyRow(columns []string, record render.Record, d property.Definition, people bool) []any {
	row := make([]any, len(columns))
	for i, column := range columns {
		row[i] = record[slices.IndexFunc(record, func(f render.Field) bool { return f.Name == column })].Value
		if !people {
			continue
		}
		switch column {
		case "values":
			row[i] = usualValues(d)
		case "linux":
			row[i] = adviceValues(d, d.Linux)
		case "windows":
			row[i] = adviceValues(d, d.Windows)
		}
	}
	return row
}

func propertyShowCommand(env *Env) *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show what is known of an image property",
		ArgsUsage: "NAME",
		Description: "NAME is that of a property, such as hw_disk_bus; traits and NUMA nodes have many: trait:HW_CPU_X86_AVX2,\n" +
			"hw_numa_cpus.0. \"default\" is what happens where the property is not set; \"linux\" and \"windows\" are what guests\n" +
			"should have, and on what condition; \"profiles\" are the built-in profiles that set it; \"corrections\" are spellings\n" +
			"that are refused and what is meant by them. Nova 12.0.0 (Liberty) also stands for all releases before it.",
		Flags: outputFlags(render.KindShow),
		Action: func(c *cli.Context) error {
			name, err := oneArgument(c, "NAME, that of the property")
			if err != nil {
				return err
			}
			output, err := readOutput(c, env, render.KindShow, propertyRecord(property.Definition{}, nil, false).Names())
			if err != nil {
				return err
			}
			d, ok := property.Describe(name)
			if !ok {
				return fmt.Errorf("%s", notProperty(name, "property "+render.Quoted(name)+" is not known"))
			}
			for _, f := range property.Check(name, "required") {
				if f.Rule == "trait-spelling" && d.Type == property.Trait && name != "trait:*" {
					env.note("%s", f.Message)
				}
			}
			set, err := profileValues()
			if err != nil {
				return err
			}
			return asUsage(render.Show(env.Out, propertyRecord(d, set, forPeople(output)), output))
		},
	}
}

func forPeople(o render.Options) bool { return o.Format == render.FormatTable || o.Format == "" }

// notProperty says why there is no property of that name: it is a field of the
// image, Glance's own, a flavor's spelling; else it is otherwise, with what was
// probably meant.
func notProperty(name, otherwise string) string {
	if name == "os_hidden" {
		return `"os_hidden" is a field of the image itself, not a property: apply sets it by --hidden or --unhidden`
	}
	for _, f := range property.Check(name, "") {
		switch f.Rule {
		case "base-field", "reserved-name", "read-only-name":
			return f.Message
		case "flavor-spelling":
			if f.Fix != "" {
				return f.Message + "; the property is " + f.Fix
			}
			return f.Message
		}
	}
	if near := property.Suggest(name, 3); len(near) > 0 {
		return otherwise + "; near: " + strings.Join(near, ", ")
	}
	return otherwise + "; see glance-profile property list"
}
