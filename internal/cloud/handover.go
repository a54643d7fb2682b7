package cloud

import (
	"encoding/json"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// Handover is the variable in which our plugin for the openstack client hands
// its login over: a cloud as clouds.yaml has them, in JSON, with its name and
// the client's token, and under held what Keystone told of that. It stands for all configuration files, variables and
// options that the client has read already, unless another cloud is named.
const Handover = "GLANCE_PROFILE_LOGIN"

// handedOver is the login that was handed over, if it is one at the cloud that
// is wanted; "" is any.
func handedOver(name string, env Env) (cfg Config, ok bool, err error) {
	data := env.get(Handover)
	if data == "" {
		return Config{}, false, nil
	}
	settings := map[string]any{}
	if err := json.Unmarshal([]byte(data), &settings); err != nil {
		// What is wrong with it is not told: that would show the token.
		return Config{}, false, failf(KindConfig, "%s is no login of the openstack client's: unset it", Handover)
	}
	if _, ok := settings["auth"].(map[string]any); !ok {
		return Config{}, false, failf(KindConfig, "%s holds no credentials: unset it", Handover)
	}
	own := text(settings["name"])
	if name != "" && name != own {
		return Config{}, false, nil
	}
	m := &merger{lib: &library{env: env}, name: own}
	if cfg, err = m.config(settings); err != nil {
		return Config{}, false, err
	}
	cfg.handedOver = true
	cfg.held, _ = settings["held"].(map[string]any)
	return cfg, true, nil
}

// HandedOver is the name of the cloud that the login in Handover is at, "" where
// there is none or it has no name.
func HandedOver(env Env) string {
	cfg, _, _ := handedOver("", env)
	return cfg.Name
}

// hold takes the client's token as it is, with what Keystone told the client of
// it. Nothing is asked: to exchange a token for another, as auth_type token does,
// is forbidden to those of trusts, and to all where allow_rescope_scoped_token is
// off; and those of application credentials with access rules may not even ask
// what they are for.
func hold(cfg Config, provider *gophercloud.ProviderClient) error {
	if cfg.held == nil {
		return failf(KindConfig, "%s does not tell what its token is for: unset it", Handover)
	}
	var result tokens.GetResult
	result.Body = map[string]any{"token": cfg.held}
	result.Header = http.Header{"X-Subject-Token": {cfg.auth["token"]}}
	return provider.SetTokenAndAuthResult(result)
}

// handedOverError is ErrNotRenewable where the token is another program's.
type handedOverError struct{}

func (handedOverError) Error() string {
	return "the token that the openstack client handed over cannot be renewed: repeat the command, or use glance-profile itself, which can log in anew"
}

func (handedOverError) Is(target error) bool { return target == ErrNotRenewable }
