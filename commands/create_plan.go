package commands

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"

	"glance-profile/internal/apply"
	"glance-profile/internal/audit"
	"glance-profile/internal/diskimage"
	"glance-profile/internal/glance"
	"glance-profile/internal/hardware"
	"glance-profile/internal/image"
	"glance-profile/internal/osinfo"
	"glance-profile/internal/plan"
	"glance-profile/internal/property"
	"glance-profile/internal/render"
	"glance-profile/profiles"
)

// createProperties puts the layers of properties together: what the operating
// system says, the profiles, the single values.
func createProperties(ctx context.Context, env *Env, o createOptions) (profiles.Resolution, error) {
	set, err := loadProfiles(ctx, env, o.profileFiles)
	if err != nil {
		return profiles.Resolution{}, err
	}
	request := profiles.Request{With: o.with, Architecture: o.architecture, Force: o.force}
	for _, p := range o.properties {
		request.Properties = append(request.Properties, profiles.Property{Name: p.key, Value: p.value})
	}
	if o.description != "" {
		request.Properties = append(request.Properties, profiles.Property{Name: "description", Value: o.description})
	}
	if o.osinfo != "" {
		os, ok := o.systems.Lookup(o.osinfo)
		if !ok {
			return profiles.Resolution{}, unknownOS(o.systems, o.osinfo)
		}
		request.Guest = &profiles.Guest{
			Layer: "--osinfo " + o.osinfo, Source: "osinfo-db " + o.systems.Release(),
			Distro: os.Distro, Version: os.Version, Type: os.Type,
		}
	}
	switch {
	case slices.Equal(o.profiles, []string{profiles.None}):
	case len(o.profiles) > 0:
		request.Profiles = o.profiles
	default:
		name, err := defaultProfile(env, set, o, request.Guest)
		if err != nil {
			return profiles.Resolution{}, err
		}
		if name != "" {
			request.Profiles = []string{name}
		}
	}
	resolved, err := set.Resolve(request)
	if err != nil {
		return resolved, usagef("%v", err)
	}
	for _, note := range resolved.Notes {
		env.note("%s", note)
	}
	adviseProfile(env, o, request, resolved.Properties())
	return resolved, nil
}

// adviseProfile points to profiles that the line seems to want.
func adviseProfile(env *Env, o createOptions, request profiles.Request, properties map[string]string) {
	_, disk := properties["hw_disk_bus"]
	_, card := properties["hw_vif_model"]
	switch _, bare := properties["img_type"]; {
	case len(o.profiles) > 0 && len(request.Profiles) > 0 && !disk && !card && !bare:
		chosen, base := strings.Join(o.profiles, " --profile "), "linux-virtio"
		if properties["os_type"] == "windows" {
			base = "windows-uefi-compat"
		}
		env.warn("--profile %s sets neither disk bus nor network card; put it on top of another profile, such as --profile %s --profile %s", chosen, base, chosen)
	case len(o.profiles) == 0 && properties["os_distro"] == "windows" && properties["os_version"] == "11":
		env.note("Windows 11 asks for UEFI, Secure Boot and a TPM: --profile windows-secure-boot --profile tpm")
	case len(o.profiles) == 0 && properties["os_type"] == "linux" && properties["architecture"] == "aarch64":
		env.note("for 64-bit ARM there is --profile aarch64-virtio, which also sets machine type and firmware")
	}
}

// loadProfiles reads the embedded profiles, the user's own and the files given.
func loadProfiles(ctx context.Context, env *Env, files []string) (*profiles.Set, error) {
	var dirs []string
	if dir := env.profileDir(); dir != "" {
		dirs = append(dirs, dir)
	}
	set, notices, err := profiles.Load(ctx, dirs, files)
	for _, notice := range notices {
		env.note("%s", notice)
	}
	if err != nil && ctx.Err() == nil {
		return nil, usagef("%v", err)
	}
	return set, err
}

// unknownOS explains an --osinfo that is in no release of osinfo-db.
func unknownOS(systems *osinfo.DB, id string) error {
	if near := systems.Suggest(id, 3); len(near) > 0 {
		return usagef("--osinfo %s: no such short id of libosinfo; near ones: %s", render.Quoted(id), strings.Join(near, ", "))
	}
	return usagef("--osinfo %s: no such short id of libosinfo; examples: ubuntu24.04, debian12, rocky9, win2k22", render.Quoted(id))
}

// defaultProfile chooses a profile by the operating system, as far as the line
// says which it is. "" is none.
func defaultProfile(env *Env, set *profiles.Set, o createOptions, guest *profiles.Guest) (string, error) {
	osType := ""
	if guest != nil {
		if osType = guest.Type; osType == "" {
			return "", usagef("--osinfo %s is neither Linux nor Windows, so no profile suits it by itself; add --profile NAME (see glance-profile profile list) or --profile none", o.osinfo)
		}
	} else {
		for _, p := range o.properties {
			switch p.key {
			case "os_type":
				osType = strings.ToLower(p.value)
			case "os_distro":
				if osType == "" {
					osType = typeOfDistro(o.systems, p.value)
				}
			}
		}
	}
	if name := set.DefaultFor(osType); name != "" {
		return name, nil
	}
	env.note("the operating system is not known, so the properties are those given and no others; say which it is with --osinfo ID (such as ubuntu24.04 or win2k22) or --profile NAME, or say --profile none to have it so")
	return "", nil
}

// typeOfDistro returns the os_type that goes with an os_distro, in Glance's words
// or as a short id of libosinfo; "" where none is known.
func typeOfDistro(systems *osinfo.DB, distro string) string {
	for os := range systems.All() {
		if distro != "" && (os.Distro == distro || os.ShortID == distro) {
			return os.Type
		}
	}
	return ""
}

// planCreate is the plan of the new image: base fields, then properties.
func planCreate(o createOptions, in *input, resolved profiles.Resolution) plan.Image {
	planned := plan.Image{Action: plan.ActionCreate, ID: o.id, Name: o.name}
	if planned.ID == "" {
		planned.ID = uuid.NewString()
	}
	set := func(name string, value any, why string) {
		planned.Changes = append(planned.Changes, plan.Change{Property: name, After: value, Why: why})
	}
	set("name", o.name, "the name given")
	format, why := in.diskFormat(o)
	set("disk_format", format, why)
	if o.containerFormat != "" {
		set("container_format", o.containerFormat, "--container-format")
	} else {
		set("container_format", "bare", "default")
	}
	switch minDisk := in.minDisk(o); {
	case o.minDisk >= 0:
		set("min_disk", o.minDisk, "--min-disk")
	case minDisk > 0:
		set("min_disk", minDisk, fmt.Sprintf("virtual size of %d bytes", in.info.VirtualSize))
	}
	if o.minRAM >= 0 {
		set("min_ram", o.minRAM, "--min-ram")
	}
	if o.visibility != "" {
		set("visibility", o.visibility, "--"+o.visibility)
	}
	if o.protected != nil {
		set("protected", *o.protected, map[bool]string{true: "--protected", false: "--unprotected"}[*o.protected])
	}
	if len(o.tags) > 0 {
		tags := slices.Compact(slices.Sorted(slices.Values(o.tags)))
		set("tags", tags, "--tag")
	}
	for _, v := range resolved.Values {
		set(v.Property, v.Value, v.Layer)
	}
	return planned
}

// checkCreate refuses what Glance or Nova would refuse, and what would fail
// later. Each finding is one line; nothing has been sent.
func checkCreate(env *Env, o createOptions, in *input, resolved profiles.Resolution) error {
	properties := resolved.Properties()
	problems := in.judge()
	candidate := image.Image{Name: o.name, ContainerFormat: o.containerFormat, MinDisk: max(o.minDisk, 0), Properties: properties}
	candidate.DiskFormat, _ = in.diskFormat(o)
	findings := audit.New(audit.Options{DB: o.systems, Now: env.Now()}).Image(candidate)
	var refusals []string
	for _, f := range findings {
		line := render.FindingLine(f)
		if f.Property != "" {
			line = "property " + line
		}
		switch {
		case f.Severity < property.Warning:
			env.detail("%s", line)
		case f.Severity == property.Warning:
			env.warn("%s", line)
		case f.RejectedBy != audit.ByGlance && o.force:
			env.warn("%s (passed over by --force)", line)
		case f.RejectedBy != audit.ByGlance:
			refusals = append(refusals, line+"; --force overrides")
		default:
			refusals = append(refusals, line)
		}
	}
	for _, p := range problems {
		line := p.Message
		if p.Hint != "" {
			line += "; " + p.Hint
		}
		switch {
		case p.Severity == diskimage.Warning:
			env.warn("%s: %s", in.name(), line)
		case p.Severity == diskimage.Forceable && o.force:
			env.warn("%s: %s (passed over by --force)", in.name(), line)
		case p.Severity == diskimage.Forceable:
			refusals = append(refusals, in.name()+": "+line+"; --force overrides")
		default:
			refusals = append(refusals, in.name()+": "+line)
		}
	}
	if o.minDisk >= 0 && in.minDisk(o) > o.minDisk {
		env.warn("--min-disk %d is less than the virtual size of %d GiB: servers of flavors between the two fail after the download", o.minDisk, in.minDisk(o))
	}
	switch len(refusals) {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s; nothing was sent", refusals[0])
	}
	for _, line := range refusals {
		env.fail(errors.New(line))
	}
	return fmt.Errorf("image %s is refused for the %d reasons above; nothing was sent", render.Quoted(o.name), len(refusals))
}

// checkService refuses what this Glance is not set up for before anything is
// made: an import method, a store.
func checkService(ctx context.Context, o createOptions, s *session) error {
	wanted := glance.ImportMethod("")
	switch {
	case o.uri != "":
		wanted = glance.ImportDownload
	case o.useImport:
		wanted = glance.ImportDirect
	}
	if wanted != "" {
		methods, err := s.glance.ImportMethods(ctx)
		if err != nil {
			return fmt.Errorf("list the import methods: %w", err)
		}
		if !slices.Contains(methods, string(wanted)) {
			return fmt.Errorf("this Glance does not have the import method %s switched on; it has: %s", wanted, list(methods))
		}
	}
	if len(o.stores) == 0 {
		return nil
	}
	stores, err := s.glance.Stores(ctx)
	if glance.Status(err) == http.StatusNotFound {
		return fmt.Errorf("--store %s: this Glance is not set up with several stores; leave the option out", o.stores[0])
	}
	if err != nil {
		return fmt.Errorf("list the stores: %w", err)
	}
	var ids []string
	for _, store := range stores {
		ids = append(ids, store.ID)
	}
	for _, wanted := range o.stores {
		if !slices.Contains(ids, wanted) {
			return fmt.Errorf("--store %s: no such store; there are: %s", render.Quoted(wanted), strings.Join(ids, ", "))
		}
	}
	return nil
}

// printPlan prints what would be made: text for people, or the plan as data.
func printPlan(env *Env, o createOptions, planned plan.Image) error {
	p := plan.Plan{Version: plan.Version, Command: o.command, Images: []plan.Image{planned}}
	if o.output.Format == render.FormatTable || o.output.Format == "" {
		var machine [][]string
		if !o.noHardware {
			machine = [][]string{{hardware.Summary(hardware.Build(plan.After(image.Image{}, planned), hardware.Options{}))}}
		}
		return render.PlanText(env.Out, p, machine, env.colour())
	}
	return asUsage(render.PlanData(env.Out, p, o.output))
}

// explain says on stderr where each property comes from and what it replaced.
func explain(env *Env, resolved profiles.Resolution) error {
	var rows [][]any
	for _, v := range resolved.Values {
		from := v.Layer
		for _, o := range v.Overridden {
			if o.Value == v.Value {
				continue
			}
			from += fmt.Sprintf("; instead of %s from %s", o.Value, o.Layer)
		}
		rows = append(rows, []any{v.Property, v.Value, from, v.Source})
	}
	return render.List(env.messages(), []string{"Property", "Value", "From", "Source"}, rows,
		render.Options{Terminal: env.ErrIsTerminal, Width: env.Width, FitWidth: env.ErrIsTerminal})
}

// explainUpload adds to Glance's refusal what to do about it.
func explainUpload(err error, job apply.Creation) error {
	hint := ""
	switch glance.Status(err) {
	case http.StatusForbidden:
		hint = "the cloud's policy or a quota does not allow it to this user and project"
		if slices.ContainsFunc(job.Plan.Changes, func(c plan.Change) bool { return c.Property == "visibility" && c.After == "public" }) {
			hint = "public images are for administrators on most clouds: leave --public out, or use --community or --shared"
		}
	case http.StatusConflict:
		hint = "something else is changing the image"
		if job.FixedID {
			hint = "the id is in use, or was: leave --id out"
		}
	case http.StatusRequestEntityTooLarge:
		hint = "a quota or the store is full, or there are too many properties or tags: delete images, or ask for more"
	case http.StatusServiceUnavailable:
		hint = "the store is not available: try again later, or another --store"
	}
	if hint == "" {
		return err
	}
	return fmt.Errorf("%w; %s", err, hint)
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// show writes a plan's value for people.
func show(v any) string {
	switch v := v.(type) {
	case nil:
		return "unset"
	case string:
		return render.Quoted(v)
	case []string:
		if len(v) == 0 {
			return "unset"
		}
		return strings.Join(v, ",")
	}
	return fmt.Sprint(v)
}

func list(words []string) string { return strings.Join(words, ", ") }
