package commands

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

var updateTable = flag.Bool("update", false, "write the plugin's table of commands")

// pluginTable is where the plugin for the openstack client finds our commands.
const pluginTable = "../openstackclient/glance_profile_osc/commands.json"

// pluginCommand is one command as the plugin offers it, below `openstack image
// profile`. The plugin shows help and completes by it; the line itself goes to
// the program as it is.
type pluginCommand struct {
	Name        string         `json:"name"`
	Run         []string       `json:"run"`
	Arguments   string         `json:"arguments"`
	Summary     string         `json:"summary"`
	Description string         `json:"description"`
	Login       bool           `json:"login"`   // it needs a cloud
	Offline     []string       `json:"offline"` // unless one of these options is given
	Options     []pluginOption `json:"options"`
}

type pluginOption struct {
	Names []string `json:"names"`
	Value string   `json:"value"` // "" where it takes none
	Help  string   `json:"help"`
	Group string   `json:"group"`
}

// leftOut are commands that do nothing with the client's cloud.
var leftOut = []string{"completion", "sandbox"}

// withoutCloud are the commands that never need a cloud, and for others the
// options with which they need none.
var (
	withoutCloud = []string{"audit rules", "audit explain", "os", "profile", "property"}
	offlineWith  = map[string][]string{
		"apply": {"--from"}, "audit": {"--from"}, "migrate-virtio": {"--from"}, "normalize": {"--from"},
		"hardware": {"--from", "--osinfo", "--profile", "--property"}, "rollback": {"--list"},
	}
)

func pluginCommands(commands []*cli.Command, above ...string) []pluginCommand {
	var all []pluginCommand
	for _, c := range commands {
		run := append(slices.Clone(above), c.Name)
		path := strings.Join(run, " ")
		if c.Hidden || slices.Contains(leftOut, path) {
			continue
		}
		if len(c.Subcommands) == 0 || c.ArgsUsage != "" {
			all = append(all, pluginCommand{
				// The program's name has the word profile already.
				Name: strings.ReplaceAll(strings.TrimPrefix(path, "profile "), "-", " "), Run: run, Arguments: c.ArgsUsage,
				Summary: c.Usage, Description: strings.ReplaceAll(c.Description, "\n", " "),
				Login:   !slices.Contains(withoutCloud, path) && !slices.Contains(withoutCloud, run[0]),
				Offline: append([]string{}, offlineWith[path]...), Options: pluginOptions(c.Flags),
			})
		}
		all = append(all, pluginCommands(c.Subcommands, run...)...)
	}
	return all
}

func pluginOptions(flags []cli.Flag) []pluginOption {
	options := []pluginOption{}
	for _, flag := range flags {
		if visible, ok := flag.(cli.VisibleFlag); ok && !visible.IsVisible() {
			continue
		}
		var names []string
		for _, name := range flag.Names() {
			names = append(names, dashed(name))
		}
		doc := flag.(cli.DocGenerationFlag)
		o := pluginOption{Names: names, Group: flag.(cli.CategorizableFlag).GetCategory()}
		parts := strings.Split(doc.GetUsage(), "`")
		o.Help = strings.Join(parts, "")
		if doc.TakesValue() {
			o.Value = "VALUE"
			if len(parts) > 1 {
				o.Value = parts[1]
			}
			if value := strings.Trim(doc.GetDefaultText(), `"`); value != "" && value != "unset" && !strings.Contains(o.Help, "default") {
				o.Help += " (default: " + value + ")"
			}
		}
		if _, ok := flag.(*listFlag); ok {
			o.Value = "[" + o.Value + "...]"
		}
		options = append(options, o)
	}
	return options
}

// The plugin's table is that of the commands: none is missing there, and none has
// other options. -update writes it.
func TestPluginTable(t *testing.T) {
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetIndent("", " ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(pluginCommands(testApp().Commands)); err != nil {
		t.Fatal(err)
	}
	if *updateTable {
		if err := os.WriteFile(pluginTable, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(pluginTable)
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("%s is not that of the commands (%v): run go test ./commands -run TestPluginTable -update", pluginTable, err)
	}
}

// A name that is written wrong would make the plugin log in for nothing.
func TestPluginTableNamesWhatThereIs(t *testing.T) {
	all := pluginCommands(testApp().Commands)
	for _, path := range withoutCloud {
		if !slices.ContainsFunc(all, func(c pluginCommand) bool { return strings.HasPrefix(strings.Join(c.Run, " ")+" ", path+" ") }) {
			t.Errorf("there is no command %s", path)
		}
	}
	for path, options := range offlineWith {
		i := slices.IndexFunc(all, func(c pluginCommand) bool { return strings.Join(c.Run, " ") == path })
		for _, option := range options {
			if i < 0 || !slices.ContainsFunc(all[i].Options, func(o pluginOption) bool { return slices.Contains(o.Names, option) }) {
				t.Errorf("there is no %s %s", path, option)
			}
		}
	}
}
