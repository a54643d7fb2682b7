package sandbox

import "net/http"

// about lists the versions of the image API, as Glance 30 does without a cache.
func about(r *http.Request) map[string]any {
	var list []any
	for _, v := range []struct{ id, status string }{
		{"v2.15", "SUPPORTED"}, {"v2.13", "SUPPORTED"}, {"v2.12", "SUPPORTED"}, {"v2.11", "SUPPORTED"},
		{"v2.10", "SUPPORTED"}, {"v2.9", "SUPPORTED"}, {"v2.8", "SUPPORTED"}, {"v2.17", "CURRENT"},
		{"v2.7", "SUPPORTED"}, {"v2.6", "SUPPORTED"}, {"v2.5", "SUPPORTED"}, {"v2.4", "SUPPORTED"},
		{"v2.3", "SUPPORTED"}, {"v2.2", "SUPPORTED"}, {"v2.1", "SUPPORTED"}, {"v2.0", "SUPPORTED"},
	} {
		list = append(list, map[string]any{"id": v.id, "status": v.status, "links": []any{
			map[string]any{"rel": "self", "href": baseURL(r) + "/image/v2/"},
		}})
	}
	return map[string]any{"versions": list}
}

// showSchema publishes what a record of the API looks like.
func showSchema(q *request, name string) error {
	describedBy := map[string]any{"rel": "describedby", "href": "{schema}"}
	collection := func(name string, item map[string]any) map[string]any {
		return map[string]any{
			"name": name,
			"properties": map[string]any{
				name:     map[string]any{"type": "array", "items": item},
				"schema": map[string]any{"type": "string"},
			},
			"links": []any{describedBy},
		}
	}
	switch name {
	case "image":
		return q.send(http.StatusOK, imageSchema())
	case "images":
		list := collection("images", imageSchema())
		properties := list["properties"].(map[string]any)
		properties["first"] = map[string]any{"type": "string"}
		properties["next"] = map[string]any{"type": "string"}
		list["links"] = []any{
			map[string]any{"rel": "first", "href": "{first}"}, map[string]any{"rel": "next", "href": "{next}"}, describedBy,
		}
		return q.send(http.StatusOK, list)
	case "member":
		return q.send(http.StatusOK, memberSchema())
	}
	return q.send(http.StatusOK, collection("members", memberSchema()))
}

func imageSchema() map[string]any {
	properties := map[string]any{}
	for i := range fields {
		properties[fields[i].name] = fields[i].json()
	}
	return map[string]any{
		"name": "image", "properties": properties, "additionalProperties": map[string]any{"type": "string"},
		"links": []any{
			map[string]any{"rel": "self", "href": "{self}"},
			map[string]any{"rel": "enclosure", "href": "{file}"},
			map[string]any{"rel": "describedby", "href": "{schema}"},
		},
	}
}

func memberSchema() map[string]any {
	text := func(key string, value any) map[string]any {
		return map[string]any{"type": "string", key: value}
	}
	plain := map[string]any{"type": "string"}
	return map[string]any{"name": "member", "properties": map[string]any{
		"member_id": plain, "image_id": text("pattern", uuidPattern), "created_at": plain, "updated_at": plain,
		"status": text("enum", []string{"pending", "accepted", "rejected"}), "schema": text("readOnly", true),
	}}
}

// emptyNamespaces is the catalogue of metadata definitions of a cloud into
// which none were loaded.
func emptyNamespaces(q *request) error {
	return q.send(http.StatusOK, map[string]any{
		"namespaces": []any{}, "first": "/v2/metadefs/namespaces", "schema": "/v2/schemas/metadefs/namespaces",
	})
}
