package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"glance-profile/internal/cloud"
	"glance-profile/test/oracle"
)

const release = "2025.1"

// devcloud returns the clouds.yaml of the running devcloud.
func devcloud(t *testing.T) string {
	t.Helper()
	file := filepath.Join(oracle.Devcloud(t, "what the openstack client answers today"), release, "clouds.yaml")
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	return file
}

// ask runs the answering script in the devcloud's root, where the client is.
func ask(t *testing.T, mode string, cases []*Case) map[string]json.RawMessage {
	t.Helper()
	answers, err := Ask(`../devcloud/exec `+release+` python3 -W ignore -c "$(cat openstack_answers.py)" `+mode, cases)
	if err != nil {
		t.Fatal(err)
	}
	return answers
}

// TestOutcomes tries each case on the devcloud with this program's login and
// with the openstack client, and wants the same outcome: it works, or the same
// kind of error.
func TestOutcomes(t *testing.T) {
	values, err := Values(devcloud(t))
	if err != nil {
		t.Fatal(err)
	}
	cases, err := ReadCases("cases", Fill(values))
	if err != nil {
		t.Fatal(err)
	}
	answers := ask(t, "outcome", cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			var client struct {
				Code  any
				Error string
			}
			if err := json.Unmarshal(answers[c.Name], &client); err != nil {
				t.Fatal(err)
			}
			got, err := outcome(t, c)
			want := Outcome(client.Code == 0.0, client.Error)
			t.Logf("client: %s (%s)", want, client.Error)
			t.Logf("ours: %s (%v)", got, err)
			if differs, ok := c.Notes["differs"]; ok {
				kind, _, _ := strings.Cut(differs, "\n")
				if want != kind {
					t.Errorf("the client: %s, no longer %s", want, kind)
				}
				want = got
			}
			if got != want || got != strings.TrimSpace(c.Notes["expect"]) {
				t.Errorf("ours: %s (%v)\nthe client's: %s (%s)\nexpected: %s", got, err, want, client.Error, c.Notes["expect"])
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("error of more than one line: %v", err)
			}
		})
	}
}

// outcome logs in as a case says and lists images.
func outcome(t *testing.T, c *Case) (string, error) {
	t.Helper()
	placed, err := c.Place(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "OS_") || strings.HasPrefix(name, "XDG_") || strings.HasSuffix(name, "_CA_BUNDLE") {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
	t.Setenv("HOME", placed.Home)
	t.Chdir(placed.Work)
	for name, value := range placed.Env {
		t.Setenv(name, value)
	}
	var opts cloud.Options
	for _, arg := range placed.Args {
		if err := SetOption(&opts, arg); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cfg, err := cloud.Load(opts, cloud.OSEnv())
	var session *cloud.Session
	if err == nil {
		session, err = cloud.Connect(ctx, cfg, cloud.ConnectOptions{})
	}
	var typed *cloud.Error
	switch {
	case errors.As(err, &typed):
		return string(typed.Kind), err
	case err != nil:
		return "error of type " + reflect.TypeOf(err).String(), err
	}
	_, err = session.Image.Get(ctx, session.Image.ServiceURL("images")+"?limit=1", new(any), nil)
	var network net.Error
	switch {
	case err == nil:
		return "works", nil
	case errors.As(err, &typed):
		return string(typed.Kind), err
	case gophercloud.ResponseCodeIs(err, http.StatusUnauthorized):
		return string(cloud.KindCredentials), err
	case gophercloud.ResponseCodeIs(err, http.StatusForbidden):
		return "forbidden", err
	case strings.Contains(err.Error(), "certificate"):
		return string(cloud.KindCertificate), err
	case errors.As(err, &network):
		return string(cloud.KindUnreachable), err
	}
	return "other", err
}

// TestAnswersAreOfToday holds the answers recorded in internal/cloud against
// the client.
func TestAnswersAreOfToday(t *testing.T) {
	devcloud(t)
	cases, err := ReadCases("../../internal/cloud/testdata/merge", nil)
	if err != nil {
		t.Fatal(err)
	}
	answers := ask(t, "merge", cases)
	for _, c := range cases {
		var now, recorded any
		if err := json.Unmarshal(answers[c.Name], &now); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(c.Notes["answer.json"]), &recorded); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		if !reflect.DeepEqual(now, recorded) {
			t.Errorf("%s: the client's answer is %v, recorded is %v", c.Name, now, recorded)
		}
	}
}

// TestOutcomeOfText holds how the client's messages are read.
func TestOutcomeOfText(t *testing.T) {
	tests := map[string]string{
		"Cloud two was not found.": "unknown cloud",
		"The request you have made requires authentication. (HTTP 401) (Request-ID: req-1)": "credentials",
		"public endpoint for image service in X region not found":                           "endpoint",
		"Unable to establish connection to http://127.0.0.1:9":                              "unreachable",
		"SSL exception connecting to https://h: CERTIFICATE_VERIFY_FAILED":                  "certificate",
		"Missing value auth-url required for auth plugin password":                          "configuration",
		"something else": "not known: something else",
	}
	for text, want := range tests {
		if got := Outcome(false, text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
	if got := Outcome(true, "a warning"); got != "works" {
		t.Errorf("success is %s", got)
	}
	if !regexp.MustCompile(`^works$|^[a-z ]+$`).MatchString(Outcome(true, "")) {
		t.Error("success has no word")
	}
}
