package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/inspect"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/render"
	"glance-profile/internal/selection"
)

func inspectCommand(env *Env) *cli.Command {
	return &cli.Command{
		Name:      "inspect",
		Usage:     "look inside disk images: firmware, operating system, drivers",
		ArgsUsage: "FILE|IMAGE...",
		Description: "Reads, without starting or mounting anything: disk format, partitions, firmware, the operating system, cloud-init and\n" +
			"the guest agent, and whether it boots from VirtIO disks. What cannot be told is said to be unknown, and why. An\n" +
			"argument that names an existing file is a file; an image in the cloud is read piece by piece, a few MiB of it.",
		Flags:  append([]cli.Flag{osinfoFlag()}, outputFlags(render.KindList)...),
		Action: func(c *cli.Context) error { return runInspect(c, env) },
	}
}

// inspected is what was found inside one image.
type inspected struct {
	File      *string `json:"file"` // null for an image of the cloud
	ImageID   *string `json:"image_id"`
	ImageName *string `json:"image_name"`
	inspect.Report
}

func (i inspected) name() string {
	if i.File != nil {
		return *i.File
	}
	return *i.ImageName + " (" + *i.ImageID + ")"
}

// inspectColumns are the members of an answer.
var inspectColumns = []string{
	"file", "image_id", "image_name", "version", "disk", "volumes", "firmware", "guest", "boots_from", "linux", "windows", "properties", "notes", "read",
}

// inspectTimeout bounds the look into one image, which takes a second where the
// image is sound and the network answers.
const inspectTimeout = 2 * time.Minute

func runInspect(c *cli.Context, env *Env) error {
	if c.NArg() == 0 {
		return usagef("which? name files, or images of the cloud")
	}
	output, err := readOutput(c, env, render.KindList, inspectColumns)
	if err != nil {
		return err
	}
	db, err := openOsinfo(env, c)
	if err != nil {
		return err
	}
	var results []inspected
	var names []string
	failed := 0
	tell := func(name string, err error) {
		if err != nil {
			failed++
			env.fail(fmt.Errorf("%s: %w", name, err))
		}
	}
	for _, name := range c.Args().Slice() {
		if !isFile(name) {
			names = append(names, name)
			continue
		}
		result, err := inspectFile(c.Context, name, db)
		tell(name, err)
		if err == nil {
			results = append(results, result)
		}
	}
	if len(names) > 0 {
		found, lost, err := inspectImages(c, env, names, db, tell)
		if err != nil {
			return err
		}
		results, failed = append(results, found...), failed+lost
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if err := printInspected(env.Out, results, output); err != nil {
		return err
	}
	switch {
	case failed > 0 && len(results) > 0:
		return &partialError{fmt.Sprintf("%s could not be looked into, %d could", countImages(failed), len(results))}
	case failed > 0:
		return errors.New("no image could be looked into")
	}
	return nil
}

func inspectFile(ctx context.Context, path string, db *osinfo.DB) (inspected, error) {
	file, err := os.Open(path)
	if err != nil {
		return inspected{}, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return inspected{}, err
	}
	report, err := look(ctx, file, info.Size(), db)
	return inspected{File: &path, Report: report}, err
}

// inspectImages looks into images of the cloud. lost counts names that lead
// nowhere, which are told.
func inspectImages(c *cli.Context, env *Env, names []string, db *osinfo.DB, tell func(string, error)) (results []inspected, lost int, err error) {
	s, err := connect(c.Context, c, env)
	if err != nil {
		return nil, 0, err
	}
	defer s.finish()
	found, err := selection.Select(c.Context, s.glance, selection.Query{Names: names, Project: s.ProjectID, Admin: true})
	if err != nil {
		return nil, 0, err
	}
	for _, missing := range found.Missing {
		env.fail(missing)
	}
	for _, img := range found.Images {
		name := fmt.Sprintf("image %s (%s)", img.Name, img.ID)
		if img.Status != "active" || img.Size == nil || *img.Size == 0 {
			tell(name, fmt.Errorf("it is %s and has no data to look into", img.Status))
			continue
		}
		report, err := look(c.Context, s.glance.Ranged(c.Context, img.ID, *img.Size), *img.Size, db)
		tell(name, err)
		if err == nil {
			results = append(results, inspected{ImageID: &img.ID, ImageName: &img.Name, Report: report})
		}
	}
	return results, len(found.Missing), nil
}

func look(ctx context.Context, r io.ReaderAt, size int64, db *osinfo.DB) (inspect.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, inspectTimeout)
	defer cancel()
	return inspect.Image(ctx, r, size, inspect.Options{DB: db})
}

// printInspected tells people what was found, or lists it as data.
func printInspected(w io.Writer, results []inspected, o render.Options) error {
	if (o.Format == render.FormatTable || o.Format == "") && len(o.Columns) == 0 {
		var text strings.Builder
		for i, r := range results {
			if i > 0 {
				text.WriteByte('\n')
			}
			for _, line := range drawInspected(r) {
				text.WriteString(render.Safe(line) + "\n")
			}
		}
		_, err := io.WriteString(w, text.String())
		return err
	}
	rows := make([][]any, len(results))
	ordered := o.Format == render.FormatJSON || o.Format == render.FormatYAML
	for i, r := range results {
		fields := map[string]any{}
		for _, v := range []reflect.Value{reflect.ValueOf(r), reflect.ValueOf(r.Report)} {
			for _, f := range members(v, ordered) {
				fields[f.Name] = f.Value
			}
		}
		for _, column := range inspectColumns {
			rows[i] = append(rows[i], fields[column])
		}
	}
	return asUsage(render.List(w, inspectColumns, rows, o))
}

// drawInspected is what was found in one image, for people.
func drawInspected(r inspected) []string {
	table := r.Disk.Table
	if table == "" {
		table = "no partition table"
	}
	lines := []string{fmt.Sprintf("%s: %s, a disk of %s, %s", r.name(), r.Disk.Format, render.Bytes(r.Disk.VirtualSize), table)}
	add := func(head, text string) { lines = append(lines, fmt.Sprintf("  %-12s %s", head, text)) }
	g := r.Guest
	add("system", fmt.Sprintf("%s; os_type %s, os_distro %s, os_version %s, architecture %s, libosinfo %s",
		factText(g.Name), factText(g.OSType), factText(g.OSDistro), factText(g.OSVersion), factText(g.Architecture), factText(g.OsinfoID)))
	add("root", factText(g.Root))
	add("firmware", fmt.Sprintf("BIOS %s, UEFI %s, signed loader %s", factText(r.Firmware.BIOS), factText(r.Firmware.UEFI), factText(r.Firmware.SecureBoot)))
	add("boots from", fmt.Sprintf("virtio-blk %s, virtio-scsi %s", factText(r.Boots.VirtioBlk), factText(r.Boots.VirtioSCSI)))
	add("first boot", fmt.Sprintf("%s, enabled %s", factText(g.CloudInit), factText(g.CloudInitEnabled)))
	add("guest agent", factText(g.QemuGuestAgent))
	if l := r.Linux; l != nil {
		add("kernel", fmt.Sprintf("%s, console %s", factText(l.Kernel), factText(l.Console)))
		for _, d := range l.Drivers {
			add("driver", fmt.Sprintf("%s: kernel %s, initramfs %s", d.Name, factText(d.Kernel), factText(d.Initramfs)))
		}
	}
	if w := r.Windows; w != nil {
		add("edition", fmt.Sprintf("%s, build %s, %s", factText(w.Edition), factText(w.Build), factText(w.InstallationType)))
		for _, d := range w.Drivers {
			add("driver", fmt.Sprintf("%s: file %s, start %s", d.Name, factText(d.File), factText(d.Start)))
		}
	}
	for _, p := range r.Properties {
		add("property", fmt.Sprintf("%s=%s (%s)", p.Property, p.Value, p.Why))
	}
	for _, note := range r.Notes {
		add("note", note)
	}
	add("read", fmt.Sprintf("%s in %d requests", render.Bytes(r.Read.Bytes), r.Read.Requests))
	return lines
}

// factText is an answer, or why there is none.
func factText(f inspect.Fact) string {
	switch {
	case !f.Known():
		return "unknown (" + f.Reason + ")"
	case f.Value == "":
		return "none"
	}
	return f.Value
}
