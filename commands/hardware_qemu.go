package commands

import (
	"cmp"
	"fmt"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
	"glance-profile/internal/qemu"
	"glance-profile/internal/render"
)

// printQEMU prints, for each machine, the QEMU command line that makes one with
// the same devices, and counts those that have none, which it tells. An image of
// the cloud is taken to be saved under its id.
func printQEMU(c *cli.Context, env *Env, images []image.Image, results []hardware.Result, o hardware.Options) (failed int, err error) {
	for i, r := range results {
		img := images[i]
		path := cmp.Or(img.ID, "image") + "." + cmp.Or(img.DiskFormat, "qcow2")
		if madeOfFile := img.ID == "" && c.NArg() > 0 && !c.IsSet("from"); madeOfFile {
			path = c.Args().Get(i)
		}
		fail := func(err error) {
			if name := cmp.Or(img.Name, img.ID); name != "" {
				err = fmt.Errorf("image %s: %w", render.Quoted(name), err)
			}
			env.fail(err)
			failed++
		}
		if r.Machine == nil {
			fail(fmt.Errorf("there is no machine to print: %s", r.Refusal.Message))
			continue
		}
		line, err := qemu.Command(r.Machine, qemu.Options{Image: path, Format: qemuFormat(img.DiskFormat), VCPUs: o.VCPUs, MemoryMB: o.MemoryMB, KVM: c.Bool("kvm")})
		if err != nil {
			fail(err)
			continue
		}
		for _, left := range line.Left {
			env.note("left out: %s", left)
		}
		if img.ID != "" {
			env.note("the line reads %s; openstack image save --file %s %s makes it", path, shellQuote(path), img.ID)
		}
		if _, err := fmt.Fprintln(env.Out, join(line.Args)); err != nil {
			return failed, err
		}
	}
	return failed, nil
}
