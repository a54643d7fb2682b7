package commands

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/image"
	"glance-profile/internal/plan"
	"glance-profile/internal/render"
)

// driversFirst says what has to be done in the guest before its image may be
// switched to VirtIO.
const driversFirst = `nothing was changed: Windows stops on a blue screen where it is given a VirtIO disk without the driver.
What to do first:
  1. Make a server of the image as it is (IDE or SATA disk, e1000 card).
  2. In the server: install the VirtIO drivers (viostor or vioscsi, NetKVM), and Cloudbase-Init where it is used;
     boot once with a second disk on VirtIO attached, so that Windows binds the driver; shut it down in order.
  3. openstack server image create --name NAME SERVER
  4. glance-profile migrate-virtio NAME --drivers-installed
--drivers-installed says that this has been done for the image; it is kept in the journal.`

func migrateCommand(env *Env) *cli.Command {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "drivers-installed", Usage: "the VirtIO drivers are in the image"},
		&cli.StringFlag{Name: "bus", Value: "virtio", Usage: "disk `BUS` to switch to: virtio or scsi (virtio-scsi)"},
		&cli.BoolFlag{Name: "rng", Usage: "also set hw_rng_model=virtio"},
		&cli.BoolFlag{Name: "guest-agent", Usage: "also set hw_qemu_guest_agent=yes: the agent is in the image"},
		&cli.BoolFlag{Name: "remove-leftovers", Usage: "also remove what a snapshot has kept of its server"},
		&cli.StringFlag{Name: "to-new", Usage: "leave the image as it is and make a new one, `NAME`, of its data: downloaded and uploaded as a stream"},
		&cli.BoolFlag{Name: "hide-old", Usage: "with --to-new: hide the old image once the new one is there"},
		&cli.BoolFlag{Name: "force", Usage: "also migrate images that do not say that they are Windows"},
		&cli.StringFlag{Name: "from", Usage: "decide on the images of a saved listing, `FILE` or - for stdin, without a cloud; changes nothing"},
	}
	flags = append(append(append(flags, selectionFlags()...), roadFlags()...), outputFlags(render.KindList)...)
	return &cli.Command{
		Name:      "migrate-virtio",
		Usage:     "switch Windows images to VirtIO once the drivers are in",
		ArgsUsage: "[IMAGE...]",
		Description: "Servers that were built from an image keep their old properties, and so do volumes made from it: see the\n" +
			"lines printed at the end for those.",
		Flags:  flags,
		Action: func(c *cli.Context) error { return runMigrate(c, env) },
	}
}

func runMigrate(c *cli.Context, env *Env) error {
	r, err := readRoad(c, env, "migrate-virtio")
	if err != nil {
		return err
	}
	o := plan.VirtioOptions{Bus: c.String("bus"), RNG: c.Bool("rng"), GuestAgent: c.Bool("guest-agent"), Leftovers: c.Bool("remove-leftovers"), Force: c.Bool("force")}
	if !c.IsSet("bus") {
		o.Bus = "" // a disk that is on virtio-scsi already stays there
	} else if o.Bus != "virtio" && o.Bus != "scsi" {
		return usagef("--bus %s: it may be virtio or scsi", render.Quoted(o.Bus))
	}
	if !c.Bool("drivers-installed") && !r.readOnly() && !c.IsSet("from") {
		fmt.Fprintln(env.messages(), driversFirst)
		return errors.New("whether the VirtIO drivers are in the image is not known; say --drivers-installed when they are")
	}
	migrate := func(img image.Image) (plan.Image, []string, error) {
		p, warnings, err := plan.Virtio(img, o)
		if left := plan.Leftovers(img); err == nil && len(left) > 0 && !o.Leftovers && len(p.Changes) > 0 {
			warnings = append(warnings, fmt.Sprintf("it has kept %s of the server it was made of; --remove-leftovers takes them off", strings.Join(left, ", ")))
		}
		return p, warnings, err
	}
	switch {
	case c.IsSet("to-new"):
		return migrateToNew(c, env, r, migrate)
	case c.Bool("hide-old"):
		return usagef("--hide-old goes with --to-new")
	}
	bus := cmp.Or(o.Bus, "virtio")
	r.onDone = "servers already built from the image keep their buses: nova-manage image_property set (stopped), or openstack server rebuild; " +
		"volumes made from it: openstack volume set --image-property hw_disk_bus=" + bus + " --image-property hw_scsi_model=virtio-scsi --image-property hw_vif_model=virtio VOLUME"
	return runChange(c, env, r, migrate)
}
