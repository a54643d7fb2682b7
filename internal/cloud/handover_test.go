package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
)

// login is what the plugin hands over, for the keystone of the tests.
func (k *keystone) login(t *testing.T, change func(settings, auth map[string]any)) map[string]string {
	t.Helper()
	auth := map[string]any{"auth_url": k.URL + "/identity/v3", "token": "good"}
	held := map[string]any{
		"user": map[string]any{"id": "u1", "name": "ann"}, "project": map[string]any{"id": "p1", "name": "demo"},
		"roles": []any{map[string]any{"name": "admin"}}, "catalog": k.catalog, "expires_at": "2040-01-01T00:00:00.000000Z",
	}
	settings := map[string]any{"name": "prod", "auth_type": "token", "auth": auth, "held": held, "region_name": "RegionTwo", "interface": "internal", "verify": true}
	if change != nil {
		change(settings, auth)
	}
	data, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	// What else the client has read counts no more.
	return map[string]string{Handover: string(data), "OS_CLOUD": "nonsense", "OS_PASSWORD": "wrong", "OS_REGION_NAME": "RegionOne"}
}

func TestHandover(t *testing.T) {
	k := newKeystone(t)
	k.set(func() { k.valid["good"] = true })
	s := mustConnect(t, k.login(t, nil), ConnectOptions{})
	if s.Name != "prod" || s.Region != "RegionTwo" || s.ProjectID != "p1" || s.Endpoint != k.URL+"/image" || s.Expires.Year() != 2040 || !s.IsAdmin() || s.UserName != "ann" || len(s.Regions) != 2 {
		t.Errorf("session %+v", s)
	}
	if err := list(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	if len(k.bodies) > 0 {
		t.Errorf("Keystone was asked: %q", k.bodies)
	}
	if got := k.images[0].Header.Get("X-Auth-Token"); got != "good" {
		t.Errorf("token %s", got)
	}
	k.revoke()
	err := list(context.Background(), s)
	var failed *gophercloud.ErrUnableToReauthenticate
	if !errors.As(err, &failed) || !errors.Is(failed.ErrReauth, ErrNotRenewable) || !strings.Contains(failed.ErrReauth.Error(), "handed over") {
		t.Errorf("after the token's end: %v", err)
	}
}

func TestHandoverOfAnEndpoint(t *testing.T) {
	k := newKeystone(t)
	k.set(func() { k.valid["good"] = true })
	s := mustConnect(t, k.login(t, func(settings, auth map[string]any) {
		settings["auth_type"] = "admin_token"
		delete(auth, "auth_url")
		auth["endpoint"] = k.URL + "/image"
	}), ConnectOptions{})
	if err := list(context.Background(), s); err != nil || len(k.bodies) > 0 {
		t.Errorf("%v, %d requests to Keystone", err, len(k.bodies))
	}
}

// Another cloud than the one that was handed over is read from the files.
func TestHandoverAndAnotherCloud(t *testing.T) {
	k := newKeystone(t)
	dir := t.TempDir()
	env := testEnv(k.login(t, nil), dir, dir)
	if cfg, err := Load(Options{Cloud: "prod"}, env); err != nil || !cfg.handedOver {
		t.Errorf("prod: %v", err)
	}
	if _, err := Load(Options{Cloud: "other"}, env); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("other: %v", err)
	}
	if HandedOver(env) != "prod" {
		t.Error("no name")
	}
}

func TestHandoverRefused(t *testing.T) {
	dir := t.TempDir()
	k := newKeystone(t)
	for _, value := range []string{`{"auth": {"token": "s3cret"}`, `[]`, `"s3cret"`, `{}`, `{"auth": "s3cret"}`} {
		if _, err := Load(Options{}, testEnv(map[string]string{Handover: value}, dir, dir)); err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), Handover) {
			t.Errorf("%s: %v", value, err)
		}
	}
	_, err := connect(t, k.login(t, func(settings, auth map[string]any) { delete(settings, "held") }), ConnectOptions{})
	if err == nil || !strings.Contains(err.Error(), Handover) {
		t.Errorf("a token without what Keystone told of it: %v", err)
	}
	_, err = connect(t, k.login(t, func(_, auth map[string]any) { delete(auth, "token") }), ConnectOptions{})
	if err == nil {
		t.Error("a login without a token")
	}
}
