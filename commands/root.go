// Package commands is the command line: one file a command, which reads the
// options, calls the packages that decide and act, and prints what they say.
// What urfave/cli/v2 does differently from the openstack client is handled in
// this file and in args.go, once for all commands.
package commands

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/apply"
)

// Run carries out the command line of env and returns the exit code. Errors have been printed when it returns.
func Run(ctx context.Context, env *Env) int {
	if code, known := internalCommand(ctx, env); known {
		return code
	}
	app := newApp(env)
	arranged, err := arrange(app, env.Args)
	if err == nil {
		err = app.RunContext(ctx, append([]string{app.Name}, arranged...))
	}
	code := exitCode(ctx, err)
	if err != nil && !errors.Is(err, errFindings) {
		// An interruption is told as such, unless an image had been begun: then
		// the error says what became of it.
		var begun *apply.Failure
		if ctx.Err() != nil && errors.Is(err, context.Canceled) && !errors.As(err, &begun) {
			err = errors.New("interrupted; nothing was changed")
		}
		env.fail(err)
	}
	if env.log != nil {
		env.log.Close()
	}
	return code
}

// newApp builds the tree of commands.
func newApp(env *Env) *cli.App {
	flags := globalFlags()
	tame(flags)
	app := &cli.App{
		Name:        "glance-profile",
		Usage:       "set Glance image properties by profile",
		Description: "Uploads images to OpenStack Glance with a bundle of properties that Nova, Cinder and Ironic act on,\nchecks the properties before anything is sent, and keeps a journal of every change.\nClouds and credentials are those of the openstack client: clouds.yaml, OS_* variables, --os-* options.",
		Version:     env.Version,
		HideVersion: true,
		Flags:       flags,
		Commands: []*cli.Command{
			leaf(createCommand(env)),
			leaf(applyCommand(env)),
			leaf(migrateCommand(env)),
			leaf(normalizeCommand(env)),
			leaf(auditCommand(env)),
			leaf(rollbackCommand(env)),
			leaf(hardwareCommand(env)),
			leaf(inspectCommand(env)),
			group("profile", "show and check the bundles of properties",
				leaf(profileListCommand(env)), leaf(profileShowCommand(env)), leaf(profileValidateCommand(env))),
			group("property", "show what is known of image properties", leaf(propertyListCommand(env)), leaf(propertyShowCommand(env))),
			group("os", "show what is known of operating systems", leaf(osListCommand(env)), leaf(osShowCommand(env))),
			leaf(sandboxCommand(env)),
			leaf(completionShellCommand(env)),
		},
		Writer:                    env.Out,
		ErrWriter:                 env.Err,
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true, // hw_numa_cpus.0=1,2 is one property
		ExitErrHandler:            func(*cli.Context, error) {},
		OnUsageError:              onUsageError,
		Before:                    func(c *cli.Context) error { return setUp(c, env) },
		Action: func(c *cli.Context) error {
			if c.Bool("version") {
				fmt.Fprintf(env.Out, "glance-profile %s\n", env.Version)
				return nil
			}
			if !env.quiet {
				fmt.Fprint(env.messages(), orientation(c.App))
			}
			return usagef("which command? see glance-profile --help")
		},
	}
	teach(app)
	return app
}

// orientation is what the program says where nobody told it what to do: what it
// is for, what there is, and where to read on.
func orientation(app *cli.App) string {
	var b strings.Builder
	b.WriteString("glance-profile sets Glance image properties by profile, checks them, and can take its changes back.\n\n")
	for _, e := range examples[""] {
		b.WriteString("  # " + e.What + "\n  " + e.Line + "\n")
	}
	var names []string
	for _, c := range app.VisibleCommands() {
		names = append(names, c.Name)
	}
	b.WriteString("\nCommands: " + strings.Join(names, ", ") + "\n" +
		"Clouds are those of openstack: --os-cloud NAME or OS_CLOUD, of clouds.yaml. To rehearse without one: glance-profile sandbox.\n" +
		"Options and examples of a command: glance-profile COMMAND --help. The manual: man glance-profile.\n")
	return b.String()
}

// leaf makes a command that does something safe against urfave's habits: an
// argument "help" is an argument, a mistake is one line on stderr instead of a
// page of help on stdout, and values keep their blanks.
func leaf(c *cli.Command) *cli.Command {
	c.HideHelpCommand = true
	c.OnUsageError = onUsageError
	tame(c.Flags)
	return c
}

// tame keeps "(default: false)" and "(default: 0)" out of the help, and lists
// from taking the blanks off their values, as openstack does not.
func tame(flags []cli.Flag) {
	for _, flag := range flags {
		switch f := flag.(type) {
		case *cli.BoolFlag:
			f.DisableDefaultText = true
		case *cli.IntFlag:
			if f.Value == 0 {
				f.DefaultText = "unset"
			}
		case *cli.StringSliceFlag:
			f.KeepSpace = true
		case *listFlag:
			f.KeepSpace = true
		case *cli.Int64Flag:
			f.DefaultText = "unset"
		}
	}
}

// group makes a command that only holds others.
func group(name, usage string, subcommands ...*cli.Command) *cli.Command {
	names := make([]string, len(subcommands))
	for i, c := range subcommands {
		names[i] = c.Name
	}
	return &cli.Command{
		Name: name, Usage: usage, Subcommands: subcommands, HideHelpCommand: true,
		OnUsageError: onUsageError,
		Action: func(*cli.Context) error {
			return usagef("which one, %s? see glance-profile %s --help", list(names), name)
		},
	}
}

// badNumber is how Go's flag package words a number that is none.
var badNumber = regexp.MustCompile(`^invalid value ("[^"]*") for flag -([a-z-]+): .*`)

func onUsageError(_ *cli.Context, err error, _ bool) error {
	if m := badNumber.FindStringSubmatch(err.Error()); m != nil {
		return usagef("--%s %s: a whole number is needed", m[2], m[1])
	}
	return usagef("%v", err)
}

// setUp takes the options that concern all commands.
func setUp(c *cli.Context, env *Env) error {
	env.verbose = c.Bool("verbose")
	env.quiet = c.Bool("quiet") && !env.verbose
	if path := c.String("log-file"); path != "" {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return usagef("option --log-file: %v", err)
		}
		env.log = file
	}
	return nil
}
