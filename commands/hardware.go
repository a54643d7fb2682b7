package commands

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
	"glance-profile/internal/property"
	"glance-profile/internal/render"
	"glance-profile/internal/selection"
)

func hardwareCommand(env *Env) *cli.Command {
	var releases []string
	for _, r := range hardware.Releases() {
		releases = append(releases, string(r))
	}
	flags := []cli.Flag{
		&cli.StringFlag{Name: "from", Usage: "look at the images of a saved listing, `FILE` or - for stdin, without a cloud"},
		&cli.StringSliceFlag{Name: "profile", Usage: "look at what the profile `NAME` makes of a disk image file, or of none; repeated, later ones win"},
		profileFileFlag(),
		&cli.StringFlag{Name: "osinfo", Usage: "look at what create sets for the operating system with libosinfo's short `ID`; alone or beside --profile"},
		osinfoFlag(),
		&cli.StringSliceFlag{Name: "with", Usage: "with --profile or --osinfo: also set the optional `PROPERTY` of a profile"},
		&cli.StringFlag{Name: "architecture", Usage: "with --profile, --osinfo or --property: processor architecture `NAME`, such as aarch64"},
		&cli.StringSliceFlag{Name: "property", Usage: "look at what `KEY=VALUE` does; alone or over --profile and --osinfo; may be repeated"},
		&cli.StringFlag{Name: "nova", Value: string(hardware.Newest), Usage: "`RELEASE` of OpenStack: " + list(releases)},
		&cli.StringFlag{Name: "virt-type", Value: "kvm", Usage: "the hosts' `TYPE` of virtualization: kvm or qemu"},
		&cli.StringSliceFlag{Name: "machine-type", Usage: "the hosts' default machine type, `ARCH=TYPE` such as x86_64=q35; may be repeated"},
		&cli.IntFlag{Name: "vcpus", Value: 2, Base: 10, Usage: "`N` vCPUs of the flavor"},
		&cli.IntFlag{Name: "ram", Value: 2048, Base: 10, Usage: "memory of the flavor in `MB`"},
		&cli.StringSliceFlag{Name: "flavor-property", Usage: "extra spec `KEY=VALUE` of the flavor; may be repeated"},
		&cli.BoolFlag{Name: "sev", Usage: "the hosts have AMD SEV, for memory encryption"},
		&cli.BoolFlag{Name: "qemu", Usage: "print a QEMU command line that makes a machine with the same devices"},
		&cli.BoolFlag{Name: "kvm", Usage: "with --qemu: by KVM instead of emulation"},
		&cli.BoolFlag{Name: "explain", Usage: "say for each part of the machine what decides it, and where in Nova"},
	}
	flags = append(append(flags, selectionFlags()...), outputFlags(render.KindList)...)
	return &cli.Command{
		Name:      "hardware",
		Usage:     "show the virtual machine that Nova makes of images",
		ArgsUsage: "[IMAGE...|FILE...]",
		Description: "Shows the machine that Nova's libvirt driver makes of an image's properties on KVM hosts, or who refuses it and\n" +
			"why; whether libvirt and QEMU start it; which hosts can have it; and which properties do nothing.\n" +
			"An argument that names an existing file is a disk image, whose properties are those that create would set:\n" +
			"give --profile, --osinfo or --property. With those alone no image is needed.",
		Flags:  flags,
		Action: func(c *cli.Context) error { return runHardware(c, env) },
	}
}

// hardwareColumns are the columns of the answer as a list.
func hardwareColumns(explain bool) []string {
	columns := hardware.Fields()
	if explain {
		columns = append(columns, "explain")
	}
	return columns
}

func runHardware(c *cli.Context, env *Env) error {
	host, err := readHost(c)
	if err != nil {
		return err
	}
	explain := c.Bool("explain")
	output, err := readOutput(c, env, render.KindList, hardwareColumns(explain))
	if err != nil {
		return err
	}
	if c.Bool("kvm") && !c.Bool("qemu") {
		return usagef("--kvm goes with --qemu")
	}
	images, failed, err := hardwareImages(c, env)
	if err != nil {
		return err
	}
	results := make([]hardware.Result, len(images))
	for i, img := range images {
		results[i] = hardware.Build(img, host)
		results[i].Explain = explain
	}
	done := len(images)
	if c.Bool("qemu") {
		lineless := 0
		lineless, err = printQEMU(c, env, images, results, host)
		failed, done = failed+lineless, done-lineless
	} else {
		err = printHardware(env.Out, results, explain, output)
	}
	switch {
	case err != nil:
		return err
	case failed > 0 && done > 0:
		return &partialError{fmt.Sprintf("%s failed, %d did not", countImages(failed), done)}
	case failed > 0:
		return fmt.Errorf("%s failed", countImages(failed))
	}
	return nil
}

// Bounds of what a flavor can have, far beyond any host.
const (
	maxVCPUs = 4096
	maxRAM   = 1 << 30 // MiB
)

// readHost reads the options that describe hosts and flavor.
func readHost(c *cli.Context) (hardware.Options, error) {
	o := hardware.Options{VirtType: c.String("virt-type"), VCPUs: c.Int("vcpus"), MemoryMB: c.Int("ram"), SEV: c.Bool("sev"),
		MachineTypes: map[string]string{}, ExtraSpecs: map[string]string{}}
	var err error
	if o.Nova, err = hardware.ParseRelease(c.String("nova")); err != nil {
		return o, usagef("--nova: %v", err)
	}
	switch {
	case o.VirtType != "kvm" && o.VirtType != "qemu":
		return o, usagef("--virt-type %s: it may be kvm or qemu", render.Quoted(o.VirtType))
	case o.VCPUs < 1 || o.VCPUs > maxVCPUs:
		return o, usagef("--vcpus %d: from 1 to %d", o.VCPUs, maxVCPUs)
	case o.MemoryMB < 1 || o.MemoryMB > maxRAM:
		return o, usagef("--ram %d: from 1 to %d", o.MemoryMB, maxRAM)
	}
	for _, pair := range c.StringSlice("machine-type") {
		arch, machine, _ := strings.Cut(pair, "=")
		name, ok := property.Canonical("hw_architecture", arch)
		if !ok || machine == "" {
			return o, usagef("--machine-type %s: ARCH=TYPE is needed, such as x86_64=q35", render.Quoted(pair))
		}
		o.MachineTypes[name] = machine
	}
	for _, pair := range c.StringSlice("flavor-property") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return o, usagef("--flavor-property %s: KEY=VALUE is needed, such as hw:cpu_policy=dedicated", render.Quoted(pair))
		}
		o.ExtraSpecs[key] = value
	}
	return o, nil
}

// hardwareImages returns the images that the line asks for: those of the cloud
// or of a listing, or ones that do not exist yet. failed counts names that lead
// nowhere, which have been told.
func hardwareImages(c *cli.Context, env *Env) (images []image.Image, failed int, err error) {
	files := 0
	for _, name := range c.Args().Slice() {
		if isFile(name) {
			files++
		}
	}
	// What is looked at does not exist yet: it is as create would make it.
	planned := c.IsSet("profile") || c.IsSet("osinfo") || c.IsSet("property")
	chosen := c.Bool("all") || c.Bool("mine") || len(c.StringSlice("where")) > 0
	for _, name := range []string{"profile-file", "with", "architecture"} {
		if c.IsSet(name) && !planned {
			return nil, 0, usagef("--%s goes with --profile, --osinfo or --property", name)
		}
	}
	switch {
	case c.IsSet("from") && c.String("from") == "":
		return nil, 0, usagef("--from is empty; give it a value or leave it out")
	case c.IsSet("from") && planned:
		return nil, 0, usagef("--from has its images with their properties; leave --profile, --osinfo and --property out")
	case c.IsSet("from"):
		return listedImages(c, env)
	case files > 0 && files < c.NArg():
		return nil, 0, usagef("some arguments are files and others are not: look at files and at images one after the other")
	case files > 0 && !planned:
		return nil, 0, usagef("%s is a file and has no properties: say which it would get with --profile NAME or --osinfo ID", render.Quoted(c.Args().First()))
	case planned && files < c.NArg():
		return nil, 0, usagef("%s is no file, and --profile, --osinfo and --property are for files: to see what they would change in an image, use apply --dry-run", render.Quoted(c.Args().First()))
	case planned && chosen:
		return nil, 0, usagef("--profile, --osinfo and --property are for files, not for the images of --all, --mine or --where")
	case planned:
		images, err = plannedImages(c, env)
		return images, 0, err
	case c.NArg() == 0 && !chosen:
		return nil, 0, usagef("which images? name them, or use --where EXPR, --mine, --all, --from FILE or --profile NAME")
	}
	return cloudImages(c.Context, c, env)
}

// plannedImages are images as create would make them.
func plannedImages(c *cli.Context, env *Env) ([]image.Image, error) {
	o := createOptions{osinfo: c.String("osinfo"), profiles: c.StringSlice("profile"), profileFiles: c.StringSlice("profile-file"),
		with: c.StringSlice("with"), architecture: c.String("architecture")}
	var err error
	if o.properties, err = readProperties(env, c.StringSlice("property")); err != nil {
		return nil, err
	}
	if o.systems, err = openOsinfo(env, c); err != nil {
		return nil, err
	}
	resolved, err := createProperties(c.Context, env, o)
	if err != nil {
		return nil, err
	}
	if c.NArg() == 0 {
		return []image.Image{{Properties: resolved.Properties()}}, nil
	}
	var images []image.Image
	for _, path := range c.Args().Slice() {
		o.file = path
		in, err := openInput(c.Context, env, o)
		if err != nil {
			return nil, err
		}
		img := image.Image{Name: filepath.Base(path), Properties: resolved.Properties()}
		img.DiskFormat, _ = in.diskFormat(o)
		in.close()
		images = append(images, img)
	}
	return images, nil
}

// listedImages are those of a saved listing.
func listedImages(c *cli.Context, env *Env) (images []image.Image, failed int, err error) {
	q, err := readQuery(c, true)
	if err != nil {
		return nil, 0, err
	}
	if err := checkListing(q, ""); err != nil {
		return nil, 0, err
	}
	failed, err = chooseSaved(c.Context, env, c.String("from"), q, func(img image.Image) error { images = append(images, img); return nil })
	return images, failed, err
}

// cloudImages are those of the cloud.
func cloudImages(ctx context.Context, c *cli.Context, env *Env) (images []image.Image, failed int, err error) {
	q, err := readQuery(c, true)
	if err != nil {
		return nil, 0, err
	}
	s, err := connect(ctx, c, env)
	if err != nil {
		return nil, 0, err
	}
	defer s.finish()
	// Images of others are looked at too: nothing is changed.
	q.Project, q.Admin = s.ProjectID, true
	found, err := selection.Select(ctx, s.glance, q)
	if err != nil {
		return nil, 0, err
	}
	if len(found.Images) == 0 && len(found.Missing) == 0 {
		env.note("no image matches")
	}
	for _, missing := range found.Missing {
		env.fail(missing)
	}
	if len(found.Images) > 0 {
		warnUnmet(env, found.Unmet)
	}
	return found.Images, len(found.Missing), nil
}

// printHardware draws the machines for people, and lists them as data.
func printHardware(w io.Writer, results []hardware.Result, explain bool, o render.Options) error {
	if (o.Format == render.FormatTable || o.Format == "") && len(o.Columns) == 0 {
		var text strings.Builder
		for i, r := range results {
			if i > 0 {
				text.WriteByte('\n')
			}
			for _, line := range hardware.Draw(r) {
				text.WriteString(render.Safe(line) + "\n")
			}
		}
		_, err := io.WriteString(w, text.String())
		return err
	}
	columns := hardwareColumns(explain)
	rows := make([][]any, len(results))
	ordered := o.Format == render.FormatJSON || o.Format == render.FormatYAML
	for i, r := range results {
		fields := map[string]any{}
		for _, f := range members(reflect.ValueOf(r.Contract()), ordered) {
			fields[f.Name] = f.Value
		}
		for _, column := range columns {
			rows[i] = append(rows[i], fields[column])
		}
	}
	return asUsage(render.List(w, columns, rows, o))
}

// members are those of a struct's JSON, in their order and in the types that
// render takes.
func members(v reflect.Value, ordered bool) render.Record {
	var record render.Record
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			record = append(record, render.Field{Name: name, Value: plain(v.Field(i), ordered)})
		}
	}
	return record
}

// plain is a value in the types that render takes. With ordered, members of
// structs keep their order, for formats that show one.
func plain(v reflect.Value, ordered bool) any {
	if c, ok := v.Interface().(interface{ Contract() any }); ok && v.Kind() == reflect.Struct {
		return plain(reflect.ValueOf(c.Contract()), ordered)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		if v.IsNil() {
			return nil
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		return plain(v.Elem(), ordered)
	case reflect.Struct:
		record := members(v, ordered)
		if ordered {
			return record
		}
		fields := map[string]any{}
		for _, f := range record {
			fields[f.Name] = f.Value
		}
		return fields
	case reflect.Map:
		fields := map[string]any{}
		for key, value := range v.Seq2() {
			fields[key.String()] = plain(value, ordered)
		}
		return fields
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i), ordered)
		}
		return list
	case reflect.String:
		return v.String()
	case reflect.Int, reflect.Int64:
		return v.Int()
	}
	return v.Interface()
}

// isFile reports whether a name is that of an existing file.
func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && !info.IsDir()
}
