package commands

import (
	"strings"

	"github.com/urfave/cli/v2"
)

// Example is a line to learn a command by.
type Example struct {
	What string // what it is for, or what happens
	Line string // as it is typed in a shell
}

// examples are shown by each command's help and by its manual page, by the path
// of the command; "" is the program itself.
var examples = map[string][]Example{
	"": {
		{"upload an image with what a guest with VirtIO drivers wants", "glance-profile --os-cloud prod create --osinfo ubuntu24.04 --file noble.img ubuntu-24.04"},
		{"look for what is wrong with the images of a cloud", "glance-profile --os-cloud prod audit"},
		{"see what a change would do, then make it", "glance-profile --os-cloud prod apply ubuntu-24.04 --profile linux-virtio --dry-run"},
		{"take the last change back", "glance-profile --os-cloud prod rollback --last"},
	},
	"create": {
		{"a cloud image; the operating system chooses the profile", "glance-profile create --osinfo ubuntu24.04 --file noble.img ubuntu-24.04"},
		{"what would be sent, and where each property comes from", "glance-profile create --osinfo debian12 --file debian-12.qcow2 debian-12 --dry-run --explain"},
		{"Windows with the drivers in it, and an optional property of the profile", "glance-profile create --osinfo win2k22 --profile windows-virtio --with hw_qemu_guest_agent --file win2022.qcow2 win2022"},
		{"in a runbook that may run twice: print the id", "glance-profile create --osinfo debian12 --file debian-12.qcow2 --if-exists skip -f value -c id debian-12"},
	},
	"apply": {
		{"what would change", "glance-profile apply ubuntu-24.04 --profile linux-virtio --dry-run"},
		{"fill in what is missing, in all images of Debian without a disk bus", "glance-profile apply --profile linux-virtio --only-missing --where os_distro=debian --where 'not hw_disk_bus'"},
		{"single values, without a question", "glance-profile apply ubuntu-24.04 --property hw_vif_multiqueue_enabled=true --tag reviewed --yes"},
		{"a plan that somebody has looked at in between", "glance-profile apply --mine --profile linux-virtio --out plan.json && glance-profile apply --plan plan.json"},
	},
	"migrate-virtio": {
		{"what would change in an image", "glance-profile migrate-virtio windows-2019-snapshot --dry-run"},
		{"once the drivers are in; what the snapshot kept of its server goes too", "glance-profile migrate-virtio windows-2019-snapshot --drivers-installed --remove-leftovers"},
		{"leave a published image as it is, and put a migrated one in its place", "glance-profile migrate-virtio windows-2019 --drivers-installed --to-new windows-2019-virtio --hide-old"},
	},
	"normalize": {
		{"what would change in the whole catalog", "glance-profile normalize --all --dry-run"},
		{"one property at a time", "glance-profile normalize --all --only os_distro"},
		{"words of your own", "glance-profile normalize --all --map our-names.yaml --dry-run"},
		{"without a cloud", "openstack image show -f json IMAGE | glance-profile normalize --from -"},
	},
	"audit": {
		{"all images that a plain listing shows", "glance-profile --os-cloud prod audit"},
		{"before images are published: any warning fails", "glance-profile audit --policy strict debian-12"},
		{"a report for code scanning", "glance-profile audit -f sarif > audit.sarif"},
		{"mend what one rule finds; the plan first", "glance-profile audit --fix os-type-case --dry-run"},
	},
	"audit rules": {
		{"the rules that count, with their severities", "glance-profile audit rules"},
		{"those of a policy", "glance-profile audit rules --policy scs-0102"},
	},
	"audit explain": {
		{"why there is a rule, and what mends it", "glance-profile audit explain secure-boot-needs-uefi"},
		{"a demand of a policy", "glance-profile audit explain scs-0102-prop-min_disk --policy scs-0102"},
	},
	"audit policy": {
		{"begin a policy of your own", "glance-profile audit policy strict > our-policy.yaml"},
		{"read what a policy demands", "glance-profile audit policy scs-0102"},
	},
	"rollback": {
		{"what taking back the last run would do", "glance-profile rollback --last --dry-run"},
		{"take it back", "glance-profile rollback --last"},
		{"all runs that a journal is kept of", "glance-profile rollback --list"},
		{"what one of them did", "glance-profile rollback --show JOURNAL"},
	},
	"hardware": {
		{"the machine of an image", "glance-profile hardware windows-2019"},
		{"of a profile, without an image or a cloud", "glance-profile hardware --profile windows-virtio --osinfo win2k19"},
		{"why hosts of another kind would refuse it", "glance-profile hardware --profile windows-compat --machine-type x86_64=q35"},
		{"try a disk image on the same devices", "glance-profile hardware noble.img --osinfo ubuntu24.04 --qemu"},
	},
	"inspect": {
		{"what is inside a file, before it is uploaded", "glance-profile inspect noble.img"},
		{"an image in the cloud, as data", "glance-profile inspect ubuntu-24.04 -f json"},
	},
	"profile": {
		{"the profiles there are", "glance-profile profile list"},
		{"what one sets, and why", "glance-profile profile show linux-virtio"},
	},
	"profile list": {
		{"the profiles there are", "glance-profile profile list"},
		{"their names, for a script", "glance-profile profile list -f value -c Name"},
	},
	"profile show": {
		{"what a profile sets, and why", "glance-profile profile show windows-compat"},
		{"its properties as data", "glance-profile profile show windows-compat -f json -c properties"},
	},
	"profile validate": {
		{"before a file goes into the folder of profiles", "glance-profile profile validate our-linux.yaml"},
		{"one that extends another that is not there yet", "glance-profile profile validate --profile-file our-base.yaml our-linux.yaml"},
	},
	"property": {
		{"the properties of virtual hardware", "glance-profile property list 'hw_*'"},
		{"everything on one of them", "glance-profile property show hw_disk_bus"},
	},
	"property list": {
		{"the properties of virtual hardware", "glance-profile property list 'hw_*'"},
		{"what is called anything like scsi, all columns", "glance-profile property list scsi --long"},
		{"what Windows guests should have, as data", "glance-profile property list -f json -c name -c windows"},
	},
	"property show": {
		{"values, default, advice and pitfalls", "glance-profile property show hw_disk_bus"},
		{"one of many traits", "glance-profile property show trait:HW_CPU_X86_AVX2"},
	},
	"os": {
		{"the systems of a distribution", "glance-profile os list debian"},
		{"everything on one of them", "glance-profile os show ubuntu24.04"},
	},
	"os list": {
		{"the systems of a distribution", "glance-profile os list debian"},
		{"by a glob", "glance-profile os list 'ubuntu2?.04'"},
		{"short ids for a script", "glance-profile os list win -f value -c short_id"},
	},
	"os show": {
		{"by short id", "glance-profile os show win2k22"},
		{"by code name", "glance-profile os show noble"},
	},
	"sandbox": {
		{"a cloud to rehearse on, until Ctrl-C", "glance-profile sandbox --clouds-file sandbox.yaml"},
		{"in another terminal", "OS_CLIENT_CONFIG_FILE=sandbox.yaml glance-profile --os-cloud sandbox-member audit"},
		{"with the images of a saved listing", "glance-profile sandbox --clouds-file sandbox.yaml --seed listing.json"},
	},
	"completion": {
		{"for this shell and this time", "source <(glance-profile completion bash)"},
		{"for fish, from now on", "glance-profile completion fish > ~/.config/fish/completions/glance-profile.fish"},
	},
}

// teach puts the examples at the end of the help of the program and of every
// command.
func teach(app *cli.App) {
	app.CustomAppHelpTemplate = cli.AppHelpTemplate + exampleHelp("")
	var each func(commands []*cli.Command, above string)
	each = func(commands []*cli.Command, above string) {
		for _, c := range commands {
			path := strings.TrimSpace(above + " " + c.Name)
			template := cli.CommandHelpTemplate
			if len(c.Subcommands) > 0 {
				template = cli.SubcommandHelpTemplate
			}
			c.CustomHelpTemplate = template + exampleHelp(path)
			each(c.Subcommands, path)
		}
	}
	each(app.Commands, "")
}

func exampleHelp(path string) string {
	var b strings.Builder
	for i, e := range examples[path] {
		if i == 0 {
			b.WriteString("\nEXAMPLES:\n")
		}
		b.WriteString("   # " + e.What + "\n   " + e.Line + "\n")
	}
	return b.String()
}
