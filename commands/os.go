package commands

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/osinfo"
	"glance-profile/internal/render"
)

// osinfoVariable is libosinfo's own variable for where its database is.
// Source: libosinfo/osinfo/osinfo_loader.c.
const osinfoVariable = "OSINFO_SYSTEM_DIR"

func osinfoFlag() cli.Flag {
	return &cli.StringFlag{Name: "osinfo-db", Usage: "use the osinfo-db in `DIR`, such as /usr/share/osinfo, instead of the built-in one (default $" + osinfoVariable + ")"}
}

// openOsinfo returns the database of operating systems that the line asks for:
// that of --osinfo-db, else that of $OSINFO_SYSTEM_DIR, else the built-in one.
// Commands that call it have osinfoFlag.
func openOsinfo(env *Env, c *cli.Context) (*osinfo.DB, error) {
	dir, origin := c.String("osinfo-db"), "--osinfo-db"
	if !c.IsSet("osinfo-db") {
		dir, origin = env.getenv(osinfoVariable), "$"+osinfoVariable
	}
	if dir == "" {
		if c.IsSet("osinfo-db") {
			return nil, usagef("--osinfo-db: DIR is empty")
		}
		return osinfo.Builtin(), nil
	}
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist):
		return nil, usagef("%s %s: no such directory", origin, render.Quoted(dir))
	case err != nil:
		return nil, usagef("%s: %v", origin, err)
	case !info.IsDir():
		return nil, usagef("%s %s: no directory", origin, render.Quoted(dir))
	}
	db, err := osinfo.Load(os.DirFS(dir))
	if err != nil {
		return nil, usagef("%s %s: %v", origin, render.Quoted(dir), err)
	}
	if built := osinfo.Builtin().Release(); db.Release() < built {
		env.note("the osinfo-db %s in %s is older than the built-in one, %s", db.Release(), dir, built)
	}
	return db, nil
}

// osColumns are those of os list.
var osColumns = []string{"short_id", "name", "os_distro", "os_version", "os_type", "code_name", "released", "eol"}

func osListCommand(env *Env) *cli.Command {
	return &cli.Command{
		Name:      "list",
		Usage:     "list operating systems",
		ArgsUsage: "[FILTER]",
		Description: "FILTER is a part of a short id, name, distribution or code name, or a glob for the whole of one: debian,\n" +
			"'ubuntu2?.04', bookworm.",
		Flags: append([]cli.Flag{osinfoFlag()}, outputFlags(render.KindList)...),
		Action: func(c *cli.Context) error {
			filter := ""
			if c.NArg() > 0 {
				var err error
				if filter, err = oneArgument(c, "FILTER"); err != nil {
					return err
				}
			}
			output, err := readOutput(c, env, render.KindList, osColumns)
			if err != nil {
				return err
			}
			db, err := openOsinfo(env, c)
			if err != nil {
				return err
			}
			var rows [][]any
			for o := range db.All() {
				fits, err := o.Matches(filter)
				if err != nil {
					return usagef("FILTER %s is no glob: a [ is not closed, or there is a \\ at the end", render.Quoted(filter))
				}
				if fits {
					rows = append(rows, []any{o.ShortID, known(o.Name), known(o.Distro), known(o.Version), known(o.Type), known(o.CodeName), known(o.Released), known(o.EOL)})
				}
			}
			if len(rows) == 0 {
				env.note("no operating system matches %s%s", render.Quoted(filter), near(db, filter))
			}
			return asUsage(render.List(env.Out, osColumns, rows, output))
		},
	}
}

func osShowCommand(env *Env) *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show what is known of an operating system",
		ArgsUsage: "ID",
		Description: "ID is a short id of libosinfo (ubuntu24.04), one of its aliases, a code name (noble) or libosinfo's URL.\n" +
			"Memory and disk are in bytes. VirtIO devices and firmware are those of libosinfo, which lists what was tried:\n" +
			"that one is missing does not prove that it fails.",
		Flags: append([]cli.Flag{osinfoFlag()}, outputFlags(render.KindShow)...),
		Action: func(c *cli.Context) error {
			id, err := oneArgument(c, "ID, that of the operating system")
			if err != nil {
				return err
			}
			output, err := readOutput(c, env, render.KindShow, osRecord(osinfo.OS{}, true).Names())
			if err != nil {
				return err
			}
			db, err := openOsinfo(env, c)
			if err != nil {
				return err
			}
			found := db.Find(id)
			switch {
			case len(found) == 0:
				return fmt.Errorf("operating system %s is not known%s", render.Quoted(id), near(db, id))
			case len(found) > 1:
				var ids []string
				for _, o := range found {
					ids = append(ids, o.ShortID)
				}
				return fmt.Errorf("%s is the code name of several: %s", render.Quoted(id), strings.Join(ids, ", "))
			}
			people := output.Format == render.FormatTable || output.Format == ""
			return asUsage(render.Show(env.Out, osRecord(found[0], people), output))
		},
	}
}

// near is what an unknown text was probably meant to be, as the end of a message.
func near(db *osinfo.DB, text string) string {
	ids := db.Suggest(text, 3)
	if len(ids) == 0 {
		return "; see glance-profile os list"
	}
	return "; near: " + strings.Join(ids, ", ")
}

// osRecord is an operating system as os show prints it: data, or for people.
func osRecord(o osinfo.OS, people bool) render.Record {
	minimum, recommended, firmware := resourceData(o.Minimum), resourceData(o.Recommended), firmwareData(o.Firmware)
	if people {
		minimum, recommended, firmware = resourceText(o.Minimum), resourceText(o.Recommended), firmwareText(o.Firmware)
	}
	return render.Record{
		{Name: "short_id", Value: o.ShortID}, {Name: "name", Value: known(o.Name)}, {Name: "aliases", Value: o.Aliases},
		{Name: "os_distro", Value: known(o.Distro)}, {Name: "os_version", Value: known(o.Version)}, {Name: "os_type", Value: known(o.Type)},
		{Name: "version_rule", Value: osinfo.VersionRule(o.Distro)}, {Name: "versions_since", Value: known(o.Since)},
		{Name: "libosinfo_id", Value: known(o.ID)}, {Name: "libosinfo_distro", Value: known(o.LibosinfoDistro)}, {Name: "libosinfo_version", Value: known(o.LibosinfoVersion)},
		{Name: "code_name", Value: known(o.CodeName)}, {Name: "family", Value: known(o.Family)},
		{Name: "released", Value: known(o.Released)}, {Name: "eol", Value: known(o.EOL)},
		{Name: "minimum", Value: minimum}, {Name: "recommended", Value: recommended},
		{Name: "virtio_devices", Value: o.Devices}, {Name: "firmware", Value: firmware}, {Name: "source", Value: known(o.Source)},
	}
}

// known is a text, or nil where there is none.
func known(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// resourceData is what a system needs, for each architecture: null is not known.
func resourceData(list []osinfo.Resources) any {
	all := []any{}
	for _, r := range list {
		entry := map[string]any{"architecture": r.Architecture, "cpus": nil, "memory": nil, "disk": nil}
		for name, n := range map[string]int64{"cpus": r.CPUs, "memory": r.Memory, "disk": r.Disk} {
			if n > 0 {
				entry[name] = n
			}
		}
		all = append(all, entry)
	}
	return all
}

func resourceText(list []osinfo.Resources) any {
	var lines []string
	for _, r := range list {
		var parts []string
		if r.CPUs > 0 {
			parts = append(parts, fmt.Sprintf("CPUs %d", r.CPUs))
		}
		if r.Memory > 0 {
			parts = append(parts, "memory "+render.Bytes(r.Memory))
		}
		if r.Disk > 0 {
			parts = append(parts, "disk "+render.Bytes(r.Disk))
		}
		lines = append(lines, r.Architecture+": "+strings.Join(parts, ", "))
	}
	return known(strings.Join(lines, "\n"))
}

func firmwareData(list []osinfo.Firmware) any {
	all := []any{}
	for _, f := range list {
		all = append(all, map[string]any{"architecture": f.Architecture, "type": f.Type, "supported": f.Supported})
	}
	return all
}

func firmwareText(list []osinfo.Firmware) any {
	var lines []string
	for _, f := range list {
		line := f.Architecture + ": " + f.Type
		if !f.Supported {
			line = f.Architecture + ": not " + f.Type
		}
		lines = append(lines, line)
	}
	return known(strings.Join(lines, "\n"))
}
