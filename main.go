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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for an orderly end; from then on a second one kills.
	context.AfterFunc(ctx, stop)
	os.Exit(commands.Run(ctx, commands.SystemEnv(version)))
}
