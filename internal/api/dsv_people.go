package api

import (
	"slices"

	"annal"
	"annal/internal/identity"
)

// DSV's users, groups, roles and clients.

// dsvPeople returns their routes, and the events that each of them leaves.
func dsvPeople() []Route {
	routes := dsvBoth(
		Route{"POST /v1/users", "audit:admin", 201, createUser},
		Route{"GET /v1/users", "audit:admin", 200, dsvFind(func(c *Call, tenant string, q identity.Search) (identity.Found[identity.User], error) {
			return c.s.Directory.Users(tenant, q)
		}, appendUser)},
		Route{"POST /v1/groups", "audit:admin", 201, createGroup},
		Route{"GET /v1/groups", "audit:admin", 200, dsvFind(func(c *Call, tenant string, q identity.Search) (identity.Found[identity.Group], error) {
			return c.s.Directory.Groups(tenant, q)
		}, appendGroup)},
		Route{"POST /v1/roles", "audit:admin", 201, createRole},
		Route{"GET /v1/roles", "audit:admin", 200, dsvFind(func(c *Call, tenant string, q identity.Search) (identity.Found[identity.Role], error) {
			return c.s.Directory.Roles(tenant, q)
		}, appendRole)},
		Route{"POST /v1/clients", "audit:admin", 201, createClient},
		Route{"GET /v1/clients", "audit:admin", 200, dsvFind(func(c *Call, tenant string, q identity.Search) (identity.Found[identity.Client], error) {
			return c.s.Directory.Clients(tenant, q)
		}, appendClient)},
	)
	return append(routes,
		Route{"GET /v1/users/{name}", "audit:admin", 200, dsvRead(readUser, appendUser)},
		Route{"PUT /v1/users/{name}", "audit:admin", 200, updateUser},
		Route{"DELETE /v1/users/{name}", "audit:admin", 200, deleteUser},
		Route{"GET /v1/users/{name}/groups", "audit:admin", 200, groupsOfUser},
		Route{"GET /v1/groups/{name}", "audit:admin", 200, dsvRead(readGroup, appendGroup)},
		Route{"DELETE /v1/groups/{name}", "audit:admin", 200, deleteGroup},
		Route{"POST /v1/groups/{name}/members", "audit:admin", 200, addMembers},
		Route{"DELETE /v1/groups/{name}/members", "audit:admin", 204, removeMembers},
		Route{"GET /v1/roles/{name}", "audit:admin", 200, dsvRead(readRole, appendRole)},
		Route{"PUT /v1/roles/{name}", "audit:admin", 200, updateRole},
		Route{"DELETE /v1/roles/{name}", "audit:admin", 200, deleteRole},
		Route{"GET /v1/clients/{id}", "audit:admin", 200, dsvRead(readClient, appendClient)},
		Route{"DELETE /v1/clients/{id}", "audit:admin", 200, deleteClient},
	)
}

func readUser(c *Call, tenant, name string) (identity.User, error) {
	return c.s.Directory.User(tenant, name)
}

func readGroup(c *Call, tenant, name string) (identity.Group, error) {
	return c.s.Directory.Group(tenant, name)
}

func readRole(c *Call, tenant, name string) (identity.Role, error) {
	return c.s.Directory.Role(tenant, name)
}

func readClient(c *Call, tenant, id string) (identity.Client, error) {
	return c.s.Directory.Client(tenant, id)
}

// noteThing records what became of a thing of the tenant that is administered.
// The path is the request's, as in DSV's catalogue: a new user is "users".
func (c *Call) noteThing(kind, name string, old, is any) {
	c.note(Change{
		Tenant: c.administered(), Old: old, New: is,
		Resource: annal.Resource{Type: kind, ID: name, Name: name},
	})
}

type userBody struct {
	UserName    string  `json:"userName"`
	Password    string  `json:"password"`
	DisplayName *string `json:"displayName"`
	Displayname *string `json:"displayname"` // as the client spells it in an update
	Provider    string  `json:"provider"`
	ExternalID  string  `json:"externalId"`
}

func createUser(c *Call) error {
	var body userBody
	if err := c.readLoose(&body); err != nil {
		return err
	}
	if body.Provider != "" || body.ExternalID != "" {
		return annal.Invalid("provider", "unable to find authentication provider: annal's own users sign in with a password")
	}
	if err := c.settle(); err != nil {
		return err
	}
	u := identity.User{Name: body.UserName}
	if body.DisplayName != nil {
		u.DisplayName = *body.DisplayName
	}
	u, err := c.s.Directory.CreateUser(c.Caller.Subject, c.administered(), u, body.Password)
	if err != nil {
		return dsvError(err, takenPrincipal)
	}
	c.noteThing("user", u.Name, nil, userFacts(&u))
	appendUser(&c.out, &u)
	return nil
}

func updateUser(c *Call) error {
	var body userBody
	if err := c.readLoose(&body); err != nil {
		return err
	}
	old, err := readUser(c, c.administered(), c.values[0])
	if err != nil {
		return dsvError(err, "")
	}
	if err := c.mayChange(&old); err != nil {
		return err
	}
	var password *string
	if body.Password != "" {
		password = &body.Password
	}
	if body.DisplayName == nil {
		body.DisplayName = body.Displayname
	}
	u, err := c.s.Directory.ChangeUser(c.Caller.Subject, c.administered(), old.Name, body.DisplayName, password)
	if err != nil {
		return dsvError(err, "")
	}
	facts := userFacts(&u)
	facts["password_changed"] = password != nil
	c.noteThing("user", u.Name, userFacts(&old), facts)
	appendUser(&c.out, &u)
	return nil
}

func deleteUser(c *Call) error {
	old, err := readUser(c, c.administered(), c.values[0])
	if err != nil {
		return dsvError(err, "")
	}
	if err := c.mayChange(&old); err != nil {
		return err
	}
	if err := c.s.Directory.DeleteUser(c.administered(), old.Name); err != nil {
		return dsvError(err, "")
	}
	c.noteThing("user", old.Name, userFacts(&old), nil)
	return nil
}

func userFacts(u *identity.User) map[string]any {
	return map[string]any{"display_name": u.DisplayName, "standing": u.Standing, "reach": u.Reach}
}

func appendUser(w *writer, u *identity.User) {
	w.open('{')
	w.textMember("id", u.ID)
	w.textMember("userName", u.Name)
	w.textMember("displayName", u.DisplayName)
	w.textMember("provider", u.Provider)
	w.textMember("externalId", u.ExternalID)
	appendMeta(w, &u.Meta)
	w.close('}')
}

// groupsOfUser lists the groups that a user is in. The shape, that of a search,
// is a guess.
func groupsOfUser(c *Call) error {
	u, err := readUser(c, c.administered(), c.values[0])
	if err != nil {
		return dsvError(err, "")
	}
	names := c.s.Directory.GroupsOf(c.administered(), u.Name)
	w := &c.out
	w.open('{')
	w.textMember("cursor", "")
	w.name("data")
	w.open('[')
	for _, name := range names {
		w.open('{')
		w.textMember("groupName", name)
		w.close('}')
	}
	w.close(']')
	w.intMember("length", int64(len(names)))
	w.intMember("limit", int64(max(1, len(names))))
	w.intMember("total", int64(len(names)))
	w.close('}')
	return nil
}

type groupBody struct {
	GroupName   string   `json:"groupName"`
	Members     []string `json:"members"`
	MemberNames []string `json:"memberNames"`
}

func createGroup(c *Call) error {
	var body groupBody
	if err := c.readLoose(&body); err != nil {
		return err
	}
	if err := c.settle(); err != nil {
		return err
	}
	members := append(body.Members, body.MemberNames...)
	g, err := c.s.Directory.CreateGroup(c.Caller.Subject, c.administered(), identity.Group{Name: body.GroupName, Members: members})
	if err != nil {
		return dsvError(err, takenPrincipal)
	}
	c.noteThing("group", g.Name, nil, groupFacts(&g))
	appendGroup(&c.out, &g)
	return nil
}

func deleteGroup(c *Call) error {
	old, err := readGroup(c, c.administered(), c.values[0])
	if err != nil {
		return dsvError(err, "")
	}
	if err := c.s.Directory.DeleteGroup(c.administered(), old.Name); err != nil {
		return dsvError(err, "")
	}
	c.noteThing("group", old.Name, groupFacts(&old), nil)
	return nil
}

func addMembers(c *Call) error {
	g, err := c.changeMembers(func(names []string) (add, remove []string) { return names, nil })
	if err == nil {
		appendGroup(&c.out, &g)
	}
	return err
}

func removeMembers(c *Call) error {
	_, err := c.changeMembers(func(names []string) (add, remove []string) { return nil, names })
	return err
}

func (c *Call) changeMembers(change func(names []string) (add, remove []string)) (identity.Group, error) {
	var body groupBody
	if err := c.readLoose(&body); err != nil {
		return identity.Group{}, err
	}
	names := append(body.MemberNames, body.Members...)
	if len(names) == 0 {
		return identity.Group{}, annal.Invalid("memberNames", "must name at least one member")
	}
	old, err := readGroup(c, c.administered(), c.values[0])
	if err != nil {
		return old, dsvError(err, "")
	}
	add, remove := change(names)
	g, err := c.s.Directory.ChangeMembers(c.Caller.Subject, c.administered(), old.Name, add, remove)
	if err != nil {
		return g, dsvError(err, "")
	}
	c.noteMembers(&old, &g)
	return g, nil
}

// groupFacts names the members, as far as an event holds them.
func groupFacts(g *identity.Group) map[string]any {
	size := 0
	for _, m := range g.Members {
		size += len(m)
	}
	if size > maxSmallBody {
		return map[string]any{"members": len(g.Members)}
	}
	return map[string]any{"members": g.Members}
}

// noteMembers records who came to a group and who left it: all of its members
// before and after could be more than an event holds.
func (c *Call) noteMembers(old, is *identity.Group) {
	without := func(all, some []string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(name string) bool { _, in := slices.BinarySearch(some, name); return in })
	}
	facts := map[string]any{"members": len(is.Members), "added": without(is.Members, old.Members), "removed": without(old.Members, is.Members)}
	c.noteThing("group", is.Name, map[string]any{"members": len(old.Members)}, facts)
}

// appendGroup writes a group. That members are shown as they are given, as
// names, is a guess.
func appendGroup(w *writer, g *identity.Group) {
	w.open('{')
	w.textMember("id", g.ID)
	w.textMember("groupName", g.Name)
	w.name("members")
	w.open('[')
	for _, m := range g.Members {
		w.text(m)
	}
	w.close(']')
	appendMeta(w, &g.Meta)
	w.close('}')
}

type roleBody struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Provider    string `json:"provider"`
	ExternalID  string `json:"externalId"`
}

func createRole(c *Call) error {
	var body roleBody
	if err := c.readLoose(&body); err != nil {
		return err
	}
	if body.Provider != "" || body.ExternalID != "" {
		return annal.Invalid("provider", "unable to find authentication provider: roles are of annal's own clients")
	}
	if err := c.settle(); err != nil {
		return err
	}
	r, err := c.s.Directory.CreateRole(c.Caller.Subject, c.administered(), identity.Role{Name: body.Name, Description: body.Description})
	if err != nil {
		return dsvError(err, takenPrincipal)
	}
	c.noteThing("role", r.Name, nil, roleFacts(&r))
	appendRole(&c.out, &r)
	return nil
}

func updateRole(c *Call) error {
	var body roleBody
	if err := c.readLoose(&body); err != nil {
		return err
	}
	old, err := readRole(c, c.administered(), c.values[0])
	if err != nil {
		return dsvError(err, "")
	}
	r, err := c.s.Directory.UpdateRole(c.Caller.Subject, c.administered(), old.Name, body.Description)
	if err != nil {
		return dsvError(err, "")
	}
	c.noteThing("role", r.Name, roleFacts(&old), roleFacts(&r))
	appendRole(&c.out, &r)
	return nil
}

func deleteRole(c *Call) error {
	old, err := readRole(c, c.administered(), c.values[0])
	if err != nil {
		return dsvError(err, "")
	}
	if err := c.s.Directory.DeleteRole(c.administered(), old.Name); err != nil {
		return dsvError(err, "")
	}
	c.noteThing("role", old.Name, roleFacts(&old), nil)
	return nil
}

func roleFacts(r *identity.Role) map[string]any { return map[string]any{"description": r.Description} }

func appendRole(w *writer, r *identity.Role) {
	w.open('{')
	w.textMember("id", r.ID)
	w.textMember("name", r.Name)
	w.textMember("description", r.Description)
	w.textMember("provider", r.Provider)
	w.textMember("externalId", r.ExternalID)
	appendMeta(w, &r.Meta)
	w.close('}')
}

type clientBody struct {
	Role        string `json:"role"`
	Description string `json:"description"`
	URL         bool   `json:"url"`
	TTL         int64  `json:"ttl"`
	UsesLimit   int64  `json:"usesLimit"`
}

// check refuses what would otherwise be promised and not kept.
func (b *clientBody) check() error {
	var bad annal.InvalidError
	if b.URL {
		bad.Add(-1, "url", "there are no bootstrap URLs here: the secret is in the answer")
	}
	if b.TTL != 0 {
		bad.Add(-1, "ttl", "clients do not expire here: delete the client")
	}
	if b.UsesLimit != 0 {
		bad.Add(-1, "usesLimit", "uses are not limited here: delete the client")
	}
	if len(bad.Problems) > 0 {
		return &bad
	}
	return nil
}

func createClient(c *Call) error {
	var body clientBody
	if err := c.readLoose(&body); err != nil {
		return err
	}
	if err := body.check(); err != nil {
		return err
	}
	if err := c.settle(); err != nil {
		return err
	}
	client, secret, err := c.s.Directory.CreateClient(c.Caller.Subject, c.administered(), identity.Client{Role: body.Role, Description: body.Description})
	if err != nil {
		return dsvError(err, takenPrincipal)
	}
	c.noteThing("client", client.ID, nil, clientFacts(&client))
	c.out.appendClient(&client, secret)
	return nil
}

func deleteClient(c *Call) error {
	old, err := readClient(c, c.administered(), c.values[0])
	if err != nil {
		return dsvError(err, "")
	}
	if err := c.s.Directory.DeleteClient(c.administered(), old.ID); err != nil {
		return dsvError(err, "")
	}
	c.noteThing("client", old.ID, clientFacts(&old), nil)
	return nil
}

func clientFacts(c *identity.Client) map[string]any {
	return map[string]any{"role": c.Role, "description": c.Description}
}

func appendClient(w *writer, c *identity.Client) { w.appendClient(c, "") }

func (w *writer) appendClient(c *identity.Client, secret string) {
	w.open('{')
	w.textMember("id", c.ID)
	w.textMember("clientId", c.ID)
	w.given("clientSecret", secret)
	w.textMember("role", c.Role)
	w.textMember("description", c.Description)
	appendMeta(w, &c.Meta)
	w.close('}')
}
