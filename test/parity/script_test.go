package parity

const (
	octets    = "application/octet-stream"
	patchType = "application/openstack-images-v2.1-json-patch"
	oldPatch  = "application/openstack-images-v2.0-json-patch"
)

// script is everything that is asked. A step's name is the key under which its
// answer is kept.
func script() []step {
	var all []step
	for _, part := range [][]step{
		identitySteps(), aboutSteps(), createSteps(), patchSteps(), dataSteps(), importSteps(), listSteps(),
		sharingSteps(), policySteps(), endSteps(),
	} {
		all = append(all, part...)
	}
	return all
}

// shorthands for the steps of the image API

func get(name, as, path string, header ...string) step {
	return step{name: name, as: as, method: "GET", url: "{image}/v2/" + path, header: header}
}

func post(name, as, path, body string) step {
	return step{name: name, as: as, method: "POST", url: "{image}/v2/" + path, body: body}
}

func create(name, body string) step { return post(name, "member", "images", body) }

func patch(name, image, body string) step {
	return patchAs(name, "member", image, body)
}

func patchAs(name, as, image, body string) step {
	return step{name: name, as: as, method: "PATCH", url: "{image}/v2/images/{id." + image + "}", body: body,
		header: []string{"Content-Type", patchType}}
}

func put(name, as, path, payload string, header ...string) step {
	return step{name: name, as: as, method: "PUT", url: "{image}/v2/" + path, body: payload,
		header: append([]string{"Content-Type", octets}, header...)}
}

func remove(name, as, path string) step {
	return step{name: name, as: as, method: "DELETE", url: "{image}/v2/" + path}
}

func identity(name, as, method, path, body string, header ...string) step {
	return step{name: name, as: as, method: method, url: "{identity}" + path, body: body, header: header}
}

func identitySteps() []step {
	const password = `{"methods":["password"],"password":{"user":{"name":"{user.member}","password":"{password.member}","domain":{"name":"Default"}}}}`
	const admin = `{"methods":["password"],"password":{"user":{"name":"{user.admin}","password":"{password.admin}","domain":{"id":"default"}}}}`
	const project = `"scope":{"project":{"name":"{project.member}","domain":{"name":"Default"}}}`
	const tokens = "/v3/auth/tokens"
	return []step{
		identity("identity version", "", "GET", "/v3", ""),
		identity("identity version with slash", "", "GET", "/v3/", ""),
		identity("identity unknown path", "", "GET", "/v3/nonsense", ""),
		identity("identity no version", "", "GET", "/v2.0", ""),
		identity("log in with password", "", "POST", tokens, `{"auth":{"identity":`+password+`,`+project+`}}`),
		identity("log in without catalog", "", "POST", tokens+"?nocatalog", `{"auth":{"identity":`+password+`,`+project+`}}`),
		identity("log in by ids", "", "POST", tokens, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"id":"{userid.member}","password":"{password.member}"}}},"scope":{"project":{"id":"{projectid.member}"}}}}`),
		{name: "log in unscoped", method: "POST", url: "{identity}" + tokens, body: `{"auth":{"identity":` + password + `}}`,
			save: map[string]string{"token.unscoped": "header:X-Subject-Token"}},
		identity("rescope a token", "", "POST", tokens, `{"auth":{"identity":{"methods":["token"],"token":{"id":"{token.unscoped}"}},`+project+`}}`),
		identity("rescope to a project of others", "", "POST", tokens, `{"auth":{"identity":{"methods":["token"],"token":{"id":"{token.unscoped}"}},"scope":{"project":{"id":"{projectid.other}"}}}}`),
		identity("rescope an unknown token", "", "POST", tokens, `{"auth":{"identity":{"methods":["token"],"token":{"id":"nonsense"}}}}`),
		{name: "log in to the system", method: "POST", url: "{identity}" + tokens, body: `{"auth":{"identity":` + admin + `,"scope":{"system":{"all":true}}}}`,
			save: map[string]string{"token.system": "header:X-Subject-Token"}},
		identity("log in to the system without a role", "", "POST", tokens, `{"auth":{"identity":`+password+`,"scope":{"system":{"all":true}}}}`),
		identity("log in to a domain without a role", "", "POST", tokens, `{"auth":{"identity":`+password+`,"scope":{"domain":{"id":"default"}}}}`),
		identity("log in with a wrong password", "", "POST", tokens, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"{user.member}","password":"wrong","domain":{"name":"Default"}}}},`+project+`}}`),
		identity("log in as nobody", "", "POST", tokens, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"nobody","password":"x","domain":{"name":"Default"}}}}}}`),
		identity("log in from no domain", "", "POST", tokens, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"name":"{user.member}","password":"x","domain":{"name":"Nowhere"}}}}}}`),
		identity("log in to no project", "", "POST", tokens, `{"auth":{"identity":`+password+`,"scope":{"project":{"name":"nowhere","domain":{"name":"Default"}}}}}`),
		identity("log in with an unknown method", "", "POST", tokens, `{"auth":{"identity":{"methods":["magic"]}}}`),
		identity("log in without methods", "", "POST", tokens, `{"auth":{"identity":{}}}`),
		identity("log in without identity", "", "POST", tokens, `{"auth":{}}`),
		identity("log in without auth", "", "POST", tokens, `{}`),
		identity("log in with a nameless user", "", "POST", tokens, `{"auth":{"identity":{"methods":["password"],"password":{"user":{"password":"x"}}}}}`),
		identity("log in with broken JSON", "", "POST", tokens, "@not JSON"),
		identity("log in with text", "", "POST", tokens, `{"auth":{}}`, "Content-Type", "text/plain"),
		identity("log in with an application credential", "", "POST", tokens, `{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"{credential.id}","secret":"{credential.secret}"}}}}`),
		identity("application credential with a wrong secret", "", "POST", tokens, `{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"{credential.id}","secret":"wrong"}}}}`),
		identity("application credential that is unknown", "", "POST", tokens, `{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"nonsense","secret":"wrong"}}}}`),
		identity("application credential with a scope", "", "POST", tokens, `{"auth":{"identity":{"methods":["application_credential"],"application_credential":{"id":"{credential.id}","secret":"{credential.secret}"}},`+project+`}}`),
		identity("show own token", "member", "GET", tokens, "", "X-Subject-Token", "{token.member}"),
		identity("check own token", "member", "HEAD", tokens, "", "X-Subject-Token", "{token.member}"),
		identity("show a token of others", "member", "GET", tokens, "", "X-Subject-Token", "{token.other}"),
		identity("show a token as admin", "admin", "GET", tokens, "", "X-Subject-Token", "{token.other}"),
		identity("show an unknown token", "member", "GET", tokens, "", "X-Subject-Token", "nonsense"),
		identity("show a token without one", "", "GET", tokens, "", "X-Subject-Token", "{token.member}"),
		identity("tokens by PUT", "member", "PUT", tokens, "{}"),
		identity("own projects", "member", "GET", "/v3/auth/projects", ""),
		identity("own catalog", "member", "GET", "/v3/auth/catalog", ""),
		identity("projects by name as admin", "admin", "GET", "/v3/projects?name={project.member}", ""),
		identity("projects by unknown name", "admin", "GET", "/v3/projects?name=nowhere", ""),
		identity("projects as member", "member", "GET", "/v3/projects?name={project.member}", ""),
		identity("own project", "member", "GET", "/v3/projects/{projectid.member}", ""),
		identity("project of others", "member", "GET", "/v3/projects/{projectid.other}", ""),
		identity("project of others as admin", "admin", "GET", "/v3/projects/{projectid.other}", ""),
		identity("unknown project as admin", "admin", "GET", "/v3/projects/nowhere", ""),
		identity("unknown project as member", "member", "GET", "/v3/projects/nowhere", ""),
		identity("domains by name as admin", "admin", "GET", "/v3/domains?name=Default", ""),
		identity("unknown domain as admin", "admin", "GET", "/v3/domains/nowhere", ""),
		identity("domains as member", "member", "GET", "/v3/domains?name=Default", ""),
		{name: "log in once more", method: "POST", url: "{identity}" + tokens, body: `{"auth":{"identity":` + password + `,` + project + `}}`,
			save: map[string]string{"token.gone": "header:X-Subject-Token"}},
		identity("revoke a token of others", "other", "DELETE", tokens, "", "X-Subject-Token", "{token.gone}"),
		identity("revoke own token", "gone", "DELETE", tokens, "", "X-Subject-Token", "{token.gone}"),
		get("images with an unscoped token", "unscoped", "images"),
		post("create with an unscoped token", "unscoped", "images", `{"name":"x"}`),
		get("images with a system token", "system", "images?parity={run}"),
		post("create with a system token", "system", "images", `{"name":"x"}`),
	}
}

func aboutSteps() []step {
	at := func(name, method, url, as string, header ...string) step {
		return step{name: name, as: as, method: method, url: url, header: header}
	}
	return []step{
		at("image versions", "GET", "{image}/versions", ""),
		at("image versions with slash", "GET", "{image}/versions/", ""),
		at("image root", "GET", "{image}/", ""),
		at("image API v1", "GET", "{image}/v1/images", "member"),
		at("image API v2 alone", "GET", "{image}/v2", "member"),
		at("image API v2 with slash", "GET", "{image}/v2/", "member"),
		at("image API v2.7", "GET", "{image}/v2.7/schemas/member", "member"),
		at("image API v2.99", "GET", "{image}/v2.99/schemas/member", "member"),
		at("image API without a token", "GET", "{image}/v2/images", ""),
		at("image API with a wrong token", "GET", "{image}/v2/images", "", "X-Auth-Token", "nonsense"),
		at("image API without a token, in JSON", "GET", "{image}/v2/images", "", "Accept", "application/json"),
		at("nonsense without a token", "GET", "{image}/v2/nonsense", ""),
		get("nonsense", "member", "nonsense"),
		get("nonsense asked for in JSON", "member", "nonsense", "Accept", "application/json"),
		get("nonsense asked for in nothing", "member", "nonsense", "Accept", ""),
		get("nonsense asked for in text", "member", "nonsense", "Accept", "text/plain"),
		get("nonsense asked for in JSON or HTML", "member", "nonsense", "Accept", "application/json, text/html;q=0.5"),
		get("nonsense below an image", "member", "images/x/nonsense"),
		get("images with a slash", "member", "images/?parity={run}"),
		at("images by HEAD", "HEAD", "{image}/v2/images", "member"),
		at("images by DELETE", "DELETE", "{image}/v2/images", "member"),
		at("image by POST", "POST", "{image}/v2/images/x", "member"),
		at("file by DELETE", "DELETE", "{image}/v2/images/x/file", "member"),
		at("stage by GET", "GET", "{image}/v2/images/x/stage", "member"),
		at("import by GET", "GET", "{image}/v2/images/x/import", "member"),
		at("tag by GET", "GET", "{image}/v2/images/x/tags/y", "member"),
		at("members by DELETE", "DELETE", "{image}/v2/images/x/members", "member"),
		at("member by POST", "POST", "{image}/v2/images/x/members/y", "member"),
		at("deactivate by GET", "GET", "{image}/v2/images/x/actions/deactivate", "member"),
		at("unknown action", "POST", "{image}/v2/images/x/actions/explode", "member"),
		at("an unknown HTTP method", "BREW", "{image}/v2/nonsense", "member"),
		get("schema of an image", "member", "schemas/image"),
		get("schema of images", "member", "schemas/images"),
		get("schema of a member", "member", "schemas/member"),
		get("schema of members", "member", "schemas/members"),
		get("schema of nothing", "member", "schemas/nonsense"),
		get("import methods", "member", "info/import"),
		get("stores", "member", "info/stores"),
	}
}

func createSteps() []step {
	return []step{
		create("create with nothing", `{}`),
		create("create with a name", `{"id":"{id.a}","name":"a {run}","parity":"{run}"}`),
		create("create in full", `{"id":"{id.b}","name":"b {run}","disk_format":"qcow2","container_format":"bare","visibility":"private","protected":false,"os_hidden":false,"min_disk":1,"min_ram":512,"tags":["two","one","two"],"hw_disk_bus":"virtio","os_distro":"ubuntu","parity":"{run}"}`),
		create("create with an id in use", `{"id":"{id.a}"}`),
		create("create with a null name", `{"name":null,"disk_format":null,"container_format":null}`),
		create("create with an empty name", `{"name":""}`),
		create("create with a name that is a number", `{"name":7}`),
		create("create with a long name", "@long name"),
		create("create with an id that is none", `{"id":"nonsense"}`),
		create("create with an unknown disk format", `{"disk_format":"qcow3"}`),
		create("create with an empty disk format", `{"disk_format":""}`),
		create("create with an unknown container format", `{"container_format":"box"}`),
		create("create with an unknown visibility", `{"visibility":"secret"}`),
		create("create with a visibility of null", `{"visibility":null}`),
		create("create with min_disk as text", `{"min_disk":"3"}`),
		create("create with min_disk as a fraction", `{"min_disk":1.5}`),
		create("create with min_disk as a whole fraction", `{"min_disk":2.0}`),
		create("create with min_disk of null", `{"min_disk":null}`),
		create("create with min_disk of true", `{"min_disk":true}`),
		create("create with a negative min_disk", `{"min_disk":-1}`),
		create("create with a negative min_ram", `{"min_ram":-1}`),
		create("create with a huge min_disk", `{"min_disk":2147483648}`),
		create("create with a huge min_ram", `{"min_ram":99999999999}`),
		create("create with protected as text", `{"protected":"true"}`),
		create("create with os_hidden as a number", `{"os_hidden":1}`),
		create("create with tags as text", `{"tags":"one"}`),
		create("create with a tag that is a number", `{"tags":["one",2]}`),
		create("create with a long tag", "@long tag"),
		create("create with 128 tags", "@128 tags"),
		create("create with 129 tags", "@129 tags"),
		create("create with a number for a property", `{"hw_cpu_cores":4}`),
		create("create with a boolean for a property", `{"hw_boot_menu":true}`),
		create("create with null for a property", `{"kernel_id":null}`),
		create("create with a list for a property", `{"mappings":[{"a":1}]}`),
		create("create with an object for a property", `{"metadata":{"it's":"\"quoted\""}}`),
		create("create with an empty property", `{"id":"{id.e}","empty":"","":"nameless"}`),
		create("create with a long property name", "@long property"),
		create("create with 128 properties", "@full properties"),
		create("create with 129 properties", "@129 properties"),
		create("create with properties named like a patch path", `{"id":"{id.odd}","a/b":"slash","c~d":"tilde"," e ":"blanks","é":"accent"}`),
		create("create with status", `{"status":"active"}`),
		create("create with an unknown status", `{"status":"sleeping"}`),
		create("create with size", `{"size":1}`),
		create("create with size as text", `{"size":"1"}`),
		create("create with checksum", `{"checksum":"x"}`),
		create("create with virtual_size", `{"virtual_size":1}`),
		create("create with created_at", `{"created_at":"2020-01-01T00:00:00Z"}`),
		create("create with file", `{"file":"x"}`),
		create("create with self", `{"self":"x"}`),
		create("create with schema", `{"schema":"x"}`),
		create("create with stores", `{"stores":"x"}`),
		create("create with direct_url", `{"direct_url":"x"}`),
		create("create with location", `{"location":"x"}`),
		create("create with locations", `{"locations":[]}`),
		create("create with deleted", `{"deleted":"x"}`),
		create("create with deleted_at", `{"deleted_at":"x"}`),
		create("create with os_glance", `{"os_glance":"x"}`),
		create("create with os_glance_import_task", `{"os_glance_import_task":"x"}`),
		create("create with OS_GLANCE", `{"id":"{id.caps}","OS_GLANCE":"x"}`),
		create("create with os_hash_value", `{"id":"{id.hash}","os_hash_value":"x"}`),
		create("create with names that the object has", `{"id":"{id.attr}","member":"x","context":"x","base":"x","image_id":"x","extra_properties":"x"}`),
		create("create with text beyond the basic plane", `{"name":"\ud83d\ude00"}`),
		create("create with a property beyond the basic plane", `{"x\ud83d\ude00":"y"}`),
		create("create with accents", `{"id":"{id.acc}","name":"Übung ‘{run}’ <&>","parity":"no"}`),
		create("create with broken JSON", "@not JSON"),
		create("create with Latin-1", "@Latin-1"),
		create("create with a list", `[]`),
		create("create with text", `"x"`),
		create("create without a body", ""),
		{name: "create with a wrong content type", as: "member", method: "POST", url: "{image}/v2/images", body: `{"id":"{id.type}"}`, header: []string{"Content-Type", "text/plain"}},
		{name: "create in chunks", as: "member", method: "POST", url: "{image}/v2/images", body: `{"id":"{id.chunk}"}`, chunked: true},
		{name: "create wrongly, asked for in JSON", as: "member", method: "POST", url: "{image}/v2/images", body: `{"name":7}`, header: []string{"Accept", "application/json"}},
		get("show what has a name only", "member", "images/{id.a}"),
		get("show what was created in full", "member", "images/{id.b}"),
		get("show properties named like a patch path", "member", "images/{id.odd}"),
		get("show an own os_hash_value", "member", "images/{id.hash}"),
		get("show names that the object has", "member", "images/{id.attr}"),
		get("show accents", "member", "images/{id.acc}"),
		get("show empty properties", "member", "images/{id.e}"),
		get("show an unknown image", "member", "images/{id.nix}"),
		get("show what is no id", "member", "images/nonsense"),
		get("show a long id", "member", "images/0123456789012345678901234567890123456789"),
		{name: "show with a body", as: "member", method: "GET", url: "{image}/v2/images/{id.a}", body: `{}`},
	}
}

func patchSteps() []step {
	with := func(name, image, body, kind string) step {
		s := patch(name, image, body)
		s.header = []string{"Content-Type", kind}
		return s
	}
	return []step{
		patch("add a property", "a", `[{"op":"add","path":"/hw_disk_bus","value":"ide"}]`),
		patch("add over a property", "a", `[{"op":"add","path":"/hw_disk_bus","value":"virtio"}]`),
		patch("replace a property", "a", `[{"op":"replace","path":"/hw_disk_bus","value":"scsi"}]`),
		patch("remove a property", "a", `[{"op":"remove","path":"/hw_disk_bus"}]`),
		patch("replace a missing property", "a", `[{"op":"replace","path":"/nothing","value":"x"}]`),
		patch("remove a missing property", "a", `[{"op":"remove","path":"/nothing"}]`),
		patch("all or nothing", "a", `[{"op":"add","path":"/first","value":"x"},{"op":"remove","path":"/nothing"}]`),
		get("nothing was done", "member", "images/{id.a}"),
		patch("several at once", "a", `[{"op":"add","path":"/one","value":"1"},{"op":"replace","path":"/one","value":"2"},{"op":"add","path":"/two","value":"x"},{"op":"remove","path":"/two"},{"op":"replace","path":"/min_ram","value":64}]`),
		patch("no operations", "a", `[]`),
		patch("add base fields", "a", `[{"op":"add","path":"/min_disk","value":2},{"op":"add","path":"/tags","value":["x","y","x"]},{"op":"add","path":"/os_hidden","value":true}]`),
		patch("back to where it was", "a", `[{"op":"replace","path":"/tags","value":[]},{"op":"replace","path":"/os_hidden","value":false},{"op":"replace","path":"/min_disk","value":0}]`),
		patch("remove a base field", "a", `[{"op":"remove","path":"/name"}]`),
		patch("remove tags", "a", `[{"op":"remove","path":"/tags"}]`),
		patch("replace the name by null", "odd", `[{"op":"replace","path":"/name","value":null}]`),
		patch("replace min_disk by text", "a", `[{"op":"replace","path":"/min_disk","value":"3"}]`),
		patch("replace min_disk by a negative number", "a", `[{"op":"replace","path":"/min_disk","value":-1}]`),
		patch("replace min_disk by a huge number", "a", `[{"op":"replace","path":"/min_disk","value":2147483648}]`),
		patch("replace protected by text", "a", `[{"op":"replace","path":"/protected","value":"yes"}]`),
		patch("add a number", "a", `[{"op":"add","path":"/hw_cpu_cores","value":4}]`),
		patch("add null", "a", `[{"op":"add","path":"/kernel_id","value":null}]`),
		patch("add an object", "a", `[{"op":"add","path":"/metadata","value":{"a":1}}]`),
		patch("add the empty text", "a", `[{"op":"add","path":"/nothing_in_it","value":""}]`),
		patch("an unknown operation", "a", `[{"op":"test","path":"/one","value":"2"}]`),
		patch("an operation that is a number", "a", `[{"op":1,"path":"/one","value":"2"}]`),
		patch("an operation of null", "a", `[{"op":null,"path":"/one","value":"2"}]`),
		patch("no operation", "a", `[{"path":"/one","value":"2"}]`),
		patch("no path", "a", `[{"op":"add","value":"2"}]`),
		patch("a path that is a number", "a", `[{"op":"add","path":1,"value":"2"}]`),
		patch("no value", "a", `[{"op":"add","path":"/one"}]`),
		patch("an object instead of a list", "a", `{"op":"add","path":"/one","value":"2"}`),
		patch("a list of texts", "a", `["x"]`),
		patch("broken JSON in a patch", "a", "@not JSON"),
		patch("no body in a patch", "a", ""),
		patch("a path without a slash", "a", `[{"op":"add","path":"one","value":"2"}]`),
		patch("an empty path", "a", `[{"op":"add","path":"","value":"2"}]`),
		patch("a path of a slash", "a", `[{"op":"add","path":"/","value":"2"}]`),
		patch("a path of two parts", "a", `[{"op":"add","path":"/one/two","value":"2"}]`),
		patch("a path that ends in a slash", "a", `[{"op":"add","path":"/one/","value":"2"}]`),
		patch("a path with two slashes", "a", `[{"op":"add","path":"/one//two","value":"2"}]`),
		patch("a path with a bad escape", "a", `[{"op":"add","path":"/one~2","value":"2"}]`),
		patch("a path that ends in a tilde", "a", `[{"op":"add","path":"/one~","value":"2"}]`),
		patch("a path with escapes", "odd", `[{"op":"replace","path":"/a~1b","value":"new"},{"op":"replace","path":"/c~0d","value":"new"},{"op":"add","path":"/~01","value":"tilde one"}]`),
		patch("a path with blanks", "odd", `[{"op":"add","path":"/ blank ","value":"trimmed"}]`),
		patch("a property whose name has blanks", "odd", `[{"op":"remove","path":"/ e "}]`),
		patch("append a tag", "a", `[{"op":"add","path":"/tags/-","value":"x"}]`),
		patch("read-only status", "a", `[{"op":"replace","path":"/status","value":"active"}]`),
		patch("read-only size", "a", `[{"op":"replace","path":"/size","value":1}]`),
		patch("read-only id", "a", `[{"op":"replace","path":"/id","value":"x"}]`),
		patch("read-only os_hash_value", "a", `[{"op":"replace","path":"/os_hash_value","value":"x"}]`),
		patch("read-only file", "a", `[{"op":"add","path":"/file","value":"x"}]`),
		patch("read-only removed", "a", `[{"op":"remove","path":"/checksum"}]`),
		patch("stores in a patch", "a", `[{"op":"add","path":"/stores","value":"x"}]`),
		patch("reserved location", "a", `[{"op":"add","path":"/location","value":"x"}]`),
		patch("reserved deleted_at", "a", `[{"op":"add","path":"/deleted_at","value":"x"}]`),
		patch("reserved prefix", "a", `[{"op":"add","path":"/os_glance_x","value":"x"}]`),
		patch("reserved prefix removed", "a", `[{"op":"remove","path":"/os_glance_x"}]`),
		patch("add a location", "a", `[{"op":"add","path":"/locations/-","value":{"url":"file:///x","metadata":{}}}]`),
		patch("replace locations", "a", `[{"op":"replace","path":"/locations","value":[{"url":"file:///x","metadata":{}}]}]`),
		patch("replace locations by none", "a", `[{"op":"replace","path":"/locations","value":[]}]`),
		patch("remove a location", "a", `[{"op":"remove","path":"/locations/0"}]`),
		patch("locations by a short path", "a", `[{"op":"add","path":"/locations","value":[]}]`),
		patch("replace the owner as a member", "a", `[{"op":"replace","path":"/owner","value":"{projectid.other}"}]`),
		patch("add the owner as a member", "odd", `[{"op":"add","path":"/owner","value":"{projectid.member}"}]`),
		patch("one property too many", "full", `[{"op":"add","path":"/too_many","value":"x"}]`),
		patch("a change to a full image", "full", `[{"op":"replace","path":"/p000","value":"y"}]`),
		patch("swap a property of a full image", "full", `[{"op":"remove","path":"/p000"},{"op":"add","path":"/p128","value":"y"}]`),
		patch("a property in other case", "odd", `[{"op":"add","path":"/lower","value":"x"},{"op":"add","path":"/LOWER","value":"y"}]`),
		get("after properties in other case", "member", "images/{id.odd}"),
		patch("rename a property to other case", "odd", `[{"op":"add","path":"/case","value":"x"}]`),
		patch("rename a property to other case at once", "odd", `[{"op":"remove","path":"/case"},{"op":"add","path":"/CASE","value":"x"}]`),
		patch("remove a property to rename it", "odd", `[{"op":"remove","path":"/case"}]`),
		patch("add a removed property in other case", "odd", `[{"op":"add","path":"/CASE","value":"x"}]`),
		patch("add a removed property again", "odd", `[{"op":"add","path":"/case","value":"x"}]`),
		patch("add a property with an accent", "odd", `[{"op":"add","path":"/cafe","value":"x"},{"op":"add","path":"/caf\u00e9","value":"y"}]`),
		patch("add properties that differ in a blank", "odd", `[{"op":"add","path":"/blank","value":"x"}]`),
		patch("add a value beyond the basic plane", "odd", `[{"op":"add","path":"/hw_x2y_z","value":"\ud83d\ude00"}]`),
		patch("add a tag beyond the basic plane", "odd", `[{"op":"add","path":"/tags","value":["\ud83d\ude00"]}]`),
		patch("add tags that differ in case", "odd", `[{"op":"add","path":"/tags","value":["t","T"]}]`),
		patch("remove one of two tags that differ in case", "odd", `[{"op":"add","path":"/tags","value":["t"]}]`),
		patch("remove two tags that differ in case", "odd", `[{"op":"add","path":"/tags","value":[]}]`),
		get("after tags that differ in case", "member", "images/{id.odd}"),
		patch("add a kernel", "odd", `[{"op":"add","path":"/kernel_id","value":"11111111-2222-3333-4444-555555555555"}]`),
		patch("add a kernel that is no id", "odd", `[{"op":"add","path":"/kernel_id","value":"vmlinuz"}]`),
		patch("add a ramdisk of null", "odd", `[{"op":"add","path":"/ramdisk_id","value":null}]`),
		patch("add an unknown deletion policy", "odd", `[{"op":"add","path":"/cinder_encryption_key_deletion_policy","value":"never"}]`),
		patch("add a deletion policy", "odd", `[{"op":"add","path":"/cinder_encryption_key_deletion_policy","value":"do_not_delete"}]`),
		patch("add a null description", "odd", `[{"op":"add","path":"/description","value":null}]`),
		patch("add a property named member", "odd", `[{"op":"add","path":"/member","value":"x"}]`),
		patch("add a property named context", "odd", `[{"op":"add","path":"/context","value":"x"}]`),
		patch("add a property named image", "odd", `[{"op":"add","path":"/image","value":"x"}]`),
		patch("add a property named base", "odd", `[{"op":"add","path":"/base","value":"x"}]`),
		patch("add a property named repo", "odd", `[{"op":"add","path":"/repo","value":"x"}]`),
		patch("add a property named delete", "odd", `[{"op":"add","path":"/delete","value":"x"}]`),
		patch("add a property named get_data", "odd", `[{"op":"add","path":"/get_data","value":"x"}]`),
		patch("add a property named extra_properties", "odd", `[{"op":"add","path":"/extra_properties","value":"x"}]`),
		patch("add a property named image_id", "odd", `[{"op":"add","path":"/image_id","value":"x"}]`),
		patch("add properties named like the rest of the object", "odd", `[{"op":"add","path":"/helper","value":"x"},{"op":"add","path":"/deactivate","value":"x"},{"op":"add","path":"/reactivate","value":"x"},{"op":"add","path":"/set_data","value":"x"},{"op":"add","path":"/get_payload","value":"x"},{"op":"add","path":"/get_super_class","value":"x"},{"op":"add","path":"/send_notification","value":"x"}]`),
		patch("add a property named notifier", "odd", `[{"op":"add","path":"/notifier","value":"x"}]`),
		patch("replace a property named context", "odd", `[{"op":"replace","path":"/context","value":"x"}]`),
		patch("remove a property named context", "odd", `[{"op":"remove","path":"/context"}]`),
		get("after names that the object has", "member", "images/{id.odd}"),
		with("patch as JSON", "a", `[]`, "application/json"),
		with("patch without a content type", "a", `[]`, ""),
		with("patch as RFC 6902", "a", `[]`, "application/json-patch+json"),
		with("patch with a charset", "a", `[]`, patchType+"; charset=utf-8"),
		with("old patch adds", "a", `[{"add":"/old","value":"x"}]`, oldPatch),
		with("old patch adds what is there", "a", `[{"add":"/old","value":"x"}]`, oldPatch),
		with("old patch replaces", "a", `[{"replace":"/old","value":"y"}]`, oldPatch),
		with("old patch removes", "a", `[{"remove":"/old"}]`, oldPatch),
		with("old patch adds a base field", "a", `[{"add":"/name","value":"y"}]`, oldPatch),
		with("old patch with two operations", "a", `[{"add":"/old","replace":"/old","value":"y"}]`, oldPatch),
		with("old patch without an operation", "a", `[{"value":"y"}]`, oldPatch),
		patch("patch an unknown image", "nix", `[{"op":"add","path":"/one","value":"2"}]`),
		patch("patch an unknown image wrongly", "nix", `[{"op":"add","path":"/status","value":"2"}]`),
		patch("protect", "odd", `[{"op":"replace","path":"/protected","value":true}]`),
		remove("delete a protected image", "member", "images/{id.odd}"),
		patch("unprotect", "odd", `[{"op":"replace","path":"/protected","value":false}]`),
		remove("delete", "member", "images/{id.odd}"),
		remove("delete what is deleted", "member", "images/{id.odd}"),
		get("show what is deleted", "member", "images/{id.odd}"),
		patch("patch what is deleted", "odd", `[{"op":"add","path":"/one","value":"2"}]`),
		create("create with the id of a deleted image", `{"id":"{id.odd}"}`),
		remove("delete an unknown image", "member", "images/{id.nix}"),
		{name: "delete with a body", as: "member", method: "DELETE", url: "{image}/v2/images/{id.nix}", body: `{}`},
	}
}

func dataSteps() []step {
	image := func(id, disk, container string) step {
		return create("create to upload "+id, `{"id":"{id.`+id+`}","name":"`+id+` {run}","disk_format":"`+disk+`","container_format":"`+container+`","parity":"{run}"}`)
	}
	upload := func(name, id, payload string, header ...string) step {
		return put(name, "member", "images/{id."+id+"}/file", payload, header...)
	}
	download := func(name, id string, header ...string) step {
		return get(name, "member", "images/{id."+id+"}/file", header...)
	}
	byRange := func(name, spec string) step { return download(name, "raw", "Range", spec) }
	return []step{
		image("raw", "raw", "bare"),
		download("download before upload", "raw"),
		upload("upload with a wrong content type", "raw", "@hello", "Content-Type", "text/plain"),
		upload("upload without a content type", "raw", "@hello", "Content-Type", ""),
		upload("upload to an unknown store", "raw", "@hello", "X-Image-Meta-Store", "nowhere"),
		upload("upload to an unknown image", "nix", "@hello"),
		upload("upload without formats", "a", "@hello"),
		patch("give a disk format", "a", `[{"op":"replace","path":"/disk_format","value":"raw"}]`),
		upload("upload without a container format", "a", "@hello"),
		upload("upload", "raw", "@hello"),
		get("show what was uploaded", "member", "images/{id.raw}"),
		upload("upload again", "raw", "@hello"),
		download("download", "raw"),
		byRange("range", "bytes=1-4"),
		byRange("range from a place", "bytes=7-"),
		byRange("range of the end", "bytes=-5"),
		byRange("range of more than all", "bytes=-500"),
		byRange("range over the end", "bytes=10-1000"),
		byRange("range of one byte", "bytes=0-0"),
		byRange("range of all", "bytes=0-11"),
		byRange("range behind the end", "bytes=12-"),
		byRange("range backwards", "bytes=4-2"),
		byRange("range in other units", "chunks=1-2"),
		byRange("range without numbers", "bytes=a-b"),
		byRange("two ranges", "bytes=0-1,3-4"),
		{name: "download with a body", as: "member", method: "GET", url: "{image}/v2/images/{id.raw}/file", body: `{}`},
		{name: "file by HEAD", as: "member", method: "HEAD", url: "{image}/v2/images/{id.raw}/file"},
		download("download an unknown image", "nix"),
		patch("change the disk format of an active image", "raw", `[{"op":"replace","path":"/disk_format","value":"qcow2"}]`),
		patch("change the container format of an active image", "raw", `[{"op":"replace","path":"/container_format","value":"ovf"}]`),
		patch("change an active image", "raw", `[{"op":"add","path":"/hw_vif_model","value":"e1000"},{"op":"replace","path":"/name","value":"raw {run} renamed"}]`),

		upload("upload a qcow2", "b", "@qcow2"),
		get("show the qcow2", "member", "images/{id.b}"),
		image("v3", "qcow2", "bare"),
		upload("upload a qcow2 of version 3", "v3", "@qcow2v3"),
		get("show the qcow2 of version 3", "member", "images/{id.v3}"),
		image("back", "qcow2", "bare"),
		upload("upload a qcow2 with a backing file", "back", "@backed"),
		get("show the qcow2 with a backing file", "member", "images/{id.back}"),
		image("ext", "qcow2", "bare"),
		upload("upload a qcow2 with extended L2", "ext", "@extended"),
		image("short", "qcow2", "bare"),
		upload("upload a short qcow2", "short", "@short"),
		image("wrong", "qcow2", "bare"),
		upload("upload raw data as qcow2", "wrong", "@hello"),
		get("show what was raw data as qcow2", "member", "images/{id.wrong}"),
		patch("change the format of what was refused", "wrong", `[{"op":"replace","path":"/disk_format","value":"raw"}]`),
		upload("upload again what was refused", "wrong", "@hello"),
		get("show what was uploaded again", "member", "images/{id.wrong}"),
		upload("upload what was refused to another store", "wrong", "@hello", "X-Image-Meta-Store", "slow"),
		get("show what was uploaded to another store", "member", "images/{id.wrong}"),
		image("wrong2", "raw", "bare"),
		upload("upload a qcow2 as raw", "wrong2", "@qcow2"),
		get("show the qcow2 as raw", "member", "images/{id.wrong2}"),
		image("iso", "iso", "bare"),
		upload("upload an iso", "iso", "@iso"),
		get("show the iso", "member", "images/{id.iso}"),
		image("hybrid", "iso", "bare"),
		upload("upload a hybrid iso", "hybrid", "@isogpt"),
		image("gpt", "raw", "bare"),
		upload("upload a partitioned disk", "gpt", "@gpt"),
		get("show the partitioned disk", "member", "images/{id.gpt}"),
		image("gptq", "qcow2", "bare"),
		upload("upload a partitioned disk as qcow2", "gptq", "@mbr"),
		image("ami", "ami", "ami"),
		upload("upload an ami", "ami", "@hello"),
		get("show the ami", "member", "images/{id.ami}"),
		image("ami2", "ami", "bare"),
		upload("upload a bare ami", "ami2", "@hello"),
		image("ovf", "qcow2", "ovf"),
		upload("upload anything in an ovf", "ovf", "@hello"),
		get("show the ovf", "member", "images/{id.ovf}"),
		image("none", "raw", "bare"),
		upload("upload nothing", "none", "@empty"),
		get("show what is empty", "member", "images/{id.none}"),
		download("download what is empty", "none"),
		download("range of what is empty", "none", "Range", "bytes=0-"),
		image("chunk2", "raw", "bare"),
		{name: "upload in chunks", as: "member", method: "PUT", url: "{image}/v2/images/{id.chunk2}/file", body: "@hello", chunked: true, header: []string{"Content-Type", octets}},
		get("show what came in chunks", "member", "images/{id.chunk2}"),
		image("cut", "raw", "bare"),
		{name: "upload that breaks off", as: "member", method: "PUT", url: "{image}/v2/images/{id.cut}/file", body: "@hello", breaks: true},
		func() step {
			s := get("show what broke off", "member", "images/{id.cut}")
			s.until = "status=queued|active|killed"
			return s
		}(),
		upload("upload again what broke off", "cut", "@hello"),
		get("show what broke off and was uploaded again", "member", "images/{id.cut}"),
		image("slow", "raw", "bare"),
		upload("upload to the second store", "slow", "@hello", "X-Image-Meta-Store", "slow"),
		get("show what is in the second store", "member", "images/{id.slow}"),
		image("full2", "raw", "bare"),
		upload("upload to a full store", "full2", "@large", "X-Image-Meta-Store", "tiny"),
		get("show what did not fit", "member", "images/{id.full2}"),

		post("deactivate", "member", "images/{id.raw}/actions/deactivate", ""),
		post("deactivate again", "member", "images/{id.raw}/actions/deactivate", ""),
		get("show the deactivated image", "member", "images/{id.raw}"),
		get("show the deactivated image to an admin", "admin", "images/{id.raw}"),
		download("download the deactivated image", "raw"),
		get("download the deactivated image as admin", "admin", "images/{id.raw}/file"),
		upload("upload to a deactivated image", "raw", "@hello"),
		patch("patch the deactivated image", "raw", `[{"op":"add","path":"/x","value":"y"}]`),
		post("reactivate", "member", "images/{id.raw}/actions/reactivate", ""),
		post("reactivate again", "member", "images/{id.raw}/actions/reactivate", ""),
		post("deactivate a queued image", "member", "images/{id.a}/actions/deactivate", ""),
		post("reactivate a queued image", "member", "images/{id.a}/actions/reactivate", ""),
		post("deactivate an unknown image", "member", "images/{id.nix}/actions/deactivate", ""),
		post("deactivate with a body", "member", "images/{id.raw}/actions/deactivate", "{}"),
		post("deactivate an image of others", "other", "images/{id.raw}/actions/deactivate", ""),
	}
}

func importSteps() []step {
	start := func(name, id, body string) step {
		return post(name, "member", "images/{id."+id+"}/import", body)
	}
	image := func(id string) step {
		return create("create to import "+id, `{"id":"{id.`+id+`}","name":"`+id+` {run}","disk_format":"qcow2","container_format":"bare","parity":"{run}"}`)
	}
	wait := func(name, id, until string) step {
		s := get(name, "member", "images/{id."+id+"}")
		s.until = until
		return s
	}
	// The lock is dropped when all else is done.
	const done = "os_glance_import_task=<nil>"
	ended := func(name, id string) step {
		s := get(name, "member", "images/{id."+id+"}/tasks")
		s.until = "tasks.0.status=success|failure"
		return s
	}
	return []step{
		image("imp"),
		start("import without staging", "imp", `{"method":{"name":"glance-direct"}}`),
		start("import without a method", "imp", `{}`),
		start("import without a name", "imp", `{"method":{}}`),
		start("import by magic", "imp", `{"method":{"name":"magic"}}`),
		start("import without a body", "imp", ""),
		start("import with a stores flag that is none", "imp", `{"method":{"name":"glance-direct"},"all_stores_must_succeed":"yes"}`),
		start("import with all_stores that is none", "imp", `{"method":{"name":"glance-direct"},"all_stores":"yes"}`),
		start("import to an unknown image", "nix", `{"method":{"name":"glance-direct"}}`),
		put("stage with a wrong content type", "member", "images/{id.imp}/stage", "@qcow2", "Content-Type", "text/plain"),
		put("stage for an unknown image", "member", "images/{id.nix}/stage", "@qcow2"),
		put("stage", "member", "images/{id.imp}/stage", "@qcow2"),
		get("show what is staged", "member", "images/{id.imp}"),
		put("stage again", "member", "images/{id.imp}/stage", "@qcow2"),
		put("upload what is staged", "member", "images/{id.imp}/file", "@qcow2"),
		get("download what is staged", "member", "images/{id.imp}/file"),
		start("download into what is staged", "imp", `{"method":{"name":"web-download","uri":"{web}/qcow2"}}`),
		start("import to an unknown store", "imp", `{"method":{"name":"glance-direct"},"stores":["nowhere"]}`),
		start("import to all stores and one", "imp", `{"method":{"name":"glance-direct"},"all_stores":true,"stores":["fast"]}`),
		start("import", "imp", `{"method":{"name":"glance-direct"}}`),
		wait("show what was imported", "imp", done),
		get("tasks of an image", "member", "images/{id.imp}/tasks"),
		get("tasks of an unknown image", "member", "images/{id.nix}/tasks"),
		start("import into an active image", "imp", `{"method":{"name":"glance-direct"}}`),
		put("stage for an active image", "member", "images/{id.imp}/stage", "@qcow2"),

		image("two"),
		put("stage for two stores", "member", "images/{id.two}/stage", "@qcow2"),
		start("import to two stores", "two", `{"method":{"name":"glance-direct"},"stores":["fast","slow"]}`),
		wait("show what is in two stores", "two", done),

		image("web"),
		start("download from nowhere", "web", `{"method":{"name":"web-download"}}`),
		start("download by file", "web", `{"method":{"name":"web-download","uri":"file:///etc/passwd"}}`),
		start("download by web", "web", `{"method":{"name":"web-download","uri":"{web}/qcow2"}}`),
		wait("show what was downloaded", "web", done),
		image("web2"),
		start("download what is not there", "web2", `{"method":{"name":"web-download","uri":"{web}/missing"}}`),
		ended("tasks of a failed download", "web2"),
		wait("show what could not be downloaded", "web2", done),
		image("web3"),
		start("download without a length", "web3", `{"method":{"name":"web-download","uri":"{web}/chunked/qcow2"}}`),
		ended("tasks of a download without a length", "web3"),
		wait("show what was downloaded without a length", "web3", done),
		image("bad"),
		put("stage what is no qcow2", "member", "images/{id.bad}/stage", "@hello"),
		start("import what is no qcow2", "bad", `{"method":{"name":"glance-direct"}}`),
		ended("tasks of a failed import", "bad"),
		wait("show what is no qcow2", "bad", done),
		create("create to import into a full store", `{"id":"{id.big}","name":"big {run}","disk_format":"raw","container_format":"bare"}`),
		put("stage for a full store", "member", "images/{id.big}/stage", "@large"),
		start("import into a full store", "big", `{"method":{"name":"glance-direct"},"stores":["fast","tiny"]}`),
		ended("tasks of an import into a full store", "big"),
		wait("show what was imported into a full store", "big", done),
		create("create to import where it fits", `{"id":"{id.fits}","name":"fits {run}","disk_format":"raw","container_format":"bare"}`),
		put("stage for where it fits", "member", "images/{id.fits}/stage", "@large"),
		start("import where it fits", "fits", `{"method":{"name":"glance-direct"},"stores":["tiny","fast"],"all_stores_must_succeed":false}`),
		ended("tasks of an import where it fits", "fits"),
		wait("show what was imported where it fits", "fits", done),
		image("nil"),
		put("stage for no store", "member", "images/{id.nil}/stage", "@qcow2"),
		start("import into no store", "nil", `{"method":{"name":"glance-direct"},"stores":[]}`),
		ended("tasks of an import into no store", "nil"),
		wait("show what was imported into no store", "nil", done),
		create("create to import without formats", `{"id":"{id.form}"}`),
		put("stage without formats", "member", "images/{id.form}/stage", "@hello"),
		start("import without formats", "form", `{"method":{"name":"glance-direct"}}`),

		start("copy as a member", "imp", `{"method":{"name":"copy-image"},"stores":["slow"]}`),
		post("copy to where it is", "admin", "images/{id.imp}/import", `{"method":{"name":"copy-image"},"stores":["fast"]}`),
		post("copy", "admin", "images/{id.imp}/import", `{"method":{"name":"copy-image"},"stores":["slow"]}`),
		wait("show the copy", "imp", done),
		post("copy a queued image", "admin", "images/{id.a}/import", `{"method":{"name":"copy-image"},"stores":["slow"]}`),
		remove("delete a staged image", "member", "images/{id.form}"),
	}
}

func listSteps() []step {
	image := func(id, more string) step {
		s := create("create to list "+id, `{"id":"{id.`+id+`}","name":"`+id+` {run}","listed":"{run}"`+more+`}`)
		s.tick = true
		return s
	}
	list := func(name, query string) step {
		return get("list "+name, "member", "images?listed={run}"+query)
	}
	raw := func(name, query string) step { return get("list "+name, "member", "images"+query) }
	return []step{
		image("l1", `,"disk_format":"raw","container_format":"bare","min_disk":1,"min_ram":10,"tags":["red","round"],"os_distro":"ubuntu"`),
		image("l2", `,"disk_format":"qcow2","container_format":"bare","min_disk":5,"tags":["red"],"os_distro":"Ubuntu","protected":true`),
		image("l3", `,"disk_format":"qcow2","visibility":"community","tags":["round"],"os_distro":"debian"`),
		image("l4", `,"visibility":"private","os_hidden":true`),
		image("l5", `,"visibility":"private","os_distro":"debian"`),
		put("upload to be listed", "member", "images/{id.l1}/file", "@hello"),
		list("all", ""),
		list("a first page", "&limit=2"),
		list("a second page", "&limit=2&marker={id.l3}"),
		list("a last page", "&limit=2&marker={id.l1}"),
		list("a page that just fits", "&limit=4"),
		list("no images", "&limit=0"),
		list("a negative number", "&limit=-1"),
		list("a number that is none", "&limit=x"),
		list("a huge page", "&limit=100000"),
		list("from an unknown marker", "&marker={id.nix}"),
		list("from a marker that is no id", "&marker=x"),
		list("by name", "&sort=name:asc"),
		list("by name downwards", "&sort=name:desc"),
		list("by name without direction", "&sort=name"),
		list("by two keys", "&sort=disk_format:asc,name:desc"),
		list("by size", "&sort=size:asc"),
		list("by size, in pages", "&sort=size:asc&limit=2&marker={id.l3}"),
		list("by disk format, in pages", "&sort=disk_format:asc&limit=1&marker={id.l5}"),
		list("by classic keys", "&sort_key=disk_format&sort_key=name&sort_dir=asc"),
		list("by classic keys with directions", "&sort_key=disk_format&sort_dir=asc&sort_key=name&sort_dir=desc"),
		list("by too many directions", "&sort_key=name&sort_dir=asc&sort_dir=desc"),
		list("by both syntaxes", "&sort=name&sort_dir=asc"),
		list("by an unknown key", "&sort=owner:asc"),
		list("by an unknown direction", "&sort=name:up"),
		list("by an empty sort", "&sort="),
		list("by a classic unknown key", "&sort_key=nonsense"),
		list("by creation", "&sort=created_at:asc&limit=3"),
		list("by id", "&sort=id:asc&limit=1"),
		list("with a name", "&name=l1 {run}"),
		list("with a name in other case", "&name=L1 {run}"),
		list("with a name in a list", "&name=in:\"l1 {run}\",\"l2 {run}\""),
		list("with ids in a list", "&id=in:{id.l1},{id.l5}"),
		list("with one id", "&id={id.l2}"),
		list("with statuses in a list", "&status=in:active,saving"),
		list("with a status", "&status=queued"),
		list("with an unknown status", "&status=sleeping"),
		list("with a disk format", "&disk_format=qcow2"),
		list("with disk formats in a list", "&disk_format=in:qcow2,raw"),
		list("with a container format", "&container_format=bare"),
		list("with an unknown operator", "&name=like:l1"),
		list("with an open quote", "&name=in:\"l1"),
		list("with a quote without a comma", "&name=in:l1\"x\""),
		list("with a visibility", "&visibility=private"),
		list("with any visibility", "&visibility=all"),
		list("with community images", "&visibility=community"),
		list("with an unknown visibility", "&visibility=secret"),
		list("with an empty visibility", "&visibility="),
		list("with hidden ones", "&os_hidden=true"),
		list("with hidden ones, loudly", "&os_hidden=TRUE"),
		list("with hidden ones, wrongly", "&os_hidden=1"),
		list("with protected ones", "&protected=true"),
		list("with unprotected ones", "&protected=false"),
		list("with protected ones, wrongly", "&protected=True"),
		list("with a tag", "&tag=red"),
		list("with two tags", "&tag=red&tag=round"),
		list("with two tags in pages", "&tag=red&tag=round&limit=1"),
		list("with an unknown tag", "&tag=blue"),
		list("with a tag in other case", "&tag=RED"),
		list("with an owner", "&owner={projectid.member}"),
		list("with another owner", "&owner={projectid.other}"),
		list("with a property", "&os_distro=debian"),
		list("with a property in other case", "&os_distro=UBUNTU"),
		list("with an unknown property", "&nothing=x"),
		list("with a size at least", "&size_min=1"),
		list("with a size at most", "&size_max=11"),
		list("with a size that is none", "&size_min=x"),
		list("with a bound on a property", "&os_distro_min=1"),
		list("with a bound on min_disk", "&min_disk_min=2"),
		list("with a size", "&size=12"),
		list("with a min_disk", "&min_disk=5"),
		list("with a min_disk that is no number", "&min_disk=x"),
		list("with a checksum", "&checksum=08a5cf6d8b4a0aa2a5b4d9e3d3d5f6a7"),
		list("created after", "&created_at=gt:2000-01-01T00:00:00Z"),
		list("created before", "&created_at=lt:2000-01-01T00:00:00Z"),
		list("created at", "&created_at=2000-01-01T00:00:00Z"),
		list("updated not at", "&updated_at=neq:2000-01-01T00:00:00Z&limit=1"),
		list("created at a time that is none", "&created_at=gt:yesterday"),
		list("created by an unknown operator", "&created_at=about:2000-01-01T00:00:00Z"),
		list("changed since", "&changes-since=2000-01-01T00:00:00Z"),
		list("with a member status", "&member_status=all"),
		list("with an unknown member status", "&member_status=nonsense"),
		list("deleted ones", "&deleted=true"),
		raw("with a property twice", "?listed=x&listed={run}&limit=1"),
		raw("with a limit twice", "?listed={run}&limit=1&limit=2"),
		raw("with a marker twice", "?listed={run}&marker={id.l3}&marker={id.l1}"),
		raw("with an encoded plus", "?listed={run}&name=l1+{run}"),
		raw("with an empty parameter", "?listed={run}&&limit=1"),
		patch("unprotect to be deleted", "l2", `[{"op":"replace","path":"/protected","value":false}]`),
		remove("delete the marker", "member", "images/{id.l2}"),
		list("from a deleted marker", "&marker={id.l2}"),
		get("list as the others", "other", "images?listed={run}"),
		get("list community images as the others", "other", "images?listed={run}&visibility=community"),
		get("list all visibilities as the others", "other", "images?listed={run}&visibility=all"),
		get("list as admin", "admin", "images?listed={run}"),
		get("list as reader", "reader", "images?listed={run}&limit=1"),
		get("list from a marker of others", "other", "images?listed={run}&marker={id.l5}"),
	}
}

func sharingSteps() []step {
	members := func(name, as, method, path, body string) step {
		return step{name: name, as: as, method: method, url: "{image}/v2/images/{id.share}/members" + path, body: body}
	}
	tag := func(name, method, image, tag string) step {
		return step{name: name, as: "member", method: method, url: "{image}/v2/images/{id." + image + "}/tags/" + tag}
	}
	return []step{
		create("create to share", `{"id":"{id.share}","name":"share {run}","shared":"{run}"}`),
		members("no members yet", "member", "GET", "", ""),
		get("show to the others before sharing", "other", "images/{id.share}"),
		members("share", "member", "POST", "", `{"member":"{projectid.other}"}`),
		members("share again", "member", "POST", "", `{"member":"{projectid.other}"}`),
		members("share with nobody", "member", "POST", "", `{"member":""}`),
		members("share without a member", "member", "POST", "", `{}`),
		members("share with a list", "member", "POST", "", `["x"]`),
		members("share with a third", "member", "POST", "", `{"member":"third"}`),
		members("list members", "member", "GET", "", ""),
		members("list members as the others", "other", "GET", "", ""),
		members("show a member", "member", "GET", "/{projectid.other}", ""),
		members("show a member as the others", "other", "GET", "/{projectid.other}", ""),
		members("show a third member as the others", "other", "GET", "/third", ""),
		members("show an unknown member", "member", "GET", "/nobody", ""),
		get("show what is shared", "other", "images/{id.share}"),
		get("list what is shared but not accepted", "other", "images?shared={run}"),
		get("list what is pending", "other", "images?shared={run}&member_status=pending"),
		get("list what has any member status", "other", "images?shared={run}&member_status=all"),
		members("accept as the owner", "member", "PUT", "/{projectid.other}", `{"status":"accepted"}`),
		members("accept", "other", "PUT", "/{projectid.other}", `{"status":"accepted"}`),
		members("an unknown member status", "other", "PUT", "/{projectid.other}", `{"status":"maybe"}`),
		members("no member status", "other", "PUT", "/{projectid.other}", `{}`),
		members("a list for a member status", "other", "PUT", "/{projectid.other}", `[]`),
		members("accept for a third", "other", "PUT", "/third", `{"status":"accepted"}`),
		get("list what is shared and accepted", "other", "images?shared={run}"),
		get("list what is shared and accepted, with its visibility", "other", "images?shared={run}&visibility=shared"),
		patchAs("patch what is shared", "other", "share", `[{"op":"add","path":"/x","value":"y"}]`),
		remove("delete what is shared", "other", "images/{id.share}"),
		members("share further", "other", "POST", "", `{"member":"fourth"}`),
		members("withdraw as the others", "other", "DELETE", "/{projectid.other}", ""),
		members("withdraw", "member", "DELETE", "/{projectid.other}", ""),
		members("withdraw again", "member", "DELETE", "/{projectid.other}", ""),
		get("show what was withdrawn", "other", "images/{id.share}"),
		post("share a private image", "member", "images/{id.b}/members", `{"member":"{projectid.other}"}`),
		get("members of a private image", "member", "images/{id.b}/members"),
		get("a member of a private image", "member", "images/{id.b}/members/x"),
		get("members of an unknown image", "member", "images/{id.nix}/members"),
		get("members of an image of others", "other", "images/{id.l5}/members"),

		tag("add a tag", "PUT", "share", "one"),
		tag("add a tag again", "PUT", "share", "one"),
		tag("add a tag with blanks", "PUT", "share", "two%20words"),
		tag("add a tag with a slash", "PUT", "share", "two%2Fparts"),
		tag("add a tag in other case", "PUT", "share", "ONE"),
		get("show the tags", "member", "images/{id.share}"),
		tag("remove a tag", "DELETE", "share", "one"),
		tag("remove a missing tag", "DELETE", "share", "three"),
		tag("add a tag to an unknown image", "PUT", "nix", "one"),
		tag("one tag too many", "PUT", "tags", "t128"),
		{name: "add a tag with a body", as: "member", method: "PUT", url: "{image}/v2/images/{id.share}/tags/x", body: "{}"},
		{name: "add a tag to an image of others", as: "other", method: "PUT", url: "{image}/v2/images/{id.l3}/tags/x"},
		{name: "add a tag to an invisible image", as: "other", method: "PUT", url: "{image}/v2/images/{id.l5}/tags/x"},
	}
}

func policySteps() []step {
	return []step{
		post("reader creates", "reader", "images", `{"name":"x"}`),
		patchAs("reader patches", "reader", "a", `[{"op":"add","path":"/x","value":"y"}]`),
		put("reader uploads", "reader", "images/{id.a}/file", "@hello"),
		put("reader stages", "reader", "images/{id.a}/stage", "@hello"),
		remove("reader deletes", "reader", "images/{id.a}"),
		get("reader shows", "reader", "images/{id.a}"),
		get("reader downloads", "reader", "images/{id.raw}/file"),
		post("reader deactivates", "reader", "images/{id.raw}/actions/deactivate", ""),
		post("reader imports", "reader", "images/{id.a}/import", `{"method":{"name":"web-download","uri":"{web}/qcow2"}}`),
		create("member makes public", `{"visibility":"public"}`),
		patch("member patches to public", "a", `[{"op":"replace","path":"/visibility","value":"public"}]`),
		patch("member patches to community", "a", `[{"op":"replace","path":"/visibility","value":"community"}]`),
		patch("member patches to private", "a", `[{"op":"replace","path":"/visibility","value":"private"}]`),
		create("member creates for others", `{"owner":"{projectid.other}"}`),
		create("member creates for nobody", `{"owner":null}`),
		post("admin creates for others", "admin", "images", `{"id":"{id.gift}","owner":"{projectid.other}","name":"gift"}`),
		post("admin creates in public", "admin", "images", `{"id":"{id.pub}","name":"pub {run}","visibility":"public","published":"{run}","disk_format":"raw","container_format":"bare"}`),
		get("member shows what is public", "member", "images/{id.pub}"),
		get("member lists what is public", "member", "images?published={run}"),
		patch("member patches what is public", "pub", `[{"op":"add","path":"/x","value":"y"}]`),
		patch("member publishes what is public", "pub", `[{"op":"replace","path":"/visibility","value":"public"}]`),
		remove("member deletes what is public", "member", "images/{id.pub}"),
		put("member uploads to what is public", "member", "images/{id.pub}/file", "@hello"),
		put("member stages for what is public", "member", "images/{id.pub}/stage", "@hello"),
		post("member imports into what is public", "member", "images/{id.pub}/import", `{"method":{"name":"web-download","uri":"{web}/qcow2"}}`),
		get("others show what is private", "other", "images/{id.a}"),
		patchAs("others patch what is private", "other", "a", `[{"op":"add","path":"/x","value":"y"}]`),
		remove("others delete what is private", "other", "images/{id.a}"),
		put("others upload to what is private", "other", "images/{id.a}/file", "@hello"),
		get("others download what is private", "other", "images/{id.b}/file"),
		get("others show community", "other", "images/{id.l3}"),
		patchAs("others patch community", "other", "l3", `[{"op":"add","path":"/x","value":"y"}]`),
		get("admin shows what is private", "admin", "images/{id.a}"),
		patchAs("admin patches what is private", "admin", "a", `[{"op":"add","path":"/admin","value":"was here"}]`),
		patchAs("admin gives away", "admin", "a", `[{"op":"replace","path":"/owner","value":"{projectid.other}"}]`),
		get("show what was given away", "member", "images/{id.a}"),
		patchAs("admin gives to nobody", "admin", "a", `[{"op":"replace","path":"/owner","value":null}]`),
		get("show what is nobody's", "member", "images/{id.a}"),
		patch("patch what is nobody's", "a", `[{"op":"add","path":"/x","value":"y"}]`),
		get("list what is nobody's", "member", "images?parity={run}&name=a {run}"),
	}
}

// endSteps deletes what the script has made and not deleted itself.
func endSteps() []step {
	var steps []step
	for _, id := range []string{
		"a", "b", "e", "full", "tags", "caps", "hash", "attr", "acc", "type", "chunk", "raw", "v3", "back", "ext", "short", "wrong",
		"wrong2", "iso", "hybrid", "gpt", "gptq", "ami", "ami2", "ovf", "none", "chunk2", "cut", "slow", "full2", "imp", "two", "web", "web2", "web3",
		"bad", "big", "fits", "nil", "l1", "l3", "l4", "l5", "share", "gift", "pub",
	} {
		steps = append(steps, remove("clean up "+id, "admin", "images/{id."+id+"}"))
	}
	return steps
}
