package cloud

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/utils/v2/openstack/clientconfig"
)

// ConnectOptions say how requests are made, not where to.
type ConnectOptions struct {
	// UserAgent goes before gophercloud's own, as in "glance-profile/1.2.0".
	UserAgent string
	// Debug, if set, gets a log of all requests and answers, without secrets.
	Debug io.Writer
	// Timing, if set, is told of each request and how long its answer took to
	// begin. It is never called twice at once.
	Timing func(method, url string, d time.Duration)
	// AskPassword, if set, is asked where a password is required and none is
	// configured.
	AskPassword func(prompt string) (string, error)
}

// Session is a login at one cloud: a client for its image service, and who one
// is there. It is safe for concurrent use.
type Session struct {
	Name   string // of the cloud, "" where variables and options alone made it
	Region string // "" where none was chosen
	// Endpoint is the image service's address without /v2 and without a slash
	// at the end. It tells one cloud from another.
	Endpoint string

	// Expires is the end of a token that cannot be renewed; zero where it can be,
	// or where there is no knowing.
	Expires time.Time

	// Who the token is for. All are empty with admin_token and none.
	ProjectID, ProjectName, UserID, UserName string
	Roles                                    []string
	projectDomain                            tokens.Domain

	// Regions are the regions in which the catalog has an image service, in its
	// order; none with admin_token and none.
	Regions []string

	// Image sends requests to the image service; its ServiceURL begins below
	// ".../v2/". A request answered with 401 is repeated once with a new
	// token.
	Image *gophercloud.ServiceClient

	identity *gophercloud.ServiceClient // nil with admin_token and none
	config   Config
	catalog  *tokens.ServiceCatalog
}

// IsAdmin reports whether one of the roles is admin, which Glance's policy
// takes for the right to do everything.
func (s *Session) IsAdmin() bool {
	return slices.ContainsFunc(s.Roles, func(role string) bool { return strings.EqualFold(role, "admin") })
}

// ErrNotRenewable is why a request failed with 401 for good: the token was
// given as it is, and there is nothing to get another one with.
var ErrNotRenewable = errors.New("a cloud that logs in with a token (auth_type token) has no means to get another: issue a new token, or use a password or an application credential")

// notRenewable is ErrNotRenewable, in the words that fit.
func (c Config) notRenewable() error {
	if c.handedOver {
		return handedOverError{}
	}
	return ErrNotRenewable
}

// Connect logs in and finds the image service. Its errors are of type *Error,
// or the context's.
func Connect(ctx context.Context, cfg Config, o ConnectOptions) (*Session, error) {
	cfg, err := cfg.complete(o.AskPassword)
	if err != nil {
		return nil, err
	}
	provider := newProvider(cfg, o)
	s := &Session{Name: cfg.Name, Region: cfg.Region}
	var endpoint string
	if cfg.AuthType == "none" || cfg.AuthType == "admin_token" {
		provider.TokenID = cfg.auth["token"]
		if provider.TokenID != "" {
			provider.ReauthFunc = func(context.Context) error { return cfg.notRenewable() }
		}
		endpoint = cfg.ImageEndpoint
	} else {
		catalog, err := s.logIn(ctx, cfg, provider)
		if err != nil {
			return nil, cfg.explain(err)
		}
		s.catalog, s.Regions = catalog, imageRegions(cfg, catalog)
		if endpoint = cfg.ImageEndpoint; endpoint == "" {
			if endpoint, err = imageEndpoint(cfg, catalog); err != nil {
				return nil, err
			}
		}
	}
	s.config = cfg
	if err := s.open(provider, endpoint); err != nil {
		return nil, err
	}
	return s, nil
}

// In returns the session at the same cloud in another of its Regions, with the
// same login.
func (s *Session) In(region string) (*Session, error) {
	if s.catalog == nil {
		return nil, failf(KindEndpoint, "%sthere is no catalog of regions without a login at Keystone", s.config.label())
	}
	other := *s
	other.config.Region, other.Region = region, region
	endpoint, err := imageEndpoint(other.config, s.catalog)
	if err != nil {
		return nil, err
	}
	if err := other.open(s.Image.ProviderClient, endpoint); err != nil {
		return nil, err
	}
	return &other, nil
}

// open sets up the client for the image service at an address of the catalog.
func (s *Session) open(provider *gophercloud.ProviderClient, endpoint string) error {
	endpoint = strings.NewReplacer("%(project_id)s", s.ProjectID, "%(tenant_id)s", s.ProjectID, "%(user_id)s", s.UserID).Replace(endpoint)
	base, resources, err := splitEndpoint(endpoint)
	if err != nil {
		return failf(KindEndpoint, "%saddress of the image service: %w", s.config.label(), err)
	}
	s.Endpoint = base
	s.Image = &gophercloud.ServiceClient{
		ProviderClient: provider, Type: "image", Endpoint: base + "/", ResourceBase: resources,
	}
	return nil
}

// imageRegions are the regions of the image service's endpoints.
func imageRegions(cfg Config, catalog *tokens.ServiceCatalog) []string {
	var regions []string
	for _, entry := range catalog.Entries {
		if entry.Type != cfg.ServiceType || cfg.ServiceName != "" && entry.Name != cfg.ServiceName {
			continue
		}
		for _, e := range entry.Endpoints {
			region := cmp.Or(e.RegionID, e.Region)
			if region != "" && slices.Contains(cfg.Interface, strings.TrimSuffix(e.Interface, "URL")) && !slices.Contains(regions, region) {
				regions = append(regions, region)
			}
		}
	}
	return regions
}

func (c Config) label() string {
	if c.Name == "" {
		return ""
	}
	return "cloud " + c.Name + ": "
}

// complete finds what is missing before anything is sent, and asks for the
// password if there is a way to.
func (c Config) complete(ask func(prompt string) (string, error)) (Config, error) {
	if err := c.check(); err != nil || !c.NeedsPassword() {
		return c, err
	}
	if ask == nil {
		return c, failf(KindConfig, "%sno password: set it by --os-password, OS_PASSWORD, or password in the cloud's auth section", c.label())
	}
	password, err := ask("Password: ")
	if err != nil {
		return c, fmt.Errorf("ask for the password: %w", err)
	}
	c.auth = maps.Clone(c.auth)
	c.auth["password"] = password
	return c, nil
}

// check finds a setting that is missing, contradicts another or makes no sense.
func (c Config) check() error {
	missing := func(what, option, variable, key string) error {
		if c.Name == "" {
			return failf(KindConfig, "no %s, and no cloud is chosen: use --os-cloud or OS_CLOUD%s, or set %s by %s or %s",
				what, c.choices(), what, option, variable)
		}
		return failf(KindConfig, "%sno %s: set it by %s, %s, or %s in the cloud's auth section", c.label(), what, option, variable, key)
	}
	known := methods[c.AuthType].options
	has := func(key string) bool { return c.auth[key] != "" }
	takes := func(key string) bool { _, ok := known[key]; return ok }

	switch {
	case takes("auth_url") && !has("auth_url"):
		return missing("authentication URL", "--os-auth-url", "OS_AUTH_URL", "auth_url")
	case takes("endpoint") && c.ImageEndpoint == "":
		return missing("endpoint", "--os-endpoint", "OS_ENDPOINT", "endpoint")
	case takes("password") && !has("username") && !has("user_id"):
		return missing("user", "--os-username", "OS_USERNAME", "username")
	case takes("token") && !has("token"):
		return missing("token", "--os-token", "OS_TOKEN", "token")
	case takes("application_credential_secret") && !has("application_credential_secret"):
		return missing("application credential's secret", "--os-application-credential-secret", "OS_APPLICATION_CREDENTIAL_SECRET", "application_credential_secret")
	case takes("application_credential_secret") && !has("application_credential_id") && !has("application_credential_name"):
		return missing("application credential", "--os-application-credential-id", "OS_APPLICATION_CREDENTIAL_ID", "application_credential_id")
	case takes("application_credential_secret") && !has("application_credential_id") && !has("username") && !has("user_id"):
		return failf(KindConfig, "%san application credential's name needs its user too: set username and user_domain_name, or use application_credential_id", c.label())
	}
	if takes("auth_url") {
		u, err := url.Parse(c.AuthURL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return failf(KindConfig, "%sauth_url %q is not an http:// or https:// address", c.label(), c.AuthURL)
		}
		scopes := 0
		for _, keys := range [][2]string{{"project_id", "project_name"}, {"domain_id", "domain_name"}, {"trust_id", "trust_id"}, {"system_scope", "system_scope"}} {
			if has(keys[0]) || has(keys[1]) {
				scopes++
			}
		}
		if scopes > 0 && c.AuthType == "v3applicationcredential" {
			return failf(KindConfig, "%san application credential is for its own project and takes no other scope: unset project_name, project_id, domain_name, domain_id and system_scope, also as OS_*", c.label())
		}
		if scopes > 1 {
			return failf(KindConfig, "%smore than one scope is set: choose one of project, domain, trust and system", c.label())
		}
	}
	named := func(user bool, owner string) bool {
		return !user || has(owner+"_domain_id") || has(owner+"_domain_name") || has("default_domain_id") || has("default_domain_name")
	}
	byName := has("username") && !has("user_id") && !has("application_credential_id")
	switch {
	case takes("username") && !named(byName, "user"):
		return failf(KindConfig, "%suser %s is given by name, which needs its domain: set user_domain_name (often Default)", c.label(), c.auth["username"])
	case takes("project_name") && c.AuthType != "v3applicationcredential" && !named(has("project_name") && !has("project_id"), "project"):
		return failf(KindConfig, "%sproject %s is given by name, which needs its domain: set project_domain_name (often Default)", c.label(), c.auth["project_name"])
	}
	return nil
}

// choices names the clouds that could be chosen, in brackets.
func (c Config) choices() string {
	names, err := CloudNames(c.env)
	if err != nil || len(names) == 0 {
		return " (there is no clouds.yaml)"
	}
	return " (there are " + strings.Join(names, ", ") + ")"
}

// logIn gets a token and its catalog, and sets up how it is renewed.
func (s *Session) logIn(ctx context.Context, cfg Config, provider *gophercloud.ProviderClient) (*tokens.ServiceCatalog, error) {
	ctx = withMode(ctx, mode{identity: true, writes: true, failFast: true})
	identityURL, err := identityEndpoint(ctx, provider, cfg.AuthURL)
	if err != nil {
		return nil, err
	}
	if cfg.handedOver {
		err = hold(cfg, provider)
	} else {
		var opts gophercloud.AuthOptions
		if opts, err = cfg.authOptions(identityURL); err != nil {
			return nil, fail(KindConfig, err)
		}
		err = login(ctx, provider, opts, identityURL)
	}
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(cfg.AuthType, "token") {
		provider.ReauthFunc = func(context.Context) error { return cfg.notRenewable() }
		if token, ok := provider.GetAuthResult().(interface{ ExtractToken() (*tokens.Token, error) }); ok {
			if t, err := token.ExtractToken(); err == nil {
				s.Expires = t.ExpiresAt
			}
		}
	} else if renew := provider.ReauthFunc; renew != nil {
		// One request renews the token for all that wait. It must not fail
		// because that one is cancelled.
		provider.ReauthFunc = func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTimeout)
			defer cancel()
			return cfg.explain(renew(withMode(ctx, mode{identity: true, writes: true})))
		}
	}
	s.identity = &gophercloud.ServiceClient{ProviderClient: provider, Type: "identity", Endpoint: identityURL}
	return s.read(provider.GetAuthResult())
}

// renewTimeout bounds the wait for a new token, retries included.
const renewTimeout = 2 * time.Minute

// login asks Keystone for a token.
func login(ctx context.Context, provider *gophercloud.ProviderClient, opts gophercloud.AuthOptions, identityURL string) error {
	if opts.TokenID != "" && (opts.Scope == nil || *opts.Scope == gophercloud.AuthScope{}) {
		// gophercloud would take the token as it is, with its own scope; the
		// openstack client asks for one of the user's default scope.
		client := &gophercloud.ServiceClient{ProviderClient: provider, Type: "identity", Endpoint: identityURL}
		return provider.SetTokenAndAuthResult(tokens.Create(ctx, client, &tokens.AuthOptions{TokenID: opts.TokenID}))
	}
	provider.IdentityBase = strings.TrimSuffix(identityURL, "v3/")
	provider.IdentityEndpoint = identityURL
	return openstack.Authenticate(ctx, provider, opts)
}

// authOptions has gophercloud's clientconfig build the request for a token of
// the merged settings. The prefix of variables is one that no variable can
// have, so that none is read a second time.
func (c Config) authOptions(identityURL string) (gophercloud.AuthOptions, error) {
	a := c.auth
	id := func(id, name string) (string, string) { // an id makes the name needless
		if a[id] != "" {
			return a[id], ""
		}
		return "", a[name]
	}
	info := &clientconfig.AuthInfo{
		AuthURL: identityURL, Password: a["password"], SystemScope: a["system_scope"], TrustID: a["trust_id"],
		AllowReauth: !strings.HasSuffix(c.AuthType, "token"),
	}
	info.UserID, info.Username = id("user_id", "username")
	info.UserDomainID, info.UserDomainName = id("user_domain_id", "user_domain_name")
	info.ProjectID, info.ProjectName = id("project_id", "project_name")
	info.ProjectDomainID, info.ProjectDomainName = id("project_domain_id", "project_domain_name")
	info.DomainID, info.DomainName = id("domain_id", "domain_name")
	if info.UserDomainID == "" && info.UserDomainName == "" {
		info.UserDomainID, info.UserDomainName = id("default_domain_id", "default_domain_name")
	}
	if info.ProjectDomainID == "" && info.ProjectDomainName == "" {
		info.ProjectDomainID, info.ProjectDomainName = id("default_domain_id", "default_domain_name")
	}
	if info.UserID != "" {
		info.UserDomainID, info.UserDomainName = "", ""
	}
	if info.ProjectID != "" {
		info.ProjectDomainID, info.ProjectDomainName = "", ""
	}
	authType := clientconfig.AuthType(c.AuthType)
	switch c.AuthType {
	case "token", "v3token":
		info.Token = a["token"]
	case "v3applicationcredential":
		info.ApplicationCredentialID, info.ApplicationCredentialName = id("application_credential_id", "application_credential_name")
		info.ApplicationCredentialSecret = a["application_credential_secret"]
		if info.ApplicationCredentialID != "" {
			info.UserID, info.Username, info.UserDomainID, info.UserDomainName = "", "", "", ""
		}
	}
	merged := clientconfig.Cloud{AuthInfo: info, AuthType: authType, IdentityAPIVersion: "3"}
	opts, err := clientconfig.AuthOptions(&clientconfig.ClientOpts{
		Cloud: "merged", EnvPrefix: noEnvironment, YAMLOpts: memory{merged},
	})
	if err != nil {
		return gophercloud.AuthOptions{}, err
	}
	return *opts, nil
}

// noEnvironment as a prefix names no variable: none has a = in its name.
const noEnvironment = "="

// memory serves clientconfig one cloud instead of files.
type memory struct{ cloud clientconfig.Cloud }

func (m memory) LoadCloudsYAML() (map[string]clientconfig.Cloud, error) {
	return map[string]clientconfig.Cloud{"merged": m.cloud}, nil
}
func (memory) LoadSecureCloudsYAML() (map[string]clientconfig.Cloud, error) { return nil, nil }
func (memory) LoadPublicCloudsYAML() (map[string]clientconfig.Cloud, error) { return nil, nil }

// read takes from a token who one is, and returns its catalog.
func (s *Session) read(result gophercloud.AuthResult) (*tokens.ServiceCatalog, error) {
	token, ok := result.(interface {
		ExtractServiceCatalog() (*tokens.ServiceCatalog, error)
		ExtractUser() (*tokens.User, error)
		ExtractProject() (*tokens.Project, error)
		ExtractRoles() ([]tokens.Role, error)
	})
	if !ok {
		return nil, failf(KindServer, "Keystone's answer holds no token")
	}
	user, err := token.ExtractUser()
	if err != nil {
		return nil, failf(KindServer, "Keystone's token: %w", err)
	}
	if user != nil {
		s.UserID, s.UserName = user.ID, user.Name
	}
	project, err := token.ExtractProject()
	if err != nil {
		return nil, failf(KindServer, "Keystone's token: %w", err)
	}
	if project != nil {
		s.ProjectID, s.ProjectName, s.projectDomain = project.ID, project.Name, project.Domain
	}
	roles, err := token.ExtractRoles()
	if err != nil {
		return nil, failf(KindServer, "Keystone's token: %w", err)
	}
	for _, role := range roles {
		s.Roles = append(s.Roles, role.Name)
	}
	catalog, err := token.ExtractServiceCatalog()
	if err != nil {
		return nil, failf(KindServer, "Keystone's service catalog: %w", err)
	}
	return catalog, nil
}

// identityEndpoint returns the address of version 3 of the identity API, with a
// slash at its end. Where auth_url has no version, the server is asked; of its
// answer only the path counts, for behind a proxy it often names a host or a
// scheme that is not to get the password.
func identityEndpoint(ctx context.Context, provider *gophercloud.ProviderClient, authURL string) (string, error) {
	u, err := url.Parse(authURL)
	if err != nil {
		return "", failf(KindConfig, "auth_url: %w", err)
	}
	u.RawQuery, u.Fragment, u.RawPath = "", "", ""
	u.Path = strings.TrimRight(u.Path, "/")
	switch last := u.Path[strings.LastIndexByte(u.Path, '/')+1:]; {
	case last == "v3":
		return u.String() + "/", nil
	case regexp.MustCompile(`^v2(\.0)?$`).MatchString(last):
		return "", failf(KindConfig, "auth_url %s is of version 2 of the identity API, which is gone since 2018: end it with /v3", authURL)
	}
	var answer struct {
		Versions struct {
			Values []struct {
				ID     string `json:"id"`
				Status string `json:"status"`
				Links  []struct{ Href, Rel string }
			} `json:"values"`
		} `json:"versions"`
	}
	_, err = provider.Request(ctx, http.MethodGet, u.String()+"/", &gophercloud.RequestOpts{
		JSONResponse: &answer, OkCodes: []int{http.StatusOK, http.StatusMultipleChoices},
	})
	if err != nil {
		return "", err
	}
	for _, version := range answer.Versions.Values {
		status := strings.ToLower(version.Status)
		if !strings.HasPrefix(version.ID, "v3") || !slices.Contains([]string{"stable", "current", "supported"}, status) {
			continue
		}
		for _, link := range version.Links {
			if target, err := u.Parse(link.Href); err == nil && link.Rel == "self" {
				u.Path = strings.TrimRight(target.Path, "/") + "/"
				return u.String(), nil
			}
		}
	}
	return "", failf(KindServer, "%s lists no version 3 of the identity API: check auth_url", authURL)
}

// imageEndpoint looks the image service up in the catalog. As for the openstack
// client, the first match counts.
func imageEndpoint(cfg Config, catalog *tokens.ServiceCatalog) (string, error) {
	var services, regions, interfaces []string
	add := func(list *[]string, value string) {
		if value != "" && !slices.Contains(*list, value) {
			*list = append(*list, value)
		}
	}
	for _, wanted := range cfg.Interface {
		for _, entry := range catalog.Entries {
			add(&services, entry.Type)
			if entry.Type != cfg.ServiceType || (cfg.ServiceName != "" && entry.Name != cfg.ServiceName) {
				continue
			}
			for _, e := range entry.Endpoints {
				region := e.RegionID
				if region == "" {
					region = e.Region
				}
				add(&regions, region)
				if cfg.Region != "" && e.Region != cfg.Region && e.RegionID != cfg.Region {
					continue
				}
				add(&interfaces, e.Interface)
				if strings.TrimSuffix(e.Interface, "URL") == wanted {
					return e.URL, nil
				}
			}
		}
	}
	switch wanted := strings.Join(cfg.Interface, " or "); {
	case len(services) == 0:
		return "", failf(KindEndpoint, "%sthe token has no service catalog: it is for no project, domain or system; set project_name and project_domain_name", cfg.label())
	case len(regions) == 0:
		return "", failf(KindEndpoint, "%sthe catalog has no %s service; it has %s", cfg.label(), cfg.ServiceType, strings.Join(services, ", "))
	case len(interfaces) == 0:
		return "", failf(KindEndpoint, "%sthe %s service is not in region %s; it is in %s", cfg.label(), cfg.ServiceType, cfg.Region, strings.Join(regions, ", "))
	default:
		return "", failf(KindEndpoint, "%sthe %s service has no %s interface; it has %s", cfg.label(), cfg.ServiceType, wanted, strings.Join(interfaces, ", "))
	}
}

var (
	versionTwo = regexp.MustCompile(`^v2(\.\d+)?$`)
	versionOne = regexp.MustCompile(`^v1(\.\d+)?$`)
)

// splitEndpoint gives, for an address of the image service with or without a
// version, the address without one (no slash at its end) and the base of the
// resources of version 2 (with one).
func splitEndpoint(endpoint string) (base, resources string, err error) {
	u, err := url.Parse(strings.TrimSpace(endpoint))
	if err != nil {
		return "", "", err
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", "", fmt.Errorf("%q is not an http:// or https:// address", endpoint)
	}
	u.RawQuery, u.Fragment, u.User = "", "", nil
	segments := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	host := u.Scheme + "://" + u.Host
	join := func(segments []string) string {
		if path := strings.Join(segments, "/"); path != "" {
			return host + "/" + path
		}
		return host
	}
	if i := slices.IndexFunc(segments, versionTwo.MatchString); i >= 0 {
		return join(segments[:i]), join(append(append(segments[:i:i], "v2"), segments[i+1:]...)) + "/", nil
	}
	if last := len(segments) - 1; versionOne.MatchString(segments[last]) {
		segments = segments[:last]
	}
	base = join(segments)
	return base, base + "/v2/", nil
}
