package commands

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"glance-profile/internal/cloud"
)

// Option categories, which the help and the man pages show as headings.
const (
	categoryCloud  = "Cloud and credentials"
	categoryOutput = "Output"
)

// globalFlags are the options that stand anywhere on any line, with the names
// that the openstack client gives them.
func globalFlags() []cli.Flag {
	flags := []cli.Flag{
		&cli.BoolFlag{Name: "version", Usage: "print the version"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "tell each step", Count: new(int)},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print no notes, only warnings and errors"},
		&cli.BoolFlag{Name: "debug", Usage: "show the requests sent and the answers, without secrets"},
		&cli.BoolFlag{Name: "timing", Usage: "print the time of each request at the end"},
		&cli.StringFlag{Name: "log-file", Usage: "also write messages to `FILE`"},
		&cli.BoolFlag{Name: "insecure", Usage: "do not check TLS certificates", Category: categoryCloud},
		&cli.BoolFlag{Name: "verify", Usage: "check TLS certificates (default)", Category: categoryCloud},
	}
	for _, option := range cloudOptions {
		flag := &cli.StringFlag{Name: option.flag, Usage: option.usage, Category: categoryCloud}
		// The client's older names for the same.
		if old, ok := strings.CutPrefix(option.flag, "os-project-"); ok && (old == "name" || old == "id") {
			flag.Aliases = []string{"os-tenant-" + old}
		}
		flags = append(flags, flag)
	}
	return flags
}

// cloudOptions are the --os-* options, each with where it goes.
var cloudOptions = []struct {
	flag, usage string
	field       func(*cloud.Options) *string
}{
	{"os-cloud", "use the cloud `NAME` of clouds.yaml", func(o *cloud.Options) *string { return &o.Cloud }},
	{"os-region-name", "region `NAME`", func(o *cloud.Options) *string { return &o.RegionName }},
	{"os-interface", "endpoint to use: public, internal or admin", func(o *cloud.Options) *string { return &o.Interface }},
	{"os-auth-type", "how to authenticate: password, token, v3applicationcredential …", func(o *cloud.Options) *string { return &o.AuthType }},
	{"os-auth-url", "address of Keystone", func(o *cloud.Options) *string { return &o.AuthURL }},
	{"os-username", "user, by name", func(o *cloud.Options) *string { return &o.Username }},
	{"os-user-id", "user, by id", func(o *cloud.Options) *string { return &o.UserID }},
	{"os-password", "user's password", func(o *cloud.Options) *string { return &o.Password }},
	{"os-user-domain-name", "user's domain, by name", func(o *cloud.Options) *string { return &o.UserDomainName }},
	{"os-user-domain-id", "user's domain, by id", func(o *cloud.Options) *string { return &o.UserDomainID }},
	{"os-project-name", "project, by name", func(o *cloud.Options) *string { return &o.ProjectName }},
	{"os-project-id", "project, by id", func(o *cloud.Options) *string { return &o.ProjectID }},
	{"os-project-domain-name", "project's domain, by name", func(o *cloud.Options) *string { return &o.ProjectDomainName }},
	{"os-project-domain-id", "project's domain, by id", func(o *cloud.Options) *string { return &o.ProjectDomainID }},
	{"os-domain-name", "domain scope, by name", func(o *cloud.Options) *string { return &o.DomainName }},
	{"os-domain-id", "domain scope, by id", func(o *cloud.Options) *string { return &o.DomainID }},
	{"os-system-scope", "system scope: all", func(o *cloud.Options) *string { return &o.SystemScope }},
	{"os-default-domain", "domain where none is named, by id", func(o *cloud.Options) *string { return &o.DefaultDomain }},
	{"os-default-domain-name", "user's and project's domain where none is named, by name", func(o *cloud.Options) *string { return &o.DefaultDomainName }},
	{"os-default-domain-id", "user's and project's domain where none is named, by id", func(o *cloud.Options) *string { return &o.DefaultDomainID }},
	{"os-token", "token", func(o *cloud.Options) *string { return &o.Token }},
	{"os-application-credential-id", "application credential, by id", func(o *cloud.Options) *string { return &o.ApplicationCredentialID }},
	{"os-application-credential-name", "application credential, by name", func(o *cloud.Options) *string { return &o.ApplicationCredentialName }},
	{"os-application-credential-secret", "application credential's secret", func(o *cloud.Options) *string { return &o.ApplicationCredentialSecret }},
	{"os-cacert", "trusted CA certificates, a `FILE`", func(o *cloud.Options) *string { return &o.CACert }},
	{"os-cert", "client certificate, a `FILE`", func(o *cloud.Options) *string { return &o.Cert }},
	{"os-key", "client certificate's key, a `FILE`", func(o *cloud.Options) *string { return &o.Key }},
	{"os-trust-id", "trust, by id", func(o *cloud.Options) *string { return &o.TrustID }},
	{"os-endpoint", "image endpoint for the types admin_token and none", func(o *cloud.Options) *string { return &o.Endpoint }},
	{"os-identity-api-version", "version of Keystone's API", func(o *cloud.Options) *string { return &o.IdentityAPIVersion }},
	{"os-image-api-version", "version of Glance's API", func(o *cloud.Options) *string { return &o.ImageAPIVersion }},
}

// secretOptions are those whose values are kept out of the journal.
var secretOptions = map[string]bool{
	"os-password": true, "os-token": true, "os-application-credential-secret": true,
}

// commandLine writes the arguments as a person could type them again, without
// the values of secret options.
func commandLine(args []string) string {
	words := make([]string, 0, len(args)+1)
	words = append(words, "glance-profile")
	hide := false
	for _, arg := range args {
		name, _, given := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		secret := strings.HasPrefix(arg, "--") && isSecret(name)
		switch {
		case hide:
			arg = "***"
		case secret && given:
			arg = "--" + name + "=***"
		}
		hide = secret && !given
		words = append(words, shellQuote(withoutCredentials(arg)))
	}
	return strings.Join(words, " ")
}

// address finds what may carry credentials in an address: user and password
// before the host, and a query, which signed addresses have.
var address = regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*://)([^/?#\s]*@)?([^?#\s]*)(\?[^#\s]*)?`)

// withoutCredentials takes those out of the addresses in a text.
func withoutCredentials(text string) string {
	return address.ReplaceAllStringFunc(text, func(found string) string {
		parts := address.FindStringSubmatch(found)
		if parts[2] != "" {
			parts[2] = "***@"
		}
		if parts[4] != "" {
			parts[4] = "?***"
		}
		return parts[1] + parts[2] + parts[3] + parts[4]
	})
}

// isSecret reports whether an option, or an unambiguous beginning of one,
// names a secret. Too much hidden is better than too little.
func isSecret(name string) bool {
	for option := range secretOptions {
		if len(name) > len("os-") && strings.HasPrefix(option, name) {
			return true
		}
	}
	return false
}

// shellQuote writes a word so that a shell reads it back as it is: a POSIX one,
// but where it holds control characters, which no terminal is to see.
func shellQuote(word string) string {
	if strings.ContainsFunc(word, unicode.IsControl) || !utf8.ValidString(word) {
		var b strings.Builder
		for i := range len(word) {
			switch c := word[i]; {
			case c == '\'' || c == '\\':
				b.WriteString("\\" + string(c))
			case c < ' ' || c >= 0x7f:
				fmt.Fprintf(&b, "\\x%02x", c)
			default:
				b.WriteByte(c)
			}
		}
		return "$'" + b.String() + "'"
	}
	plain := word != "" && strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%") == ""
	if plain {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
