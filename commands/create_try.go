package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
	"glance-profile/internal/plan"
	"glance-profile/internal/qemu"
	"glance-profile/internal/render"
	"glance-profile/internal/source"
)

// What the machine of --try has, which is enough for a boot.
const (
	tryCPUs   = 2
	tryMemory = 1024 // MiB

	// tryDefault is enough for a Linux under emulation.
	tryDefault = 2 * time.Minute
)

// tryImage starts the machine that Nova would make of the image, before
// anything is sent. A guest that fails is refused; one that tells nothing is
// not.
func tryImage(ctx context.Context, env *Env, o createOptions, in *input, planned plan.Image) error {
	file, ok := in.source.(*source.File)
	if !ok || in.unpack != "" {
		return usagef("--try needs the image as a file that QEMU can read: not a pipe, an address or compressed data")
	}
	made := hardware.Build(plan.After(image.Image{}, planned), hardware.Options{VCPUs: tryCPUs, MemoryMB: tryMemory})
	if made.Machine == nil {
		return fmt.Errorf("--try: there is no machine to start: %s", made.Refusal.Message)
	}
	format, _ := in.diskFormat(o)
	if format == "iso" {
		format = "raw"
	}
	line, err := qemu.Command(made.Machine, qemu.Options{Image: file.Name(), Format: qemuFormat(format), VCPUs: tryCPUs, MemoryMB: tryMemory, KVM: o.kvm})
	if err != nil {
		return fmt.Errorf("--try: %w", err)
	}
	for _, left := range line.Left {
		env.note("--try leaves out %s", left)
	}
	env.note("starting the image for at most %v: %s", o.tryTime, hardware.Summary(made))
	report, err := qemu.Try(ctx, line, o.tryTime)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("--try: %w", err)
	case report.Problem != "":
		text := fmt.Sprintf("the image does not boot on this machine: it came to the %s, and %s (console: %s)", report.Stage, report.Problem, render.Quoted(report.Line))
		if o.force {
			env.warn("%s (passed over by --force)", text)
			return nil
		}
		return errors.New(text + "; nothing was sent; --force overrides")
	case report.Stage == qemu.Login:
		env.note("the image boots: login prompt after %v", report.Took.Round(time.Second))
	case report.Stage == qemu.Silent:
		env.warn("nothing was on the serial console within %v, so whether the image boots is not known (Windows says nothing there; Linux needs console=ttyS0)", o.tryTime)
	default:
		env.warn("the image came to the %s within %v and not further, so whether it boots is not known (--try-time gives it more)", report.Stage, o.tryTime)
	}
	return nil
}

// qemuFormat is QEMU's name for a disk format of Glance's.
func qemuFormat(format string) string {
	switch format {
	case "vhd":
		return "vpc"
	case "qcow2", "raw", "vmdk", "vdi", "vhdx":
		return format
	}
	return ""
}
