package commands

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/sandbox"
)

func sandboxCommand(env *Env) *cli.Command {
	return &cli.Command{
		Name:  "sandbox",
		Usage: "run a Keystone and Glance in memory, to rehearse on",
		Description: "Listens on this machine only and prints a clouds.yaml with the clouds sandbox-admin, sandbox-member,\n" +
			"sandbox-reader, sandbox-other and sandbox-appcred. Runs until it is interrupted; then all is gone.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:0", Usage: "`ADDRESS` and port to listen on, on the loopback interface; port 0 takes a free one"},
			&cli.StringFlag{Name: "clouds-file", Usage: "write the clouds.yaml to `FILE` instead of printing it"},
			&cli.StringFlag{Name: "seed", Usage: "begin with the images of `FILE`, a JSON listing as Glance gives it"},
		},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return usagef("sandbox takes no argument %q", c.Args().First())
			}
			return runSandbox(c.Context, env, c.String("listen"), c.String("clouds-file"), c.String("seed"))
		},
	}
}

func runSandbox(ctx context.Context, env *Env, listen, cloudsFile, seed string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return usagef("--listen %s: %v", listen, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return usagef("--listen %s: the sandbox has well-known passwords, so it listens on a loopback address only, such as 127.0.0.1", listen)
	}
	options := sandbox.Options{Now: env.Now}
	if env.verbose {
		options.Log = env.messages()
	}
	if seed != "" {
		file, err := os.Open(seed)
		if err != nil {
			return usagef("--seed: %v", err)
		}
		defer file.Close()
		options.Seed = file
	}
	cloud, err := sandbox.New(options)
	if err != nil {
		return fmt.Errorf("--seed %s: %w", seed, err)
	}
	defer cloud.Close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	base := "http://" + listener.Addr().String()
	yaml := cloud.CloudsYAML(base)
	if cloudsFile != "" {
		err = os.WriteFile(cloudsFile, yaml, 0o600)
	} else {
		_, err = env.Out.Write(yaml)
	}
	if err != nil {
		listener.Close()
		return fmt.Errorf("write the clouds.yaml: %w", err)
	}
	env.tell("", false, "sandbox ready on %s; end it with Ctrl-C", base)
	return cloud.Serve(ctx, listener)
}
