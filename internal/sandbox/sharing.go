package sandbox

import (
	"net/http"
	"slices"
	"unicode/utf8"
)

func (s *imageService) addTag(q *request, id, tag string) error {
	if err := noBody(q); err != nil {
		return err
	}
	if utf8.RuneCountInString(tag) > 255 {
		return validate(map[string]any{"tags": []any{tag}})
	}
	return s.changeTags(q, id, func(r *record) error {
		if slices.Contains(r.tags, tag) {
			return nil
		}
		r.tags = append(r.tags, tag)
		slices.Sort(r.tags)
		if n := len(r.tags); n > maxTags {
			return refuse(413, "Image tag limit exceeded for image %s: The limit has been exceeded on the number of allowed image tags. Attempted: %d, Maximum: %d:", id, n, maxTags)
		}
		return nil
	})
}

func (s *imageService) removeTag(q *request, id, tag string) error {
	if err := noBody(q); err != nil {
		return err
	}
	return s.changeTags(q, id, func(r *record) error {
		i := slices.Index(r.tags, tag)
		if i < 0 {
			return &refusal{status: http.StatusNotFound}
		}
		r.tags = slices.Delete(r.tags, i, i+1)
		return nil
	})
}

func (s *imageService) changeTags(q *request, id string, change func(*record) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.find(q, id)
	if err != nil {
		return refuse(404, "Image %s not found.", id)
	}
	if err := permit(q.caller, "modify_image", old); err != nil {
		return err
	}
	r := old.clone()
	if err := change(r); err != nil {
		return err
	}
	if err := r.storable(old); err != nil {
		return err
	}
	r.updated = s.second()
	s.all[id] = r
	return q.send(http.StatusNoContent, nil)
}

// shared finds an image whose members can be looked at. The lock must be held.
func (s *imageService) shared(q *request, id string) (*record, error) {
	r, err := s.find(q, id)
	if err != nil {
		return nil, refuse(404, "Image %s not found.", id)
	}
	return r, nil
}

func (s *imageService) listMembers(q *request, id string) error {
	if err := noBody(q); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.shared(q, id)
	if err != nil {
		return err
	}
	if r.visibility != "shared" {
		return refuse(403, "Not allowed to list members for image %s: Only shared images have members.", id)
	}
	if err := permit(q.caller, "get_members", r); err != nil {
		return err
	}
	list := []any{}
	for i := range r.members {
		if s.seesMember(q, r, &r.members[i]) {
			list = append(list, r.members[i].view(id))
		}
	}
	return q.send(http.StatusOK, map[string]any{"members": list, "schema": "/v2/schemas/members"})
}

// seesMember: a project that an image is shared with sees no other such project.
func (s *imageService) seesMember(q *request, r *record, m *member) bool {
	return q.caller.has("admin") || r.ownedBy(q.caller.projectID()) || m.id == q.caller.projectID()
}

func (s *imageService) addMember(q *request, id string) error {
	body, err := readJSON(q)
	if err != nil {
		return err
	}
	object, isObject := body.(map[string]any)
	if !isObject {
		return refuse(400, `Expected a member in the form: {"member": "image_id"}`)
	}
	given, ok := object["member"]
	if !ok {
		return refuse(400, "Member to be added not specified")
	}
	project, _ := given.(string)
	if project == "" {
		return refuse(400, "Member can't be empty")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.shared(q, id)
	if err != nil {
		return err
	}
	if old.visibility != "shared" {
		return refuse(403, "Not allowed to create members for image %s.", id)
	}
	if err := permit(q.caller, "add_member", old); err != nil {
		return err
	}
	if len(old.members) >= maxMembers {
		return refuse(413, "Image member limit exceeded for image %s: The limit has been exceeded on the number of allowed image members for this image. Attempted: %d, Maximum: %d:", id, maxMembers+1, maxMembers)
	}
	if old.member(project) != nil {
		return refuse(409, "Member %s is duplicated for image %s", project, id)
	}
	now := s.second()
	r := old.clone()
	r.members = append(r.members, member{id: project, status: "pending", created: now, updated: now})
	s.all[id] = r
	return q.send(http.StatusOK, r.member(project).view(id))
}

func (s *imageService) showMember(q *request, id, project string) error {
	if err := noBody(q); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.shared(q, id)
	if err != nil {
		return err
	}
	if r.visibility != "shared" {
		return refuse(404, "Only shared images have members.")
	}
	if permit(q.caller, "get_member", r) != nil {
		return &refusal{status: http.StatusNotFound}
	}
	m := r.member(project)
	if m == nil || !s.seesMember(q, r, m) {
		return refuse(404, "%s not found in the member list of the image %s.", project, id)
	}
	return q.send(http.StatusOK, m.view(id))
}

func (s *imageService) updateMember(q *request, id, project string) error {
	body, err := readJSON(q)
	if err != nil {
		return err
	}
	object, isObject := body.(map[string]any)
	if !isObject {
		return refuse(400, `Expected a status in the form: {"status": "status"}`)
	}
	status, ok := object["status"]
	if !ok {
		return refuse(400, "Status not specified")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.shared(q, id)
	if err != nil {
		return err
	}
	if old.visibility != "shared" {
		return refuse(403, "Not allowed to update members for image %s.", id)
	}
	if err := permit(q.caller, "get_member", old); err != nil {
		return err
	}
	r := old.clone()
	m := r.member(project)
	if m == nil || !s.seesMember(q, r, m) {
		return refuse(404, "%s not found in the member list of the image %s.", project, id)
	}
	if err := permit(q.caller, "modify_member", r); err != nil {
		return err
	}
	wanted, _ := status.(string)
	if !slices.Contains([]string{"pending", "accepted", "rejected"}, wanted) {
		return refuse(400, `Incorrect request: Status must be "pending", "accepted" or "rejected".`)
	}
	m.status, m.updated = wanted, s.second()
	s.all[id] = r
	return q.send(http.StatusOK, m.view(id))
}

func (s *imageService) removeMember(q *request, id, project string) error {
	if err := noBody(q); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.shared(q, id)
	if err != nil {
		return err
	}
	if old.visibility != "shared" {
		return refuse(403, "Not allowed to delete members for image %s.", id)
	}
	if err := permit(q.caller, "get_member", old); err != nil {
		return err
	}
	if m := old.member(project); m == nil || !s.seesMember(q, old, m) {
		return refuse(404, "%s not found in the member list of the image %s.", project, id)
	}
	if err := permit(q.caller, "delete_member", old); err != nil {
		return err
	}
	r := old.clone()
	r.members = slices.DeleteFunc(r.members, func(m member) bool { return m.id == project })
	s.all[id] = r
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}
