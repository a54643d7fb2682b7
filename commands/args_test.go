package commands

import (
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func testApp() *cli.App {
	return newApp(&Env{Version: "test"})
}

func TestArrange(t *testing.T) {
	for line, want := range map[string]string{
		"create NAME --dry-run":                     "create --dry-run -- NAME",
		"create NAME --dry-run --os-cloud c -v":     "--os-cloud=c -v create --dry-run -- NAME",
		"-vv --os-cloud=c create --file f NAME":     "-v -v --os-cloud=c create --file=f -- NAME",
		"create -fjson NAME":                        "create -f=json -- NAME",
		"create -f=json -c id -c name NAME":         "create -f=json -c=id -c=name -- NAME",
		"create --prop k=v NAME":                    "create --property=k=v -- NAME",
		"create --property k=--v NAME":              "create --property=k=--v -- NAME",
		"create --property=--k=v NAME":              "create --property=--k=v -- NAME",
		"create --file - NAME":                      "create --file=- -- NAME",
		"create --min-disk -1 NAME":                 "create --min-disk=-1 -- NAME",
		"create -- --dry-run":                       "create -- --dry-run",
		"create help":                               "create -- help",
		"profile show create":                       "profile show -- create",
		"audit rules":                               "audit rules --",
		"audit -- rules":                            "audit -- rules",
		"audit --fix -- IMAGE":                      "audit --fix= -- IMAGE",
		"create --help":                             "create --help --",
		"create NAME --file f --version":            "--version",
		"create --property hw_numa_cpus.0=1,2 NAME": "create --property=hw_numa_cpus.0=1,2 -- NAME",
		"create --os-tenant-name p NAME":            "--os-tenant-name=p create -- NAME",
		"create --generate-bash-completion":         "error: unknown option --generate-bash-completion",
		"create NAME --typo":                        "error: unknown option --typo",
		"create NAME -x":                            "error: unknown option -x",
		"--dry-run create NAME":                     "error: unknown option --dry-run",
		"create --file":                             "error: option --file needs a value",
		"create --file --dry-run":                   "error: option --file needs a value",
		"create --dry-run=yes NAME":                 "error: option --dry-run takes no value",
		"create --pro x NAME":                       "error: ambiguous option --pro",
		"nothing":                                   `error: no command "nothing"; after glance-profile there`,
		"profile nothing":                           `error: no command "nothing"; after glance-profile profile there`,
	} {
		got, err := arrange(testApp(), strings.Fields(line))
		text := strings.Join(got, " ")
		if err != nil {
			text = "error: " + err.Error()
		}
		if text != want && !(err != nil && strings.HasPrefix(text, want)) {
			t.Errorf("%s\n got %s\nwant %s", line, text, want)
		}
	}
}

// In the openstack client's plugin these commands stand beside the client's own
// global options; argparse calls an option ambiguous that begins one of them.
// The list is that of `openstack --help`, client 7.4.
func TestNoOptionBeginsAGlobalOptionOfOpenstack(t *testing.T) {
	var globals []string
	for _, option := range cloudOptions {
		globals = append(globals, option.flag)
	}
	globals = append(globals, "version", "verbose", "log-file", "quiet", "help", "debug", "verify", "insecure", "timing",
		"os-beta-command", "os-profile", "os-compute-api-version", "os-network-api-version", "os-volume-api-version",
		"os-object-api-version", "os-project-domain-id", "os-auth-methods", "os-passcode", "os-protocol",
		"os-identity-provider", "os-client-id", "os-client-secret", "os-discovery-endpoint", "os-access-token")
	var check func(commands []*cli.Command)
	check = func(commands []*cli.Command) {
		for _, command := range commands {
			for _, flag := range command.Flags {
				for _, name := range flag.Names() {
					for _, global := range globals {
						if len(name) > 1 && strings.HasPrefix(global, name) {
							t.Errorf("%s --%s is a beginning of --%s", command.Name, name, global)
						}
					}
				}
			}
			check(command.Subcommands)
		}
	}
	check(testApp().Commands)
}

func TestCommandLineHoldsNoSecret(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"create", "a b", "--os-password", "s3cret"}, "glance-profile create 'a b' --os-password '***'"},
		{[]string{"--os-password=s3cret", "create", "it's"}, `glance-profile '--os-password=***' create 'it'\''s'`},
		{[]string{"--os-pass", "s3cret"}, "glance-profile --os-pass '***'"},
		{[]string{"--os-token=s3cret"}, "glance-profile '--os-token=***'"},
		{[]string{"--os-application-credential-secret", "s3cret"}, "glance-profile --os-application-credential-secret '***'"},
		{[]string{"--uri", "http://user:s3cret@host/x?token=s3cret"}, "glance-profile --uri 'http://***@host/x?***'"},
		{[]string{"--uri=https://host/x.qcow2"}, "glance-profile --uri=https://host/x.qcow2"},
		{[]string{"--os-auth-url=http://u:s3cret@h/v3"}, "glance-profile '--os-auth-url=http://***@h/v3'"},
	} {
		got := commandLine(tt.args)
		if got != tt.want || strings.Contains(got, "s3cret") {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}
