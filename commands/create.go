package commands

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/urfave/cli/v2"

	"glance-profile/internal/apply"
	"glance-profile/internal/cloud"
	"glance-profile/internal/image"
	"glance-profile/internal/journal"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/plan"
	"glance-profile/internal/render"
)

// createOptions are the options of `create`, as they stand on the line.
type createOptions struct {
	name            string
	id              string
	file, uri       string
	containerFormat string
	diskFormat      string
	minDisk, minRAM int64 // -1 where not given
	visibility      string
	protected       *bool
	properties      []keyValue
	tags            []string
	project         string
	projectDomain   string
	stores          []string
	useImport       bool
	progress        bool

	osinfo       string
	profiles     []string
	profileFiles []string
	with         []string
	architecture string
	description  string

	ifExists       string
	force          bool
	keepPartial    bool
	explain        bool
	dryRun         bool
	noHardware     bool
	try, kvm       bool
	tryTime        time.Duration
	systems        *osinfo.DB
	printOpenstack bool
	journal        string

	output  render.Options
	global  []string // options for the cloud, without secrets, for --print-openstack
	command string   // the whole line, for the journal
}

type keyValue struct{ key, value string }

// What --if-exists may say.
const (
	existsNew   = "new"   // make another image of that name, as openstack does
	existsSkip  = "skip"  // an equal image is the wanted one
	existsError = "error" // refuse
)

// maxNameLength is the most characters that an image's name or tag may have.
// Source: glance/api/v2/images.py, get_base_properties.
const maxNameLength = 255

var (
	containerFormats = []string{"ami", "ari", "aki", "bare", "docker", "ova", "ovf", "compressed"}
	diskFormats      = []string{"ami", "ari", "aki", "vhd", "vmdk", "raw", "qcow2", "vhdx", "vdi", "iso", "ploop"}
)

func createCommand(env *Env) *cli.Command {
	return &cli.Command{
		Name:      "create",
		Usage:     "upload an image with the right properties",
		ArgsUsage: "NAME",
		Description: "Looks at the image file, puts a profile's properties together with those given, checks all of them,\n" +
			"uploads and verifies. Takes the options of `openstack image create`. Only adds: it never asks.",
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "file", Usage: "upload `FILE`; - is standard input, which is also read when it is a pipe"},
			&cli.StringFlag{Name: "uri", Usage: "let Glance fetch the data from `URI` (import method web-download)"},
			&cli.StringFlag{Name: "osinfo", Usage: "operating system by its libosinfo short `ID`, such as ubuntu24.04 or win2k22"},
			osinfoFlag(),
			&cli.StringSliceFlag{Name: "profile", Usage: "bundle of properties, `NAME` (see profile list) or none; later ones win; default by the operating system: linux-virtio or windows-compat"},
			profileFileFlag(),
			&cli.StringSliceFlag{Name: "with", Usage: "also set the optional `PROPERTY` of a profile"},
			&cli.StringFlag{Name: "architecture", Usage: "processor architecture `NAME`, such as aarch64; default: the profile's"},
			&cli.StringSliceFlag{Name: "property", Usage: "set `KEY=VALUE`; wins over the profile; may be repeated"},
			&cli.StringFlag{Name: "description", Usage: "set the property description to `TEXT`"},
			&cli.StringFlag{Name: "id", Usage: "give the image this `ID`"},
			&cli.StringFlag{Name: "disk-format", Usage: "`FORMAT` of the data: " + list(diskFormats) + "; default: what the file holds"},
			&cli.StringFlag{Name: "container-format", Usage: "`FORMAT` around it: " + list(containerFormats) + "; default: bare"},
			&cli.Int64Flag{Name: "min-disk", Base: 10, Usage: "smallest root disk in `GB`; where it is unset, the virtual size"},
			&cli.Int64Flag{Name: "min-ram", Base: 10, Usage: "smallest memory in `MB`"},
			&cli.BoolFlag{Name: "public", Usage: "visible to all projects"},
			&cli.BoolFlag{Name: "private", Usage: "visible to the owner only"},
			&cli.BoolFlag{Name: "community", Usage: "usable by all projects, listed for the owner only"},
			&cli.BoolFlag{Name: "shared", Usage: "visible to the owner and the members"},
			&cli.BoolFlag{Name: "protected", Usage: "keep the image from being deleted"},
			&cli.BoolFlag{Name: "unprotected", Usage: "let the image be deleted (default)"},
			&cli.StringSliceFlag{Name: "tag", Usage: "set `TAG`; may be repeated"},
			&cli.StringFlag{Name: "project", Usage: "make it an image of `PROJECT`, by name or id"},
			&cli.StringFlag{Name: "project-domain", Usage: "`DOMAIN` of --project, by name or id"},
			&cli.StringSliceFlag{Name: "store", Usage: "put the data into `STORE`; repeated with --import or --uri"},
			&cli.BoolFlag{Name: "import", Usage: "upload to the staging area and import (method glance-direct)"},
			&cli.BoolFlag{Name: "progress", Usage: "draw a progress bar even with -q, if stderr is a terminal"},
			&cli.StringFlag{Name: "if-exists", Value: existsNew, Usage: "what to do where the project has an image of that name, `HOW`: new makes another, skip takes an equal one for done and fails where it differs, error refuses"},
			&cli.BoolFlag{Name: "force", Usage: "override the refusals that say so"},
			&cli.BoolFlag{Name: "keep-partial", Usage: "keep a half-made image when the upload fails"},
			&cli.BoolFlag{Name: "explain", Usage: "say on stderr where each property comes from"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print the plan and send nothing"},
			&cli.BoolFlag{Name: "no-hardware", Usage: "with --dry-run: leave out the virtual machine"},
			&cli.BoolFlag{Name: "try", Usage: "start the image in QEMU on this machine first, as Nova would, and refuse it where it does not boot"},
			&cli.BoolFlag{Name: "kvm", Usage: "with --try: by KVM instead of emulation"},
			&cli.DurationFlag{Name: "try-time", Value: tryDefault, Usage: "with --try: for at most so long, `TIME` such as 90s or 5m"},
			&cli.BoolFlag{Name: "print-openstack", Usage: "print the equal openstack command lines and send nothing"},
			&cli.StringFlag{Name: "journal", Usage: "keep the journal in `PATH`, a file or folder"},
			// Options of the openstack client that are refused by name.
			&cli.StringFlag{Name: "volume", Hidden: true},
			&cli.StringFlag{Name: "sign-key-path", Hidden: true},
			&cli.StringFlag{Name: "sign-cert-id", Hidden: true},
		}, outputFlags(render.KindShow)...),
		Action: func(c *cli.Context) error {
			o, err := readCreateOptions(c, env)
			if err != nil {
				return err
			}
			if o.systems, err = openOsinfo(env, c); err != nil {
				return err
			}
			connect := func(ctx context.Context) (*session, error) { return connect(ctx, c, env) }
			return runCreate(c.Context, env, o, connect)
		},
	}
}

// readCreateOptions reads and checks the line. It does no I/O.
func readCreateOptions(c *cli.Context, env *Env) (createOptions, error) {
	o := createOptions{
		id: c.String("id"), file: c.String("file"), uri: c.String("uri"),
		containerFormat: c.String("container-format"), diskFormat: c.String("disk-format"),
		minDisk: -1, minRAM: -1,
		tags: c.StringSlice("tag"), project: c.String("project"), projectDomain: c.String("project-domain"),
		stores: c.StringSlice("store"), useImport: c.Bool("import"), progress: c.Bool("progress"),
		osinfo: c.String("osinfo"), profiles: c.StringSlice("profile"), profileFiles: c.StringSlice("profile-file"),
		with: c.StringSlice("with"), architecture: c.String("architecture"), description: c.String("description"),
		ifExists: c.String("if-exists"), force: c.Bool("force"), keepPartial: c.Bool("keep-partial"),
		explain: c.Bool("explain"), dryRun: c.Bool("dry-run"), noHardware: c.Bool("no-hardware"),
		try: c.Bool("try"), kvm: c.Bool("kvm"), tryTime: c.Duration("try-time"), printOpenstack: c.Bool("print-openstack"),
		journal: c.String("journal"), command: commandLine(env.Args),
	}
	var err error
	// An empty value is most often a variable of a runbook that was not set.
	for _, name := range []string{"file", "uri", "osinfo", "architecture", "id", "disk-format", "container-format", "project", "project-domain", "journal"} {
		if c.IsSet(name) && c.String(name) == "" {
			return o, usagef("--%s is empty; give it a value or leave it out", name)
		}
	}
	switch {
	case c.IsSet("volume"):
		return o, usagef("--volume makes an image of a Cinder volume, which glance-profile does not do; use: openstack image create --volume %s NAME", shellQuote(c.String("volume")))
	case c.IsSet("sign-key-path"), c.IsSet("sign-cert-id"):
		return o, usagef("glance-profile does not sign images; use: openstack image create --sign-key-path KEY --sign-cert-id ID --file FILE NAME")
	}
	if o.name, err = oneArgument(c, "NAME, the new image's name"); err != nil {
		return o, err
	}
	if o.id != "" {
		if parsed, err := uuid.Parse(o.id); err != nil || parsed.String() != strings.ToLower(o.id) {
			return o, usagef("--id %s: Glance takes a UUID such as %s", render.Quoted(o.id), uuid.Nil)
		}
	}
	for _, bound := range []struct {
		flag string
		to   *int64
	}{{"min-disk", &o.minDisk}, {"min-ram", &o.minRAM}} {
		if !c.IsSet(bound.flag) {
			continue
		}
		if *bound.to, err = readSize(c, bound.flag); err != nil {
			return o, err
		}
	}
	if o.visibility, err = oneOf(c, "public", "private", "community", "shared"); err != nil {
		return o, err
	}
	protection, err := oneOf(c, "protected", "unprotected")
	if err != nil {
		return o, err
	}
	if protection != "" {
		on := protection == "protected"
		o.protected = &on
	}
	if o.properties, err = readProperties(env, c.StringSlice("property")); err != nil {
		return o, err
	}
	if err := o.check(); err != nil {
		return o, err
	}
	if o.output, err = readOutput(c, env, render.KindShow, render.ImageFields()); err != nil {
		return o, err
	}
	if o.dryRun && o.output.Format == render.FormatShell {
		return o, usagef("--format shell prints one object, and a plan is a list of changes; use json, yaml, csv, value or table with --dry-run")
	}
	for _, option := range cloudOptions {
		if c.IsSet(option.flag) && !secretOptions[option.flag] {
			o.global = append(o.global, "--"+option.flag, c.String(option.flag))
		}
	}
	if name := cloud.HandedOver(env.Cloud); name != "" && !c.IsSet("os-cloud") {
		o.global = append(o.global, "--os-cloud", name)
	}
	if c.Bool("insecure") {
		o.global = append(o.global, "--insecure")
	}
	return o, nil
}

// check refuses values and pairs of options that make no sense.
func (o createOptions) check() error {
	switch {
	case !slices.Contains([]string{existsNew, existsSkip, existsError}, o.ifExists):
		return usagef("--if-exists %s: it may be new, skip or error", render.Quoted(o.ifExists))
	case o.containerFormat != "" && !slices.Contains(containerFormats, o.containerFormat):
		return usagef("--container-format %s: it may be %s", render.Quoted(o.containerFormat), list(containerFormats))
	case o.diskFormat != "" && !slices.Contains(diskFormats, o.diskFormat):
		return usagef("--disk-format %s: it may be %s", render.Quoted(o.diskFormat), list(diskFormats))
	case o.file != "" && o.uri != "":
		return usagef("--file and --uri contradict each other: either is the source")
	case o.useImport && o.uri != "":
		return usagef("--import uploads a file and --uri lets Glance fetch one: use either")
	case len(o.stores) > 1 && !o.useImport && o.uri == "":
		return usagef("a direct upload goes to one store; several need --import or --uri")
	case o.projectDomain != "" && o.project == "":
		return usagef("--project-domain goes with --project")
	case slices.Contains(o.profiles, "none") && len(o.profiles) > 1:
		return usagef("--profile none contradicts the other --profile")
	case o.uri != "" && o.ifExists == existsSkip:
		return usagef("--if-exists skip compares the data's hash, which is not known of --uri before the download")
	case utf8.RuneCountInString(o.name) > maxNameLength:
		return usagef("the name has %d characters; Glance takes %d", utf8.RuneCountInString(o.name), maxNameLength)
	case o.dryRun && o.printOpenstack:
		return usagef("--dry-run and --print-openstack contradict each other: both send nothing, and print different things")
	}
	switch {
	case (o.kvm || o.tryTime != tryDefault) && !o.try:
		return usagef("--kvm and --try-time go with --try")
	case o.tryTime < time.Second || o.tryTime > time.Hour:
		return usagef("--try-time %v: from 1s to 1h", o.tryTime)
	}
	for _, tag := range o.tags {
		if err := checkTag("tag", tag); err != nil {
			return err
		}
	}
	return nil
}

// checkTag refuses a tag that Glance would not take.
func checkTag(option, tag string) error {
	if n := utf8.RuneCountInString(tag); n == 0 || n > maxNameLength {
		return usagef("--%s: a tag has from 1 to %d characters", option, maxNameLength)
	}
	return nil
}

// readProperties reads KEY=VALUE pairs. Of a key given twice the last value
// counts, as with openstack, which passes over it in silence.
func readProperties(env *Env, pairs []string) ([]keyValue, error) {
	var properties []keyValue
	for _, pair := range pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, usagef("--property %s: KEY=VALUE is needed", render.Quoted(pair))
		}
		i := slices.IndexFunc(properties, func(p keyValue) bool { return p.key == key })
		if i < 0 {
			properties = append(properties, keyValue{key, value})
			continue
		}
		if earlier := properties[i].value; earlier != value {
			env.warn("--property %s is given twice, as %s and %s: the last one counts", key, render.Quoted(earlier), render.Quoted(value))
		}
		properties[i].value = value
	}
	return properties, nil
}

// runCreate is the road of the command: look at the file, resolve and check the
// properties, plan, then send. Nothing is sent before everything is checked.
func runCreate(ctx context.Context, env *Env, o createOptions, connect func(context.Context) (*session, error)) error {
	in, err := openInput(ctx, env, o)
	if err != nil {
		return err
	}
	defer in.close()
	resolved, err := createProperties(ctx, env, o)
	if err != nil {
		return err
	}
	if o.explain {
		if err := explain(env, resolved); err != nil {
			return err
		}
	}
	_, in.upload.Encrypted = resolved.Properties()["cinder_encryption_key_id"]
	planned := planCreate(o, in, resolved)
	if err := checkCreate(env, o, in, resolved); err != nil {
		return err
	}
	if o.printOpenstack {
		return printOpenstack(env, o, in, planned)
	}
	if o.try {
		if err := tryImage(ctx, env, o, in, planned); err != nil {
			return err
		}
	}
	offline := o.dryRun && o.ifExists == existsNew && o.project == ""
	if offline {
		return printPlan(env, o, planned)
	}
	s, err := connect(ctx)
	if err != nil {
		return err
	}
	defer s.finish()
	s.locate(&planned)
	owner := s.ProjectID
	switch o.project {
	case "":
	case s.ProjectID, s.ProjectName: // known from the token, without asking Keystone
		planned.Changes = append(planned.Changes, plan.Change{Property: "owner", After: owner, Why: "--project " + o.project})
	default:
		if owner, err = s.ProjectIDByName(ctx, o.project, o.projectDomain); err != nil {
			return err
		}
		planned.Changes = append(planned.Changes, plan.Change{Property: "owner", After: owner, Why: "--project " + o.project})
	}
	if done, err := checkExisting(ctx, env, o, s, owner, in, planned); done || err != nil {
		return err
	}
	if err := checkService(ctx, o, s); err != nil {
		return err
	}
	if o.dryRun {
		return printPlan(env, o, planned)
	}
	return upload(ctx, env, o, s, in, planned)
}

// upload makes the image, under a journal, and prints it.
func upload(ctx context.Context, env *Env, o createOptions, s *session, in *input, planned plan.Image) error {
	log, err := openJournal(env, o.journal, "create", o.command)
	if err != nil {
		return fmt.Errorf("nothing was sent: %w", err)
	}
	defer log.Close()
	env.detail("journal: %s", log.Path())
	bar := render.NewProgress(env.Err, env.ErrIsTerminal && in.given() && (o.progress || !env.quiet), in.size(), env.Width, env.Now)
	made, err := makeImage(ctx, env, s, log, bar, apply.Creation{
		Plan: planned, Data: in.data(func() io.Writer { bar.Restart(); return bar }, o.force), Import: o.useImport, URI: o.uri, Stores: o.stores,
		KeepPartial: o.keepPartial, FixedID: o.id != "",
	})
	if err != nil {
		return err
	}
	if err := printImage(env, o, made); err != nil {
		return fmt.Errorf("image %s (%s) was made, but cannot be printed: %w", made.ID, made.Name, err)
	}
	return nil
}

// makeImage carries a creation out and tells what there is to tell of it.
func makeImage(ctx context.Context, env *Env, s *session, log *journal.Journal, bar *render.Progress, job apply.Creation) (image.Image, error) {
	creator := apply.Creator{
		Glance: s.glance, Recorder: log, Wait: apply.Sleep, NewID: uuid.NewString,
		Notify: func(format string, args ...any) { bar.Clear(); env.warn(format, args...) },
	}
	out, err := creator.Create(ctx, job)
	bar.Done()
	for _, note := range out.Notes {
		env.note("%s", note)
	}
	if err != nil {
		return image.Image{}, explainUpload(err, job)
	}
	return out.Image, nil
}

// printImage prints the image as Glance holds it.
func printImage(env *Env, o createOptions, img image.Image) error {
	return asUsage(render.Show(env.Out, render.ImageRecord(img), o.output))
}

// readSize returns the value of --min-disk or --min-ram, which Glance keeps in
// 32 bits.
func readSize(c *cli.Context, flag string) (int64, error) {
	n := c.Int64(flag)
	if n < 0 || n > 1<<31-1 {
		return 0, usagef("--%s %d: a number from 0 to 2147483647 is needed", flag, n)
	}
	return n, nil
}

// oneArgument returns the only argument of a command.
func oneArgument(c *cli.Context, what string) (string, error) {
	if strings.Contains(what, ",") {
		what += "," // the end of an apposition
	}
	switch args := c.Args().Slice(); len(args) {
	case 0:
		return "", usagef("%s is missing; see %s --help", what, c.Command.HelpName)
	case 1:
		if strings.TrimSpace(args[0]) == "" {
			return "", usagef("%s is empty", what)
		}
		return args[0], nil
	default:
		return "", usagef("too many arguments: %s", strings.Join(quoteAll(args[1:]), " "))
	}
}

func quoteAll(words []string) []string {
	quoted := make([]string, len(words))
	for i, word := range words {
		quoted[i] = render.Quoted(word)
	}
	return quoted
}

// oneOf returns which of some flags that exclude each other is set, if any.
func oneOf(c *cli.Context, names ...string) (string, error) {
	found := ""
	for _, name := range names {
		if !c.Bool(name) {
			continue
		}
		if found != "" {
			return "", usagef("--%s and --%s contradict each other", found, name)
		}
		found = name
	}
	return found, nil
}
