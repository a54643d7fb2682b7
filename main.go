// Command glance-profile sets the properties of Glance images by profile. It
// stands beside the openstack client and reads the same clouds.yaml.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"glance-profile/commands"
)

// version is set by the linker; see the Makefile.
var version = "unreleased"

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	// The first signal asks for an orderly end; from then on a second one kills.
	context.AfterFunc(ctx, stop)
	os.Exit(commands.Run(ctx, commands.SystemEnv(version)))
}
