package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
)

// keystoneMessage is the explanation in an error of Keystone's, in one line.
func keystoneMessage(body []byte) string {
	var answer struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	message := strings.Join(strings.Fields(answer.Error.Message), " ")
	if len(message) > 300 {
		message = strings.ToValidUTF8(message[:300], "") + "…"
	}
	return escapeControls(strings.TrimSuffix(message, "."))
}

// projectID is what an id of Keystone's looks like: 32 hex digits, or a UUID
// with its dashes.
var projectID = regexp.MustCompile(`^[0-9a-fA-F]{8}-?([0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}$`)

// ProjectIDByName returns the id of a project that is given by id or by name;
// domain, an id or a name too, may be empty. An id that Keystone does not let
// the user look up is returned as it is, as the openstack client does.
func (s *Session) ProjectIDByName(ctx context.Context, name, domain string) (string, error) {
	if name == s.ProjectID || (name == s.ProjectName && (domain == s.projectDomain.ID || domain == s.projectDomain.Name)) {
		return s.ProjectID, nil
	}
	if s.identity == nil {
		if projectID.MatchString(name) {
			return name, nil
		}
		return "", fmt.Errorf("project %s: there is no Keystone to look its name up; give its id", name)
	}
	query := url.Values{}
	if domain != "" {
		id, err := s.resource(ctx, "domain", domain, nil)
		if err != nil {
			return "", err
		}
		query.Set("domain_id", id)
	}
	return s.resource(ctx, "project", name, query)
}

// resource finds a project's or domain's id by id, then by name.
func (s *Session) resource(ctx context.Context, kind, name string, query url.Values) (string, error) {
	ctx = withMode(ctx, mode{identity: true})
	type record struct {
		ID       string `json:"id"`
		DomainID string `json:"domain_id"`
	}
	var single map[string]record
	_, err := s.identity.Get(ctx, s.identity.ServiceURL(kind+"s", url.PathEscape(name)), &single, nil)
	switch {
	case err == nil && single[kind].ID != "":
		return single[kind].ID, nil
	case err != nil && !gophercloud.ResponseCodeIs(err, http.StatusNotFound) && !gophercloud.ResponseCodeIs(err, http.StatusForbidden):
		return "", fmt.Errorf("look up %s %s: %w", kind, name, readable(err))
	}
	forbidden := gophercloud.ResponseCodeIs(err, http.StatusForbidden)

	list := url.Values{"name": {name}}
	for key, values := range query {
		list[key] = values
	}
	var several map[string]json.RawMessage
	_, err = s.identity.Get(ctx, s.identity.ServiceURL(kind+"s")+"?"+list.Encode(), &several, nil)
	switch {
	case gophercloud.ResponseCodeIs(err, http.StatusForbidden):
		if projectID.MatchString(name) || (kind == "domain" && name == "default") {
			return name, nil
		}
		return "", fmt.Errorf("look up %s %s: Keystone does not allow it to this user; give its id", kind, name)
	case err != nil:
		return "", fmt.Errorf("look up %s %s: %w", kind, name, readable(err))
	}
	var records []record
	if err := json.Unmarshal(several[kind+"s"], &records); err != nil {
		return "", fmt.Errorf("look up %s %s: Keystone's answer: %w", kind, name, err)
	}
	switch {
	case len(records) == 1:
		return records[0].ID, nil
	case len(records) == 0 && forbidden && projectID.MatchString(name):
		return name, nil
	case len(records) == 0:
		return "", fmt.Errorf("there is no %s %s", kind, name)
	}
	var ids []string
	for _, r := range records {
		ids = append(ids, escapeControls(r.ID+" in domain "+r.DomainID))
	}
	return "", fmt.Errorf("there are several projects named %s: %s; give the id, or --project-domain", name, strings.Join(ids, ", "))
}

// readable shortens an answer of Keystone's to its message.
func readable(err error) error {
	var code gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &code) {
		return fmt.Errorf("status %d from Keystone: %s", code.Actual, keystoneMessage(code.Body))
	}
	return err
}
