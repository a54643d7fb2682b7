package commands

import (
	"fmt"
	"strings"

	"glance-profile/internal/diskimage"
	"glance-profile/internal/plan"
)

// openstackLines are the lines of the standard client that make the same image.
// Its `image create` cannot name a store, fetch from an address or decompress,
// so those take a record first and an import after it, or a pipe.
func openstackLines(o createOptions, in *input, planned plan.Image) []string {
	client := append([]string{"openstack"}, o.global...)
	create := append(append([]string{}, client...), "image", "create")
	for _, change := range planned.Changes {
		create = append(create, openstackOption(change)...)
	}
	if o.id != "" {
		create = append(create, "--id", o.id)
	}
	if o.project != "" {
		create = append(create, "--project", o.project)
	}
	if o.projectDomain != "" {
		create = append(create, "--project-domain", o.projectDomain)
	}
	indirect := in.uri != "" || len(o.stores) > 0
	switch {
	case indirect:
		record := append(create, "--id", planned.ID, o.name)
		if o.id != "" {
			record = append(create, o.name)
		}
		lines := []string{join(record) + " &&"}
		if in.given() {
			stage := append(append([]string{}, client...), "image", "stage")
			lines = append(lines, fed(in, stage, planned.ID)+" &&")
		}
		return append(lines, join(importLine(client, o, in, planned.ID)))
	case o.useImport:
		create = append(create, "--import")
	}
	if !in.given() {
		return []string{join(append(create, o.name))}
	}
	return []string{fed(in, create, o.name)}
}

// fed completes a line that takes image data: by --file, or through a pipe
// where they are decompressed on the way or come from standard input.
func fed(in *input, line []string, last string) string {
	name := in.source.Name()
	if in.unpack == "" && in.file {
		return join(append(line, "--file", name, last))
	}
	unpack := map[diskimage.Compression]string{
		"": "cat", diskimage.Gzip: "gzip -dc", diskimage.XZ: "xz -dc", diskimage.Zstd: "zstd -dc", diskimage.Bzip2: "bzip2 -dc",
	}[in.unpack]
	if in.file {
		unpack += " < " + shellQuote(name)
	}
	return unpack + " | " + join(append(line, last))
}

func importLine(client []string, o createOptions, in *input, id string) []string {
	line := append(append([]string{}, client...), "image", "import")
	if in.uri != "" {
		line = append(line, "--method", "web-download", "--uri", in.uri)
	}
	for _, store := range o.stores {
		line = append(line, "--store", store)
	}
	return append(line, "--wait", id)
}

// openstackOption is a change as an option of `openstack image create`. The
// name stands at the end of the line, the owner behind --project.
func openstackOption(change plan.Change) []string {
	switch change.Property {
	case "name", "owner":
		return nil
	case "disk_format", "container_format", "min_disk", "min_ram":
		return []string{"--" + strings.ReplaceAll(change.Property, "_", "-"), fmt.Sprint(change.After)}
	case "visibility":
		return []string{fmt.Sprintf("--%s", change.After)}
	case "protected":
		if change.After == true {
			return []string{"--protected"}
		}
		return []string{"--unprotected"}
	case "tags":
		tags, _ := change.After.([]string)
		return each("--tag", tags)
	}
	return valued("--property", fmt.Sprintf("%s=%s", change.Property, change.After))
}

func join(words []string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = shellQuote(word)
	}
	return strings.Join(quoted, " ")
}

func printOpenstack(env *Env, o createOptions, in *input, planned plan.Image) error {
	if !in.given() || len(o.stores) > 0 {
		env.note("type the first line at a terminal: elsewhere the openstack client takes standard input for the image's data")
	}
	if o.ifExists != existsNew || o.keepPartial || o.force {
		env.note("the openstack client has nothing like --if-exists, --keep-partial and --force, which the lines leave out")
	}
	return printLines(env.Out, openstackLines(o, in, planned))
}
